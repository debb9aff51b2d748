"""The admin pages of a shared profile: history, renaming, removing and followers."""

import re

import pytest
from starlette.testclient import TestClient

from digest.admin import profile_actions
from digest.app import App
from digest.matching import compile_rules
from digest.models import Profile, Role
from digest.store import audit, profiles
from tests.builders import NOW
from tests.web.admin_site import EDITOR_EMAIL, AdminBrowser, signed_in
from tests.web.conftest import browser
from tests.web.papers import share_profile
from tests.web.subscribers import add_subscriber

HOSTILE = '<script>alert("x")</script> \u202e evil'


@pytest.fixture
def editor(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site, Role.EDITOR)


def edited(app: App, name: str, rules: str | None = None, new_name: str | None = None) -> Profile:
    compiled = None if rules is None else compile_rules(rules)
    with app.store.write() as tx:
        return profile_actions.edit(tx, name, rules=compiled, new_name=new_name, by="command line", now=NOW)


def removed(app: App, name: str) -> int:
    """The number that it had."""
    with app.store.write() as tx:
        number = profiles.get(tx, name).id
        profile_actions.remove(tx, name, by="command line", now=NOW)
    return number


def shared(app: App) -> dict[str, str]:
    with app.store.read() as tx:
        return {profile.name: profile.rules for profile in profiles.list_shared(tx)}


def log(app: App) -> list[tuple[str, str, str]]:
    with app.store.read() as tx:
        return [(c.who, c.what, c.subject) for c in reversed(audit.list_changes(tx, limit=50)) if c.who == EDITOR_EMAIL]


def plain(html: str) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.replace("<bdi>", "").replace("</bdi>", "")).split())


def flat(html: str) -> str:
    """A page on one line, as tags are broken into some."""
    return " ".join(html.split())


def test_the_history_shows_time_author_and_change_newest_first(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    edited(app, "Cats", "cat\nlion", "Felines")
    text = editor.read("/admin/profiles/1/history")
    assert re.findall(r"/history/(\d)", text) == ["2", "1"]
    assert "2026-06-03 07:00" in text
    assert "1 line added, renamed from &#39;Cats&#39;" in text
    assert "first version with 1 line" in text
    assert "<bdi>command line</bdi>" in text


def test_a_version_shows_its_lines_with_signs_and_its_rules(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat\nlion\nlynx")
    edited(app, "Cats", "cat\ntiger\nlynx")
    text = editor.read("/admin/profiles/1/history/2")
    assert "<del>- <bdi>lion</bdi></del>" in text
    assert "<ins>+ <bdi>tiger</bdi></ins>" in text
    assert "  <bdi>cat</bdi>" in text
    assert "--- Cats" not in text
    assert "These are the current rules of the profile." in text
    assert "cat\nlion\nlynx</pre>" in editor.read("/admin/profiles/1/history/1")


def test_an_earlier_version_is_restored_by_a_button_and_leads_to_the_editor(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    edited(app, "Cats", "dog")
    answer = editor.post("/admin/profiles/1/history/1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/profiles/1?done=restored")
    assert shared(app) == {"Cats": "cat"}
    assert log(app) == [(EDITOR_EMAIL, "profile restore", "Cats, version 1")]


def test_a_removed_profile_is_listed_and_restored_without_followers(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    add_subscriber(app, profiles=("Cats",))
    assert "No profiles have been removed." in editor.read("/admin/profiles/removed")
    number = removed(app, "Cats")
    assert f'/admin/profiles/{number}/history"><bdi>Cats</bdi>' in editor.read("/admin/profiles/removed")
    assert "This profile was removed." in editor.read(f"/admin/profiles/{number}/history")
    assert "without followers" in editor.read(f"/admin/profiles/{number}/history/1")
    editor.post(f"/admin/profiles/{number}/history/1")
    assert shared(app) == {"Cats": "cat"}
    with app.store.read() as tx:
        assert profiles.get(tx, "Cats").id == number
        assert profiles.count_followers(tx) == {"Cats": 0}


def test_of_two_removed_under_one_name_each_comes_back_as_itself(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    first = removed(app, "Cats")
    share_profile(app, "Cats", "lion")
    second = removed(app, "Cats")
    text = editor.read("/admin/profiles/removed")
    assert [f"/{number}/history" in text for number in (first, second)] == [True, True]
    editor.post(f"/admin/profiles/{first}/history/1")
    assert shared(app) == {"Cats": "cat"}
    refused = editor.post(f"/admin/profiles/{second}/history/1")
    assert refused.status_code == 422
    assert "another profile is now called &#39;Cats&#39;" in refused.text
    assert shared(app) == {"Cats": "cat"}


@pytest.mark.parametrize("path", ["9/history", "9/history/1", "1/history/7", "1/history/x", "9/rename", "9/remove"])
def test_unknown_profiles_and_versions_are_not_found(app: App, editor: AdminBrowser, path: str) -> None:
    share_profile(app, "Cats", "cat")
    assert editor.get(f"/admin/profiles/{path}").status_code == 404
    if "history" not in path or path.count("/") == 2:
        assert editor.post(f"/admin/profiles/{path}", sure="1", name="x").status_code == 404


def test_personal_keywords_have_no_history_page(app: App, editor: AdminBrowser) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules("secret hobby"), now=NOW)
        own = profiles.find_personal(tx, reader.id)
    assert own is not None
    for path in ("history", "rename", "remove", "test"):
        answer = editor.get(f"/admin/profiles/{own.id}/{path}")
        assert (answer.status_code, "secret" in answer.text) == (404, False)


def test_renaming_shows_the_number_of_followers_first(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    assert "No followers yet." in editor.read("/admin/profiles/1/rename")
    add_subscriber(app, profiles=("Cats",))
    assert "1 follower keeps the profile and sees the new name" in editor.read("/admin/profiles/1/rename")
    answer = editor.post("/admin/profiles/1/rename", name="  Big\r\ncats ")
    assert answer.headers["Location"] == "/admin/profiles/1?done=renamed"
    with app.store.read() as tx:
        assert profiles.count_followers(tx) == {"Big cats": 1}
    assert log(app) == [(EDITOR_EMAIL, "profile edit", "Cats → Big cats")]


@pytest.mark.parametrize(("name", "why"), [("Dogs", "there is a profile"), ("  ", "a profile needs a name")])
def test_an_invalid_name_is_marked_beside_the_field(app: App, editor: AdminBrowser, name: str, why: str) -> None:
    share_profile(app, "Cats", "cat")
    share_profile(app, "Dogs", "dog")
    answer = editor.post("/admin/profiles/1/rename", name=name)
    assert answer.status_code == 422
    assert why in answer.text
    assert f'value="{name}" aria-invalid="true" aria-describedby="name-wrong"' in answer.text
    assert list(shared(app)) == ["Cats", "Dogs"]


def test_removing_counts_the_followers_who_would_get_no_more_mail(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    share_profile(app, "Dogs", "dog")
    assert "It has no followers." in editor.read("/admin/profiles/1/remove")
    add_subscriber(app, "only@example.org", profiles=("Cats",))
    add_subscriber(app, "both@example.org", profiles=("Cats", "Dogs"))
    own = add_subscriber(app, "own@example.org", profiles=("Cats",))
    with app.store.write() as tx:
        profiles.set_personal(tx, own.id, compile_rules("mice"), now=NOW)
    said = plain(editor.read("/admin/profiles/1/remove"))
    assert "3 followers will lose this profile. 1 of them follows no other profile, has no keywords" in said
    assert "1 follower will lose this profile. All of them follow other profiles" in plain(
        editor.read("/admin/profiles/2/remove")
    )
    with app.store.read() as tx:
        assert profiles.count_followers_of(tx, 1) == (3, 1)


def test_removing_needs_a_tick_and_says_how_to_undo_it(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Cats", "cat")
    unsure = editor.post("/admin/profiles/1/remove")
    assert (unsure.status_code, "Nothing was removed." in unsure.text) == (422, True)
    assert list(shared(app)) == ["Cats"]
    answer = editor.post("/admin/profiles/1/remove", sure="1")
    assert answer.headers["Location"] == "/admin/profiles/removed?done=removed"
    assert shared(app) == {}
    assert "To bring it back, open it here" in editor.read(answer.headers["Location"])
    assert log(app) == [(EDITOR_EMAIL, "profile remove", "Cats")]


def test_addresses_of_followers_are_for_admins_only_and_come_in_pages(app: App, site: TestClient) -> None:
    share_profile(app, "Cats", "cat")
    share_profile(app, "Dogs", "dog")
    for n in range(150):
        add_subscriber(app, f"r{n}@example.org", profiles=("Cats",))
    add_subscriber(app, "other@example.org", profiles=("Dogs",))
    editor = signed_in(app, site, Role.EDITOR)
    assert editor.get("/admin/profiles/1/followers").status_code == 403
    assert "@example.org" not in editor.read("/admin/profiles/1/remove")
    admin = signed_in(app, site)
    assert "/admin/profiles/1/followers" in admin.read("/admin/profiles/1/remove")
    first = admin.read("/admin/profiles/1/followers")
    assert "150 followers" in first
    assert re.findall(r">(r\d+)@", first) == [f"r{n}" for n in range(100)]
    (behind,) = re.findall(r'href="([^"]+after=\d+)"', first)
    second = admin.read(behind)
    assert re.findall(r">(r\d+)@", second) == [f"r{n}" for n in range(100, 150)]
    assert "after=" not in second
    assert '/admin/subscribers/1"' in first


def test_names_rules_and_authors_of_versions_are_text(app: App, site: TestClient) -> None:
    admin = signed_in(app, site)
    with app.store.write() as tx:
        profile_actions.add(tx, HOSTILE, compile_rules(f'"{HOSTILE[1:8]}" # {HOSTILE}'), by=HOSTILE, now=NOW)
    edited(app, " ".join(HOSTILE.split()), "cat")
    pages = [f"/admin/profiles/1/{page}" for page in ("history", "history/1", "history/2", "rename", "remove")]
    pages += ["/admin/profiles/1/followers", "/admin/profiles/1/test"]
    texts = [admin.read(page) for page in pages]
    removed(app, " ".join(HOSTILE.split()))
    texts += [admin.read("/admin/profiles/removed"), admin.read("/admin/profiles/1/history")]
    for text in texts:
        assert "<script>alert" not in text
        assert "alert(" in text
    with app.store.read() as tx:
        assert len(profiles.list_removed(tx)) == 1


def test_others_and_forged_forms_get_nowhere(app: App, site: TestClient) -> None:
    share_profile(app, "Cats", "cat")
    edited(app, "Cats", "dog")
    editor = signed_in(app, site, Role.EDITOR)
    for path in ("1/rename", "1/remove", "1/history/1", "1/test", "import", "query"):
        anybody = browser(app).post(f"/admin/profiles/{path}", data={"sure": "1", "name": "x"})
        assert anybody.headers["Location"] == "/admin/sign-in"
        forged = editor.client.post(
            f"/admin/profiles/{path}", data={"csrf": "0" * 32, "sure": "1"}, headers={"Cookie": editor.cookie}
        )
        assert forged.status_code == 403
    assert shared(app) == {"Cats": "dog"}

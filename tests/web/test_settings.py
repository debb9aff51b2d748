"""The settings page, and the link in every mail that leads there."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import AnnounceType, Schedule, Subscriber, SubscriberState, Weekday
from digest.pipeline.publish import publish
from digest.security.links import Scope
from digest.store import Transaction, profiles, subscribers
from digest.web.account import settings_pause_mute as settings
from digest.web.auth import find_still
from tests.builders import NOW, a_subscriber, at
from tests.web.html import faults_of
from tests.web.reader_site import ReaderBrowser, keywords, sign_in_reader, stored
from tests.web.subscribers import EMAIL, add_subscriber, changed, path, state

MAILS: dict[str, Any] = {
    "part": "mails",
    "name": "A Reader",
    "send_at": "06:30",
    "timezone": "Asia/Tokyo",
    "day": ["mon", "thu"],
    "language": "de",
    "max_papers": "7",
    "announce": ["new", "updates"],
}


@pytest.fixture
def own(app: App, site: TestClient) -> ReaderBrowser:
    """A browser in which a reader is signed in."""
    return sign_in_reader(app, site, add_subscriber(app))


def share(app: App, *names: str) -> None:
    with app.store.write() as tx:
        for name in names:
            profiles.add(tx, name, compile_rules("x"), by="tests", now=NOW)


def test_the_link_in_every_mail_signs_in_and_leads_to_the_settings(app: App, site: TestClient) -> None:
    answer = site.get(path(app, Scope.PREFERENCES, add_subscriber(app)))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")
    cookie = answer.headers.get_list("Set-Cookie")[0]
    assert re.fullmatch(r"__Host-digest=[^;]+; Max-Age=43200; Path=/; HttpOnly; SameSite=Lax; Secure", cookie)
    assert site.get("/settings", headers={"Cookie": cookie.partition(";")[0]}).status_code == 200


@pytest.mark.parametrize("how", ["old", "revoked", "removed"])
def test_an_expired_link_does_not_sign_in(app: App, site: TestClient, how: str) -> None:
    reader = add_subscriber(app)
    written_at = NOW - timedelta(days=60) if how == "old" else NOW
    link = app.links.url(Scope.PREFERENCES, reader.id, reader.epoch, written_at=written_at).partition(".org")[2]
    with app.store.write() as tx:
        if how == "revoked":
            app.membership.unsubscribe(tx, reader, origin="", now=NOW)
        elif how == "removed":
            subscribers.remove(tx, EMAIL)
    answer = site.get(link)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (410, False)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.PREFERENCES])
def test_a_link_of_another_scope_does_not_sign_in(app: App, site: TestClient, scope: Scope) -> None:
    token = path(app, scope, add_subscriber(app)).rpartition("/")[2]
    answer = site.get(f"/preferences/{token}")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    "page",
    ["", "/pause", "/digests", "/digests/6a", "/address", "/data", "/data/export", "/leave"],
)
def test_without_a_session_the_pages_redirect_to_the_sign_in_page(app: App, site: TestClient, page: str) -> None:
    reader = add_subscriber(app)
    cookies = ["", "__Host-digest=1.0.AAAAAAAAAAAAAAAAAAAAAA"]
    for scope in Scope:  # no link of any kind is a session, but the session's own token
        if scope is not Scope.SESSION:
            token = app.links.token(scope, reader.id, reader.epoch, written_at=NOW)
            cookies.append(f"__Host-digest={token}")
    for cookie in cookies:
        answer = site.get(f"/settings{page}", headers={"Cookie": cookie})
        assert (answer.status_code, answer.headers["Location"], answer.text) == (303, "/sign-in", "")


def test_a_session_ends_after_twelve_hours_and_when_its_reader_leaves(
    app: App, own: ReaderBrowser, site: TestClient
) -> None:
    old = app.links.token(Scope.SESSION, 1, 0, about="0", written_at=NOW - timedelta(hours=12))
    assert site.get("/settings", headers={"Cookie": f"__Host-digest={old}"}).status_code == 303
    with app.store.write() as tx:
        app.membership.unsubscribe(tx, stored(app), origin="", now=NOW)
    answer = own.get("/settings")
    assert (answer.status_code, "Max-Age=0" in answer.headers["Set-Cookie"]) == (303, True)


def test_the_page_shows_the_stored_settings(app: App, site: TestClient) -> None:
    share(app, "Cats", "Dogs")
    reader = add_subscriber(
        app, name="A <b>Reader</b>", profiles=("Cats",), max_papers=9, announce_types=frozenset({AnnounceType.CROSS})
    )
    with app.store.write() as tx:
        profiles.set_personal(
            tx, reader.id, compile_rules("cats AND </textarea>\n-dogs".replace("</", "").replace(">", "")), now=NOW
        )
    page = sign_in_reader(app, site, reader).get("/settings")
    flat = " ".join(page.text.split())
    assert page.status_code == 200
    assert 'value="A &lt;b&gt;Reader&lt;/b&gt;"' in flat
    assert 'value="Cats" checked' in flat
    assert 'value="Dogs" checked' not in flat
    assert "cats AND textarea -dogs</textarea>" in flat
    assert 'value="9"' in flat
    assert 'value="cross" checked' in flat
    assert 'value="new" checked' not in flat
    assert "Thursday, June 4, 2026 at 07:00" in flat
    assert 'formaction="/preview"' in flat
    assert faults_of(page.text) == []


def test_the_next_digest_is_shown_in_the_readers_time_zone(app: App, site: TestClient) -> None:
    reader = add_subscriber(app, schedule=Schedule(timezone="Pacific/Auckland", days=frozenset({Weekday.FRI})))
    page = sign_in_reader(app, site, reader).get("/settings").text
    assert "Friday, June 5, 2026 at 07:00" in page
    paused = changed(app, reader, state=SubscriberState.PAUSED, resumes_at=at("2026-06-09 12:00"))
    assert (
        "Your digest is paused until Wednesday, June 10, 2026."
        in sign_in_reader(app, site, paused).get("/settings").text
    )


def test_mail_settings_are_saved_and_the_page_says_so(app: App, own: ReaderBrowser) -> None:
    answer = own.post("/settings", **MAILS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings?saved=1")
    s = stored(app)
    assert s == a_subscriber(
        id=1,
        name="A Reader",
        schedule=Schedule(timezone="Asia/Tokyo", send_at=at("2026-06-03 06:30").time(), days=s.schedule.days),
        language="de",
        max_papers=7,
        announce_types=frozenset({AnnounceType.NEW, AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS}),
        wants_trending=False,
    )
    assert s.schedule.days == {Weekday.MON, Weekday.THU}
    page = own.get("/settings?saved=1").text
    assert '<p class="notice" role="status">Gespeichert.</p>' in page
    assert "Donnerstag, 4. Juni 2026 um 06:30" in page


def test_the_checkbox_turns_trending_papers_on_and_off(app: App, own: ReaderBrowser) -> None:
    own.post("/settings", **MAILS, trending="1")
    assert stored(app).wants_trending


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("send_at", "25:00", "Enter a time such as 07:30."),
        ("send_at", "", "Enter a time such as 07:30."),
        ("timezone", "Mars/Base", "Choose a time zone from the list."),
        ("timezone", "../../etc/passwd", "Choose a time zone from the list."),
        ("day", [], "Choose at least one day."),
        ("day", ["someday"], "Choose at least one day."),
        ("language", "tlh", "Choose a language from the list."),
        ("max_papers", "0", "Enter a number from 1 to 100."),
        ("max_papers", "101", "Enter a number from 1 to 100."),
        ("max_papers", "-1", "Enter a number from 1 to 100."),
        ("max_papers", "9" * 5000, "Enter a number from 1 to 100."),
        ("max_papers", "٣", "Enter a number from 1 to 100."),
        ("announce", [], "Choose at least one type."),
        ("announce", ["all"], "Choose at least one type."),
    ],
)
def test_an_invalid_field_is_marked_the_others_are_kept_as_typed_and_nothing_is_saved(
    app: App, own: ReaderBrowser, field: str, typed: Any, says: str
) -> None:
    before = stored(app)
    answer = own.post("/settings", **MAILS | {"name": "Typed <i>", field: typed})
    assert answer.status_code == 422
    assert says in answer.text
    assert "Please check the marked fields." in answer.text  # at the top, where a browser begins
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Typed &lt;i&gt;"' in answer.text
    assert faults_of(answer.text) == []
    assert stored(app) == before


def test_a_stored_number_of_papers_above_the_pages_limit_may_stay(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, max_papers=300))
    assert own.post("/settings", **MAILS | {"max_papers": "300"}).status_code == 303
    assert own.post("/settings", **MAILS | {"max_papers": "301"}).status_code == 422


def test_a_name_is_one_line(app: App, own: ReaderBrowser) -> None:
    own.post("/settings", **MAILS | {"name": "A\r\nBcc: x@example.org" + "x" * 500})
    assert stored(app).name.startswith("A Bcc: x@example.org")
    assert len(stored(app).name) == 200


def test_profiles_and_keywords_are_saved(app: App, own: ReaderBrowser) -> None:
    share(app, "Cats", "Dogs", "Birds")
    compiled_profiles: dict[str, Any] = {"part": "interests", "profile": ["Dogs", "Cats", "Nobody's"]}
    compiled_profiles |= {"rules": "mice\r\n-survey\r\n"}
    assert own.post("/settings", **compiled_profiles).headers["Location"] == "/settings?saved=1"
    assert (stored(app).profiles, keywords(app)) == (("Cats", "Dogs"), "mice\n-survey")
    own.post("/settings", part="interests", rules="")
    assert (stored(app).profiles, keywords(app)) == ((), "")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("cats AND", "vor dem Ende fehlt ein Wort, eine Wendung oder ("),
        ("(cats", "vor dem Ende fehlt )"),
        ("cats)", "zu dieser ) fehlt die öffnende ("),
        ('a "cat', "das Anführungszeichen wird nicht geschlossen"),
        ("c*", "vor * gehören mindestens zwei Buchstaben"),
        ("cats ^0", "nach ^ gehört ein Gewicht über 0"),
    ],
)
def test_common_mistakes_are_explained_in_the_readers_language(
    app: App, site: TestClient, rule: str, said: str
) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, language="de"))
    answer = own.post("/settings", part="interests", rules=rule)
    assert f": {said}" in " ".join(answer.text.split())


def test_invalid_keywords_are_marked_and_kept_as_typed(app: App, own: ReaderBrowser) -> None:
    share(app, "Cats")
    answer = own.post("/settings", part="interests", profile="Cats", rules="mice\n<b> AND (")
    assert answer.status_code == 422
    flat = " ".join(answer.text.split())
    assert "Line 2, column" in flat
    assert "Please check the marked fields." in flat
    assert "mice &lt;b&gt; AND (</textarea>" in flat
    assert 'value="Cats" checked' in flat
    assert faults_of(answer.text) == []
    assert (stored(app).profiles, keywords(app)) == ((), "")


def test_long_keywords_in_any_script_are_accepted(app: App, own: ReaderBrowser) -> None:
    rules = "\n".join(f"扩散模型 {n}" for n in range(2000))
    assert own.post("/settings", part="interests", rules=rules).status_code == 303
    assert keywords(app) == rules


@pytest.mark.parametrize("csrf", ["", "0" * 32, "\u0660"])
@pytest.mark.parametrize("form", [MAILS, {"part": "interests", "rules": "x"}])
def test_a_form_without_this_sessions_token_changes_nothing(
    app: App, own: ReaderBrowser, csrf: str, form: dict[str, Any]
) -> None:
    before = stored(app)
    assert own.post("/settings", csrf=csrf, **form).status_code == 403
    assert (stored(app), keywords(app)) == (before, "")


def test_the_token_of_another_session_is_refused(app: App, own: ReaderBrowser, site: TestClient) -> None:
    same = sign_in_reader(app, site, stored(app)).csrf
    other = sign_in_reader(app, site, add_subscriber(app, "other@example.org")).csrf
    for csrf in (same, other):
        assert own.post("/settings", csrf=csrf, **MAILS).status_code == 403


def test_an_unknown_form_is_refused(own: ReaderBrowser) -> None:
    assert own.post("/settings", rules="x").status_code == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(app: App, own: ReaderBrowser, method: str) -> None:
    before = stored(app)
    form = "?part=mails&name=X&max_papers=1&rules=x"
    answer = own.client.request(method, f"/settings{form}", headers={"Cookie": own.cookie})
    assert (answer.status_code, stored(app), keywords(app)) == (200, before, "")


def test_of_two_tabs_the_last_save_counts_and_each_form_saves_its_own_fields(app: App, own: ReaderBrowser) -> None:
    own.post("/settings", part="interests", rules="cats")
    own.post("/settings", **MAILS)
    own.post("/settings", part="interests", rules="dogs")
    own.post("/settings", **MAILS | {"max_papers": "3"})
    assert (keywords(app), stored(app).max_papers, stored(app).name) == ("dogs", 3, "A Reader")


@pytest.mark.parametrize("form", [MAILS, {"part": "interests", "rules": "x"}])
def test_a_save_does_not_bring_back_a_subscriber_who_unsubscribed_since(
    app: App, own: ReaderBrowser, monkeypatch: pytest.MonkeyPatch, form: dict[str, Any]
) -> None:
    def leave_and_find(tx: Transaction, reader: Subscriber) -> Subscriber | None:
        app.membership.unsubscribe(tx, reader, origin="", now=NOW)
        return find_still(tx, reader)

    monkeypatch.setattr(settings, "find_still", leave_and_find)  # called once the session has been checked
    answer = own.post("/settings", **form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert (state(app), keywords(app)) == ("unsubscribed", "")


def test_a_mistake_after_a_save_is_shown_instead_of_the_save(own: ReaderBrowser) -> None:
    for mistake in (MAILS | {"max_papers": "none"}, {"part": "interests", "rules": "("}):
        answer = own.post("/settings?saved=1", **mistake)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert "Saved." not in answer.text


def test_an_earlier_hour_gives_no_second_digest_today(app: App, own: ReaderBrowser) -> None:
    changed(app, stored(app), last_slot_at=NOW, last_digest_at=NOW)
    own.post("/settings", **MAILS | {"timezone": "UTC", "send_at": "06:00", "day": [day.value for day in Weekday]})
    publish(app.store, app.compiled_profiles, app.selection_settings, now=NOW + timedelta(hours=1))
    assert stored(app).last_digest_at == NOW


def test_a_digest_that_is_due_still_comes_after_a_change_of_the_hour(app: App, own: ReaderBrowser) -> None:
    changed(app, stored(app), last_slot_at=NOW - timedelta(days=1), last_digest_at=NOW - timedelta(days=1))
    own.post("/settings", **MAILS | {"timezone": "UTC", "send_at": "06:00", "day": [day.value for day in Weekday]})
    later = NOW + timedelta(hours=1)
    publish(app.store, app.compiled_profiles, app.selection_settings, now=later)
    assert stored(app).last_digest_at == later


def test_a_stored_time_zone_without_a_place_is_offered(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, schedule=Schedule(timezone="CET")))
    assert "<option selected>CET</option>" in own.get("/settings").text


def test_every_link_and_redirect_includes_the_path_of_the_site(open_site: Any, app: App) -> None:
    site = open_site('[newsletter]\nbase_url = "https://example.org/digest"\n')
    link = app.links.token(Scope.PREFERENCES, add_subscriber(app).id, 0, written_at=NOW)
    answer = site.get(f"/digest/preferences/{link}")
    assert (answer.headers["Location"], "Path=/digest/;" in answer.headers["Set-Cookie"]) == ("/digest/settings", True)
    page = site.get("/digest/settings", headers={"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}).text
    assert 'href="/digest/settings/pause"' in page
    assert 'formaction="/digest/preview"' in page
    assert not re.search(r'(href|action)="/(?!digest/)', page)


def test_a_reader_sees_only_their_own_settings(app: App, own: ReaderBrowser, site: TestClient) -> None:
    other = add_subscriber(app, "other@example.org", name="Somebody Else")
    with app.store.write() as tx:
        profiles.set_personal(tx, other.id, compile_rules("secret interest"), now=NOW)
    page = own.get("/settings").text
    assert "Somebody Else" not in page
    assert "secret interest" not in page
    assert stored(app) == replace(stored(app), email=EMAIL)

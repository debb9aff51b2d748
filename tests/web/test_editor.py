"""The profile editor: rules are previewed before saving, and no editor overwrites another's change unseen."""

import html
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import Admin, Role
from digest.security import passwords
from digest.store import admins, audit, profiles
from digest.web.admin.profiles import trial
from digest.web.admin.profiles.trial import Trial
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of
from tests.browsing import needs_chromium, stop_clock
from tests.builders import NOW, a_paper
from tests.serving import IN_TIME
from tests.web.html import faults_of
from tests.web.papers import HOSTILE, add_papers, share_profile
from tests.web.reader_site import sign_in_reader
from tests.web.subscribers import add_subscriber
from tests.web.test_admin import PASSWORD, log, signed_in

EDITOR = "editor@example.org"
HOSTILE_NAME = "</bdi><script>alert(1)</script> \"' \u202e &"


@pytest.fixture(scope="module")
def hashed() -> str:
    """It takes a while on purpose."""
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def cookie(app: App, site: TestClient, hashed: str) -> str:
    """An editor is signed in; there are papers on cats and dogs, and a profile."""
    entered(app, hashed)
    return signed_in(site, EDITOR)


def entered(app: App, hashed: str) -> None:
    with app.store.write() as tx:
        admins.add(tx, Admin(email=EDITOR, role=Role.EDITOR, password=hashed), now=NOW)
    add_papers(app, *(f"A paper on cats, number {n}" for n in range(12)), seen_at=NOW - timedelta(days=2))
    add_papers(app, "A paper on dogs", "A paper on quantization", seen_at=NOW - timedelta(days=1))
    share_profile(app, "Animals", "dogs")


def number(app: App, name: str = "Animals") -> int:
    with app.store.read() as tx:
        return profiles.get(tx, name).id


def rules(app: App, name: str = "Animals") -> str:
    with app.store.read() as tx:
        return profiles.get(tx, name).rules


def look(site: TestClient, cookie: str, path: str) -> Any:
    return site.get(path, headers={"Cookie": cookie})


def post(site: TestClient, cookie: str, path: str, *, fragment: bool = False, **fields: str) -> Any:
    """As the form at /admin/profiles/new would."""
    csrf = re.search(r'name="csrf" value="(\w+)"', look(site, cookie, "/admin/profiles/new").text)
    assert csrf is not None
    headers = {"Cookie": cookie} | ({"X-Fragment": "1"} if fragment else {})
    return site.post(path, data={"csrf": csrf[1]} | fields, headers=headers)


def tried(site: TestClient, cookie: str, text: str, profile: int = 0, name: str = "") -> str:
    """The page that shows what rules would find, without what breaks its lines."""
    answer = post(site, cookie, "/admin/profiles/preview", rules=text, profile=str(profile), name=name)
    assert (answer.status_code, faults_of(answer.text)) == (200, [])
    return plain(answer.text)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", html)


def typed(html: str) -> str:
    """The content of the text field."""
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", html, re.DOTALL)
    assert found is not None
    return found[1]


def test_viewing_and_saving_need_an_admin_session(app: App, site: TestClient, hashed: str) -> None:
    entered(app, hashed)
    reader = sign_in_reader(app, site, add_subscriber(app))
    pages = ("/admin/profiles", "/admin/profiles/new", f"/admin/profiles/{number(app)}", "/admin/profiles/preview")
    for path in pages:
        for answer in (site.get(path), reader.get(path), site.post(path), reader.post(path, rules="cats", name="Mine")):
            assert answer.status_code in {303, 405}
            assert answer.headers.get("Location", "/admin/sign-in") == "/admin/sign-in"
    assert rules(app) == "dogs"


def test_nothing_is_saved_or_tried_without_the_sessions_own_token(app: App, site: TestClient, cookie: str) -> None:
    for path in ("/admin/profiles/new", f"/admin/profiles/{number(app)}", "/admin/profiles/preview"):
        answer = site.post(path, data={"csrf": "0" * 32, "rules": "cats", "name": "X"}, headers={"Cookie": cookie})
        assert answer.status_code == 403
    assert rules(app) == "dogs"


def test_the_list_says_how_many_papers_a_day_each_profile_finds(app: App, site: TestClient, cookie: str) -> None:
    share_profile(app, "Cats", "cats\n\n# a note")
    text = look(site, cookie, "/admin/profiles").text
    assert re.findall(r'data-label="Papers per day">([^<]*)<', text) == ["less than 1", "6"]
    assert 'href="/admin/profiles/new"' in text
    assert faults_of(text) == []


def test_the_list_calls_what_is_more_than_a_digest_holds(app: App, site: TestClient, cookie: str) -> None:
    add_papers(app, *(f"Cats again, number {n}" for n in range(100)))
    share_profile(app, "Cats", "cats")
    assert look(site, cookie, "/admin/profiles").text.count("more than fit in a digest") == 1


def test_a_profile_opens_with_its_rules_and_what_they_find(app: App, site: TestClient, cookie: str) -> None:
    text = look(site, cookie, f"/admin/profiles/{number(app)}").text
    assert (typed(text), faults_of(text)) == ("dogs", [])
    said = plain(text)
    assert "1 of 14 papers match. Papers arrived on 2 of the last 30 days." in said
    assert "No change: the saved rules find the same papers." in said
    for page in ("history", "rename", "remove"):
        assert f'href="/admin/profiles/{number(app)}/{page}"' in text


def test_there_is_no_editor_of_a_profile_that_is_not_there(site: TestClient, cookie: str) -> None:
    for path in ("/admin/profiles/999", "/admin/profiles/x"):
        answer = look(site, cookie, path)
        assert answer.status_code == 404
        assert "Someone may have removed it" in answer.text
        assert '<a href="/admin">' in answer.text
    assert post(site, cookie, "/admin/profiles/999", rules="cats").status_code == 404


def test_a_preview_shows_what_would_be_found_and_saves_nothing(app: App, site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "cats\r\nunheard of", number(app))
    assert "About 6 papers a day" in said
    assert "12 of 14 papers" in said
    assert said.count("<rect") == 1
    assert "12 papers added" in said
    assert "1 paper removed" in said
    assert "<mark>cats</mark>" in said
    assert "and 2 more" in said
    assert "no matches" in said
    assert "cats\nunheard of" in typed(post(site, cookie, "/admin/profiles/preview", rules="cats\r\nunheard of").text)
    assert rules(app) == "dogs"
    assert log(app) == [(EDITOR, "sign in")]


def test_a_new_profile_has_nothing_to_be_compared_with(site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "cats", name="Felines")
    assert 'value="Felines"' in said
    assert "What saving changes" not in said
    assert "<polyline" not in said


def test_the_effect_of_saving_is_drawn_beside_the_saved_rules(app: App, site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "cats", number(app))
    assert "<polyline" in said
    assert re.search(r"From Jun 1 to Jun 2. Maximum: 12 on Jun 1.", said)
    assert re.search(r"<th scope=\"row\">Mon, Jun 1</th><td>12</td><td>0</td><td>12</td>", said)


def test_a_mistake_is_marked_in_the_text_and_the_other_lines_are_tried(site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "cats\ndogs AND (birds\n-title:dogs")
    assert "Line 2, column 16:" in said
    assert "cats dogs AND <mark>(birds</mark> -title:dogs" in said
    assert "A line with a mistake is ignored." in said
    assert "12 of 14 papers" in said
    assert re.findall(r'class="line" data-label="Line">(\d)', said) == ["1", "3"]


def test_empty_lines_above_a_mistake_are_counted(site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "\n\ncats\nOR dogs\n")
    assert "Line 4, column 1:" in said
    assert "<mark>OR</mark> dogs" in said


def test_more_papers_than_fit_in_a_digest_are_reported(app: App, site: TestClient, cookie: str) -> None:
    add_papers(app, *(f"Cats again, number {n}" for n in range(120)))
    assert "more than the 25 papers that fit in a digest" in tried(site, cookie, "cats")
    assert "more than the 25 papers that fit in a digest" not in tried(site, cookie, "paper AND cats")


def test_each_rule_is_judged(site: TestClient, cookie: str) -> None:
    said = tried(site, cookie, "cats\ndogs\npaper AND dogs\n-number\n-birds")
    found = re.findall(
        r"<code>([^<]+)</code></bdi></th><td[^>]*>(\d*)</td><td[^>]*>([\d.]+ %)</td><td[^>]*>(\d*)</td>"
        r'<td class="verdict">(?:<strong[^>]*>)?([^<]*)',
        said,
    )
    assert found == [
        ("cats", "12", "85.7 %", "0", "too common"),
        ("dogs", "1", "7.1 %", "0", "other lines also find all of these"),
        ("paper AND dogs", "1", "7.1 %", "0", "other lines also find all of these"),
        ("-number", "", "85.7 %", "", "excludes 12"),
        ("-birds", "", "0 %", "", "excludes nothing"),
    ]


def test_of_very_many_rules_and_mistakes_the_first_that_need_mending_are_listed(site: TestClient, cookie: str) -> None:
    said = tried(
        site, cookie, "\n".join(f'"number {n}"' for n in range(12)) + "\nunheard of\n-birds\n" + "dogs\n" * 100
    )
    assert re.findall(r'class="line" data-label="Line">(\d+)', said) == ["13", "14"]
    assert "112 more rules work as expected." in said
    said = tried(site, cookie, "cats AND\n" * 25)
    assert (said.count("Line 20, column"), said.count("Line 21, column")) == (1, 0)
    assert "Only the first 20 mistakes are shown.</li>" in said


def test_a_suggestion_takes_the_place_of_its_rule_and_nothing_else(site: TestClient, cookie: str) -> None:
    text = "dogs\r\nquantizatio ^2 # to mend\r\ncats"
    said = tried(site, cookie, text)
    assert 'name="use" value="2"' in said
    answer = post(site, cookie, "/admin/profiles/preview", rules=text, use="2")
    assert typed(answer.text) == "dogs\nquantizatio* ^2 # to mend\ncats"
    assert "14 of 14" in plain(answer.text)
    assert "<mark>quantization</mark>" in answer.text


@pytest.mark.parametrize("line", ["1", "9", "0", "-1", "x", "²", "9" * 5000])
def test_without_a_suggestion_nothing_is_replaced(site: TestClient, cookie: str, line: str) -> None:
    answer = post(site, cookie, "/admin/profiles/preview", rules="dogs\r\nquantizatio", use=line)
    assert typed(answer.text) == "dogs\nquantizatio"


def test_a_new_profile_is_added_with_a_line_in_the_log(app: App, site: TestClient, cookie: str) -> None:
    answer = post(site, cookie, "/admin/profiles/new", name="  Big   cats ", rules="cats\r\n-dogs\r\n")
    assert answer.headers["Location"] == f"/admin/profiles/{number(app, 'Big cats')}?done=added"
    assert rules(app, "Big cats") == "cats\n-dogs"
    assert log(app)[-1] == (EDITOR, "profile add")
    said = look(site, cookie, answer.headers["Location"]).text
    assert "Readers can follow it now." in said
    assert "No followers yet." in said


def test_a_profile_with_followers_shows_no_hint_how_to_get_some(app: App, site: TestClient, cookie: str) -> None:
    add_subscriber(app, "reader@example.org", profiles=("Animals",))
    assert "No followers yet." not in look(site, cookie, f"/admin/profiles/{number(app)}").text


def test_text_that_cannot_be_read_yet_is_not_taken_for_none(site: TestClient, cookie: str) -> None:
    empty, begun = (
        plain(post(site, cookie, "/admin/profiles/preview", rules=rules).text) for rules in ("", "(dogs OR")
    )
    assert "Write a rule to see" in empty
    assert "Write a rule to see" not in begun
    assert "No valid rules yet" in begun


def test_every_example_beside_the_field_is_a_rule_that_is_read(site: TestClient, cookie: str) -> None:
    text = look(site, cookie, "/admin/profiles/new").text
    found = [html.unescape(rule) for rule in re.findall(r'<th scope="row"><code>(.*?)</code>', text)]
    assert len(found) == 8
    compile_rules("\n".join(found))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "rules": "cats"}, "Enter a name"),
        ({"name": "Animals", "rules": "cats"}, "A profile with this name already exists."),
        ({"name": "X", "rules": ""}, "no rules; write one per line"),
        ({"name": "X", "rules": "-cats"}, "these rules only exclude papers"),
        ({"name": "X", "rules": "cats AND"}, "Line 1, column 9"),
    ],
)
def test_mistakes_are_shown_and_nothing_typed_is_lost(
    app: App, site: TestClient, cookie: str, fields: dict[str, str], said: str
) -> None:
    answer = post(site, cookie, "/admin/profiles/new", name=fields["name"], rules=fields["rules"])
    assert (answer.status_code, faults_of(answer.text)) == (422, [])
    assert said in plain(answer.text)
    assert typed(answer.text) == fields["rules"]
    assert f'value="{fields["name"]}"' in answer.text
    with app.store.read() as tx:
        assert [profile.name for profile in profiles.list_shared(tx)] == ["Animals"]


def test_rules_are_saved_as_a_version_of_the_editors(app: App, site: TestClient, cookie: str) -> None:
    path = f"/admin/profiles/{number(app)}"
    answer = post(site, cookie, path, rules="cats", version="1")
    assert answer.headers["Location"] == f"{path}?done=saved"
    with app.store.read() as tx:
        assert [v.saved_by for v in profiles.list_versions(tx, number(app))] == [EDITOR, "tests"]
        (change, *_) = audit.list_changes(tx, limit=1)
    assert (change.who, change.what, change.subject) == (EDITOR, "profile edit", "Animals")
    assert "The next digests use these rules." in look(site, cookie, f"{path}?done=saved").text


def test_rules_that_cannot_be_saved_leave_those_that_are(app: App, site: TestClient, cookie: str) -> None:
    for text in ("cats AND", "-cats", ""):
        answer = post(site, cookie, f"/admin/profiles/{number(app)}", rules=text, version="1")
        assert (answer.status_code, typed(answer.text)) == (422, text)
        assert 'aria-invalid="true"' in answer.text
    assert rules(app) == "dogs"


def test_another_editors_change_is_shown_and_not_overwritten(app: App, site: TestClient, cookie: str) -> None:
    path = f"/admin/profiles/{number(app)}"
    post(site, cookie, path, rules="dogs\nbirds", version="1")
    answer = post(site, cookie, path, rules="cats", version="1")
    assert (answer.status_code, faults_of(answer.text)) == (409, [])
    assert "Someone else saved this profile in the meantime" in answer.text
    assert f"<bdi>{EDITOR}</bdi>, 2026-06-03 " in answer.text
    assert "@@" not in answer.text
    assert "<ins>+birds</ins>" in answer.text
    assert (typed(answer.text), rules(app)) == ("cats", "dogs\nbirds")
    assert post(site, cookie, path, rules="cats", version="1").status_code == 409
    assert 'name="anyway" value="2"' in answer.text
    assert post(site, cookie, path, rules="cats", version="1", anyway="2").status_code == 303
    assert rules(app) == "cats"


def test_to_save_all_the_same_overwrites_only_what_was_shown(app: App, site: TestClient, cookie: str) -> None:
    path = f"/admin/profiles/{number(app)}"
    post(site, cookie, path, rules="birds", version="1")
    post(site, cookie, path, rules="fish", version="2")
    answer = post(site, cookie, path, rules="cats", version="1", anyway="2")
    assert answer.status_code == 409
    assert "<ins>+fish</ins>" in answer.text
    assert rules(app) == "fish"


def test_saving_the_same_rules_is_no_conflict(app: App, site: TestClient, cookie: str) -> None:
    path = f"/admin/profiles/{number(app)}"
    with app.store.write() as tx:
        profiles.edit(tx, "Animals", new_name="Pets", by="tests", now=NOW)
    assert post(site, cookie, path, rules="cats", version="1").status_code == 303
    assert post(site, cookie, path, rules="cats", version="1").status_code == 303


def test_the_text_of_a_profile_that_was_removed_since_is_kept(app: App, site: TestClient, cookie: str) -> None:
    path = f"/admin/profiles/{number(app)}"
    with app.store.write() as tx:
        profiles.remove(tx, "Animals")
    answer = post(site, cookie, path, rules="cats", version="1")
    assert (answer.status_code, typed(answer.text)) == (409, "cats")
    assert "Someone removed this profile" in answer.text
    assert 'action="/admin/profiles/new"' in answer.text
    assert 'value="Animals"' in answer.text
    assert post(site, cookie, "/admin/profiles/preview", rules="cats", profile="1").status_code == 200


def test_a_preview_of_a_removed_profile_blocks_no_writer(
    app: App, site: TestClient, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_rules = trial.try_rules

    def writing(*said: Any, **rest: Any) -> Any:
        with closing(sqlite3.connect(app.store.file, timeout=0)) as database:
            database.execute("begin immediate")
            database.rollback()
        return try_rules(*said, **rest)

    path = f"/admin/profiles/{number(app)}"
    with app.store.write() as tx:
        profiles.remove(tx, "Animals")
    monkeypatch.setattr(trial, "try_rules", writing)
    assert post(site, cookie, path, rules="cats", version="1").status_code == 409


def test_an_editor_has_three_texts_tried_at_once_and_no_more(
    app: App, site: TestClient, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*_: Any, **__: Any) -> Trial:
        begun.release()
        go_on.wait(30)
        return Trial()

    monkeypatch.setattr(trial, "try_rules", slow)
    path = f"/admin/profiles/{number(app)}"
    threads = [threading.Thread(target=look, args=(site, cookie, path)) for _ in range(3)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=30)
    statuses = [look(site, cookie, path).status_code, look(site, cookie, "/admin/profiles").status_code]
    go_on.set()
    for thread in threads:
        thread.join()
    assert statuses == [429, 200]
    assert look(site, cookie, path).status_code == 200


def test_saved_rules_that_have_become_invalid_can_be_corrected(app: App, site: TestClient, cookie: str) -> None:
    with app.store.write() as tx:
        tx.exec_driver_sql("UPDATE profiles SET rules = 'dogs AND'")
    text = look(site, cookie, f"/admin/profiles/{number(app)}").text
    assert "Line 1, column 9:" in plain(text)
    assert "12 of 14" in tried(site, cookie, "cats", number(app))
    assert look(site, cookie, "/admin/profiles").status_code == 200


def test_text_of_profiles_papers_and_editors_is_never_markup(app: App, site: TestClient, cookie: str) -> None:
    add_papers(app, HOSTILE, a_paper("Plain", "<script>alert(1)</script>"), seen_at=NOW - timedelta(hours=1))
    share_profile(app, HOSTILE_NAME, "script")
    path = f"/admin/profiles/{number(app, HOSTILE_NAME)}"
    text = 'script\n"</textarea><script>alert(1)</script>\n"</pre><img src=x>'
    answers = [
        look(site, cookie, "/admin/profiles"),
        look(site, cookie, path),
        post(site, cookie, path, rules=text, version="1"),
        post(site, cookie, path, rules="cats", version="9"),
        post(site, cookie, "/admin/profiles/preview", rules=text),
        post(site, cookie, "/admin/profiles/new", rules=text, name=HOSTILE_NAME),
    ]
    for answer in answers:
        assert "script" in answer.text
        assert not re.search(r"<script>alert|<img|</pre><img", answer.text)
        assert faults_of(answer.text) == []


def test_a_part_of_the_page_is_for_scripts(site: TestClient, cookie: str) -> None:
    part = post(site, cookie, "/admin/profiles/preview", fragment=True, rules="cats").text
    assert "<html" not in part
    places = ["marked", "mistakes", "tally", "chart", "judged", "changed", "found"]
    assert re.findall(r'<(?:div|pre)\s[^>]*?\bid="(\w+)"', part) == places
    assert len(part) < 20_000


def test_a_preview_does_not_start_a_delivery(app: App, hashed: str) -> None:
    entered(app, hashed)
    woken: list[bool] = []
    asgi = create_app(app, clock=lambda: NOW, changed=lambda: woken.append(True))
    site = TestClient(asgi, client=("192.0.2.7", 50000), follow_redirects=False)
    cookie = signed_in(site, EDITOR)
    post(site, cookie, "/admin/profiles/preview", rules="cats")
    assert woken == []
    post(site, cookie, f"/admin/profiles/{number(app)}", rules="cats", version="1")
    assert woken == [True]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, hashed: str) -> Iterator[tuple[App, str]]:
    """A newsletter that is really served, and where."""
    folder = tmp_path_factory.mktemp("site")
    listener = listen("127.0.0.1", 0)
    (folder / "config.toml").write_text(f'[newsletter]\nbase_url = "{url_of(listener)}"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        entered(app, hashed)
        with serving(create_app(app, clock=lambda: NOW), listener, on_loss=lambda: None):
            yield app, url_of(listener)


@pytest.fixture(scope="module")
def session(served: tuple[App, str]) -> dict[str, str]:
    """The cookie with which a browser is the editor's, who may not sign in as often as there are tests."""
    answer = httpx2.post(f"{served[1]}/admin/sign-in", data={"email": EDITOR, "password": PASSWORD})
    name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
    return {"name": name, "value": value, "url": f"{served[1]}/admin"}


@pytest.fixture
def opened(
    browser: Any, served: tuple[App, str], session: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Any]:
    """The editor of the profile, in a browser. It has no complaints."""
    app, base = served
    scripts = getattr(request, "param", True)
    context = browser.new_context(viewport={"width": 1280, "height": 720}, java_script_enabled=scripts)
    context.set_default_timeout(1000 * IN_TIME)
    context.add_cookies([session])
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{base}/admin/profiles/{number(app)}")
    yield page
    context.close()
    assert [text for text in complaints if "Failed to load" not in text] == []


def field(page: Any) -> Any:
    return page.get_by_label("Rules", exact=True)


def caret(page: Any) -> tuple[str, int, int]:
    """What has the focus, and what is selected there."""
    script = "(e => [e.id, e.selectionStart, e.selectionEnd])(document.activeElement)"
    found: list[Any] = page.evaluate(script)
    return found[0], found[1], found[2]


@needs_chromium
def test_a_mistake_is_marked_while_typing_until_it_is_corrected(opened: Any) -> None:
    field(opened).click()
    opened.keyboard.press("Control+End")
    opened.keyboard.type("\ncats AND (number", delay=10)
    opened.locator("#marked mark").get_by_text("(number").wait_for()
    assert "Line 2, column" in opened.locator("#mistakes").inner_text()
    assert field(opened).get_attribute("aria-invalid") == "true"
    opened.get_by_text("1 of 14 papers").wait_for()
    opened.keyboard.type(")")
    opened.get_by_text("13 of 14 papers").wait_for()
    assert opened.locator("#marked mark").count() == 0
    assert field(opened).get_attribute("aria-invalid") is None
    opened.get_by_text("12 papers added").wait_for()


@needs_chromium
def test_a_mark_is_exactly_behind_the_text_it_marks(opened: Any) -> None:
    """The text field shows the same text at the same places as the marked copy behind it, wrapped or not."""
    for width in (1280, 375):
        opened.set_viewport_size({"width": width, "height": 720})
        field(opened).fill(
            "\n".join([f"number {n} with words that take more than one line" for n in range(40)] + ["a AND"])
        )
        opened.locator("#marked mark").wait_for()
        sizes = opened.evaluate(
            """["rules", "marked"].map((id) => {
              const e = document.getElementById(id);
              const style = getComputedStyle(e);
              e.scrollTop = 1e6;
              return [e.clientWidth, e.clientHeight, e.scrollHeight, e.scrollTop, style.font, style.padding].join();
            })"""
        )
        assert sizes[0] == sizes[1]


@needs_chromium
def test_focus_caret_and_scroll_stay_where_they_are_while_papers_come_and_go(opened: Any) -> None:
    field(opened).fill("cats\nnumber")
    opened.get_by_text("12 of 14 papers").wait_for()
    for width in (1280, 375):
        opened.set_viewport_size({"width": width, "height": 500})
        opened.evaluate("scrollTo(0, 150)")
        top = field(opened).bounding_box()["y"]
        field(opened).evaluate("e => { e.focus({preventScroll: true}); e.setSelectionRange(4, 4); }")
        opened.keyboard.type("x")
        opened.locator("#judged").get_by_text("catsx").wait_for()
        assert caret(opened) == ("rules", 5, 5)
        opened.keyboard.press("Backspace")
        opened.locator("#judged").get_by_text("catsx").wait_for(state="detached")
        assert caret(opened) == ("rules", 4, 4)
        assert field(opened).bounding_box()["y"] == top


@needs_chromium
def test_one_question_at_a_time_and_the_newest_text_is_the_last(opened: Any) -> None:
    asked: list[str] = []
    under_way = [0, 0]  # now, and at most

    def late(route: Any) -> None:
        asked.append(route.request.post_data)
        under_way[0] += 1
        under_way[1] = max(under_way)
        opened.wait_for_timeout(150)
        under_way[0] -= 1
        route.continue_()

    opened.route("**/preview", late)
    field(opened).fill("")
    field(opened).press_sequentially("cats and many dogs", delay=15)
    opened.locator("#judged").get_by_text("cats and many dogs").wait_for()
    assert under_way[1] == 1
    assert len(asked) < 10


@needs_chromium
def test_the_count_is_announced_when_typing_pauses(opened: Any) -> None:
    stop_clock(opened)
    said = opened.locator("#said")
    field(opened).fill("")
    field(opened).press_sequentially("cats")
    opened.get_by_text("12 of 14 papers").first.wait_for()
    opened.clock.run_for(900)
    assert said.inner_text() == ""
    opened.clock.run_for(200)
    said.get_by_text("About 6 papers a day").wait_for(state="attached")
    assert said.get_attribute("role") == "status"


@needs_chromium
def test_a_suggestion_is_used_without_leaving_and_can_be_undone(opened: Any) -> None:
    field(opened).fill("dogs\nquantizatio ^2\ncats")
    opened.get_by_role("button", name="Use this rule in line 2").click()
    assert field(opened).input_value() == "dogs\nquantizatio* ^2\ncats"
    opened.locator("#judged").get_by_text("quantizatio*").wait_for()
    assert caret(opened)[0] == "rules"
    opened.keyboard.press("Control+z")
    assert field(opened).input_value() == "dogs\nquantizatio ^2\ncats"


@needs_chromium
def test_a_failed_preview_is_reported_and_the_last_one_stays(opened: Any) -> None:
    field(opened).fill("cats")
    opened.get_by_text("12 of 14 papers").wait_for()
    opened.context.clear_cookies()
    field(opened).press_sequentially("x")
    opened.get_by_text("The preview isn’t responding").wait_for()
    assert opened.locator("#found li").count() == 10
    assert opened.locator("h1").inner_text() == "Animals"


@needs_chromium
def test_leaving_with_unsaved_changes_asks_first(opened: Any) -> None:
    asked: list[str] = []

    def accept(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    opened.on("dialog", accept)
    opened.get_by_role("link", name="Profiles").first.click()
    opened.get_by_role("link", name="Animals").click()
    assert asked == []
    field(opened).press_sequentially("# ")
    opened.get_by_role("link", name="Profiles").first.click()
    opened.get_by_role("heading", name="Profiles").wait_for()
    assert asked == ["beforeunload"]


@needs_chromium
def test_an_open_section_stays_open(opened: Any) -> None:
    field(opened).fill("cats")
    opened.get_by_text("12 of 14 papers").wait_for()
    opened.get_by_text("Day by day").click()
    field(opened).fill("dogs OR cats")
    opened.get_by_text("13 of 14 papers").wait_for()
    opened.locator("#chart table").wait_for()


@needs_chromium
@pytest.mark.parametrize("opened", [True, False], indirect=True)
def test_everything_works_with_scripts_and_without(opened: Any, served: tuple[App, str]) -> None:
    field(opened).fill("quantizatio\ncats AND")
    opened.get_by_role("button", name="Preview without saving").click()
    opened.wait_for_url("**/preview")
    assert opened.locator("#marked mark").inner_text() == "AND"
    opened.locator("#marked").wait_for()
    opened.get_by_role("button", name="Use this rule").click()
    opened.locator("#judged").get_by_text("quantizatio*").wait_for()
    assert field(opened).input_value() == "quantizatio*\ncats AND"
    assert rules(served[0]) == "dogs"
    field(opened).fill("dogs")
    opened.get_by_role("button", name="Save", exact=True).click()
    opened.get_by_text("The next digests use these rules.").wait_for()

"""Muting a keyword by the link beside it in a mail."""

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import Subscriber
from digest.security.links import Scope
from digest.store import profiles
from tests.builders import NOW
from tests.web.html import faults_of
from tests.web.reader_site import keywords, sign_in_reader
from tests.web.subscribers import add_subscriber, mute_path, path, void_token


def reader_with(app: App, rules: str) -> Subscriber:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules(rules), now=NOW)
    return reader


def way_to(app: App, reader: Subscriber, keyword: str) -> str:
    return mute_path(app, reader, keyword).replace("+", "%20")


def way_of_0_1_0(app: App, reader: Subscriber, keyword: str) -> str:
    """A link whose keyword is not signed."""
    return f"{path(app, Scope.MUTE, reader)}?keyword={quote(keyword, safe='')}"


def test_the_page_asks_with_a_button(app: App, site: TestClient) -> None:
    page = site.get(way_to(app, reader_with(app, "cats"), "audio-visual nets"))
    assert page.status_code == 200
    assert "<h1>Mute “audio-visual nets”?</h1>" in page.text
    assert "<button>Mute “audio-visual nets”</button>" in page.text
    assert faults_of(page.text) == []


def test_the_button_adds_a_line_says_so_and_offers_to_undo_it(app: App, site: TestClient) -> None:
    link = way_to(app, reader_with(app, "cats\n# mine"), "author:LeCun, Y & co")
    answer = site.post(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, link)
    assert keywords(app) == "cats\n# mine\n-author:LeCun, Y & co"
    page = site.get(link).text
    assert "is muted</h1>" in page
    assert "Undo" in page
    assert faults_of(page) == []
    site.post(link, data={"do": "undo"})
    assert keywords(app) == "cats\n# mine"
    assert "<h1>Mute" in site.get(link).text


def test_a_subscriber_without_own_keywords_can_mute(app: App, site: TestClient) -> None:
    link = way_to(app, add_subscriber(app), "survey")
    site.post(link)
    assert keywords(app) == "-survey"
    site.post(link, data={"do": "undo"})
    assert keywords(app) == ""


def test_muting_twice_is_muting_once(app: App, site: TestClient) -> None:
    reader = reader_with(app, "-Surveys")
    for keyword in ("survey", "survey", "surveys"):
        assert "is muted</h1>" in site.get(way_to(app, reader, keyword)).text
        site.post(way_to(app, reader, keyword))
    assert keywords(app) == "-Surveys"


@pytest.mark.parametrize("keyword", ["", "  ", "(cats", "a\nb", "a\r\n*", "-cats", "cats ^2", "cats AND", "x" * 60_000])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_invalid_keyword_is_refused_and_nothing_is_muted(
    app: App, site: TestClient, keyword: str, method: str
) -> None:
    answer = site.request(method, way_to(app, reader_with(app, "cats"), keyword))
    assert (answer.status_code, keywords(app)) == (422, "cats")
    assert "This keyword can’t be muted" in answer.text
    assert "<button" not in answer.text


def test_without_a_keyword_there_is_nothing_to_mute(app: App, site: TestClient) -> None:
    assert site.post(way_to(app, add_subscriber(app), "")).status_code == 422


@pytest.mark.parametrize("keyword", ["category:cs.*", "dogs", "Cats", "cats*", "cats OR dogs", "cats\x00", ""])
def test_a_link_mutes_its_keyword_and_no_other(app: App, site: TestClient, keyword: str) -> None:
    link = way_to(app, reader_with(app, "nets"), "cats")
    other = f"{link.partition('=')[0]}={quote(keyword, safe='')}"
    for do in ("mute", "undo"):
        assert (site.post(other, data={"do": do}).status_code, keywords(app)) == (403, "nets")
    assert "<button" not in site.get(other).text
    assert site.post(link).status_code == 303
    assert keywords(app) == "nets\n-cats"


def test_a_link_of_0_1_0_asks_to_sign_in_and_loses_nothing(app: App, site: TestClient) -> None:
    reader = reader_with(app, "nets")
    link = way_of_0_1_0(app, reader, "cats & dogs")
    page = site.get(link)
    assert (page.status_code, "Sign in to mute “cats &amp; dogs”" in page.text, faults_of(page.text)) == (200, True, [])
    assert 'href="/sign-in"' in page.text
    assert (site.post(link).status_code, keywords(app)) == (403, "nets")
    own = sign_in_reader(app, site, reader)
    there = own.get(link).headers["Location"]
    assert there == "/settings/mute?keyword=cats+%26+dogs"
    assert own.post(there, csrf="").status_code == 403
    assert own.post(there).status_code == 303
    assert keywords(app) == "nets\n-cats & dogs"
    assert "is muted</h1>" in own.get(there).text
    assert own.post(there, do="undo").status_code == 303
    assert keywords(app) == "nets"


def test_a_link_of_another_reader_does_not_lead_to_ones_own_keywords(app: App, site: TestClient) -> None:
    other = way_of_0_1_0(app, add_subscriber(app, "other@example.org"), "cats")
    own = sign_in_reader(app, site, add_subscriber(app))
    assert own.get(other).status_code == 200


def test_muting_without_a_link_needs_a_session(app: App, site: TestClient) -> None:
    for method in ("GET", "POST"):
        answer = site.request(method, "/settings/mute?keyword=cats")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_own_keywords_that_are_no_longer_valid_are_left_as_they_are(app: App, site: TestClient) -> None:
    reader = reader_with(app, "cats")
    with app.store.write() as tx:
        tx.exec_driver_sql("UPDATE profiles SET rules = 'cats ^1e1'")
    answer = site.post(way_to(app, reader, "survey"))
    assert (answer.status_code, keywords(app)) == (422, "cats ^1e1")
    assert "Your keywords contain a mistake." in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(app: App, site: TestClient, method: str) -> None:
    assert site.request(method, way_to(app, reader_with(app, "cats"), "survey") + "&do=mute").status_code == 200
    assert keywords(app) == "cats"


def test_a_keyword_is_escaped(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    for keyword in ('"<script>alert(1)</script>"', "<script>("):
        page = site.get(way_to(app, reader, keyword)).text
        assert "<script" not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["old", "left", "removed"])
def test_an_expired_link_mutes_nothing(app: App, site: TestClient, method: str, how: str) -> None:
    reader = reader_with(app, "cats")
    token = void_token(app, Scope.MUTE, reader, how)
    assert site.request(method, f"/mute/{token}?keyword=survey").status_code == 410
    assert how == "removed" or keywords(app) == "cats"


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.MUTE])
def test_a_link_of_another_scope_mutes_nothing(app: App, site: TestClient, scope: Scope) -> None:
    token = path(app, scope, reader_with(app, "cats")).rpartition("/")[2]
    assert site.post(f"/mute/{token}?keyword=survey").status_code == 404
    assert keywords(app) == "cats"


def test_the_page_is_in_the_readers_language(app: App, site: TestClient) -> None:
    link = way_to(app, add_subscriber(app, language="de"), "survey")
    assert "„survey“ stummschalten?" in site.get(link).text

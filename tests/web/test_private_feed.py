"""A private feed: its reader turns it on and off and changes its address, which is all that is needed to read it."""

import json
import re
from datetime import timedelta
from typing import Any

import feedparser
import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Field
from digest.security.links import Scope
from tests.builders import NOW, a_paper, an_item
from tests.web.html import faults_of
from tests.web.reader_site import ReaderBrowser, sign_in_reader, stored
from tests.web.subscribers import add_subscriber, changed, removed
from tests.web.test_read import HOSTILE, HOSTILE_PAPER, cats, send

FORMATS = ["atom", "rss", "json"]


@pytest.fixture
def own(app: App, site: TestClient) -> ReaderBrowser:
    """A browser in which a reader is signed in."""
    return sign_in_reader(app, site, add_subscriber(app))


def turned_on(own: ReaderBrowser, form: str = "atom") -> str:
    """The feed's path."""
    assert own.post("/settings/feed", do="on").headers["Location"] == "/settings/feed"
    found = re.search(rf'href="https://digest\.example\.org(/feed/[^"]+/{form})"', own.get("/settings/feed").text)
    assert found is not None
    return found[1]


def test_a_feed_is_off_until_it_is_turned_on_and_then_has_an_address_for_each_format(own: ReaderBrowser) -> None:
    page = own.get("/settings/feed")
    assert "Turn the feed on" in page.text
    assert "/feed/1" not in page.text
    assert faults_of(page.text) == []
    turned_on(own)
    page = own.get("/settings/feed")
    assert len(set(re.findall(r'/feed/[^"]+/(atom|rss|json)"', page.text))) == 3
    assert faults_of(page.text) == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_feed_has_the_papers_of_the_last_digests_with_their_reasons(
    app: App, own: ReaderBrowser, site: TestClient, form: str
) -> None:
    reader = stored(app)
    send(app, reader, cats("Old cats"), slot_at=NOW - timedelta(days=1))
    send(app, reader, cats("New cats", "Your keywords"), cats("Old cats"), more=("test:Left over",))
    answer = site.get(turned_on(own, form))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.headers["X-Robots-Tag"] == "noindex"
    for text in ("New cats", "Old cats", "Why: “cats” · Your keywords", "Why: “cats” · Cats"):
        assert text in answer.text
    assert "Left over" not in answer.text
    assert answer.text.count("/paper/test:Old%20cats") == answer.text.count("/paper/test:New%20cats")
    if form == "json":
        assert [one["date_published"] for one in json.loads(answer.text)["items"]] == ["2026-06-03T07:00:00Z"] * 2
    else:
        parsed = feedparser.parse(answer.content)
        assert (parsed.bozo, len(parsed.entries)) == (False, 2)


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_papers_are_escaped(app: App, own: ReaderBrowser, site: TestClient, form: str) -> None:
    send(app, stored(app), an_item(HOSTILE_PAPER, HOSTILE, 1.0, (Field.TITLE, "<script>alert(1)")))
    answer = site.get(turned_on(own, form))
    if form == "json":
        (one,) = json.loads(answer.text)["items"]
        assert "<script" not in one["content_html"]
    else:
        parsed = feedparser.parse(answer.content, sanitize_html=False)
        assert not parsed.bozo
        assert "<script" not in parsed.entries[0].summary
        assert "&lt;script" in parsed.entries[0].summary


def test_the_feed_has_the_last_thirty_digests(app: App, own: ReaderBrowser, site: TestClient) -> None:
    for day in range(32):
        send(app, stored(app), cats(f"cats of {day}"), slot_at=NOW - timedelta(days=day))
    assert len(feedparser.parse(site.get(turned_on(own)).content).entries) == 30


def test_an_empty_feed_is_valid(own: ReaderBrowser, site: TestClient) -> None:
    for form in FORMATS:
        assert site.get(turned_on(own, form)).status_code == 200


@pytest.mark.parametrize("how", ["new", "off", "left", "removed"])
def test_a_revoked_address_is_not_found(app: App, own: ReaderBrowser, site: TestClient, how: str) -> None:
    first = turned_on(own)
    if how in {"new", "off"}:
        own.post("/settings/feed", do="on" if how == "new" else "off")
    elif how == "left":
        changed(app, stored(app), epoch=1)
    else:
        removed(app, stored(app))
    answer = site.get(first)
    assert (answer.status_code, answer.text) == (404, site.get("/nothing/here").text)
    if how == "new":
        assert turned_on(own) != first


@pytest.mark.parametrize("about", ["", "0" * 16])
def test_a_feed_that_was_never_turned_on_has_no_address(
    app: App, own: ReaderBrowser, site: TestClient, about: str
) -> None:
    token = app.links.token(Scope.FEED, 1, 0, about=about)
    assert site.get(f"/feed/{token}/atom").status_code == 404
    turned_on(own)
    assert site.get(f"/feed/{token}/atom").status_code == 404


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.FEED])
def test_a_link_of_another_scope_opens_no_feed(app: App, own: ReaderBrowser, site: TestClient, scope: Scope) -> None:
    turned_on(own)
    token = app.links.token(scope, 1, 0, about=stored(app).feed, written_at=NOW)
    assert site.get(f"/feed/{token}/atom").status_code == 404


def test_a_feeds_address_opens_nothing_else(own: ReaderBrowser, site: TestClient) -> None:
    token = turned_on(own).split("/")[2]
    for page in ("preferences", "pause", "mute", "read", "address", "confirm", "unsubscribe", "sign-in"):
        assert site.get(f"/{page}/{token}").status_code == 404
    assert site.get("/settings", headers={"Cookie": f"__Host-digest={token}"}).status_code == 303


@pytest.mark.parametrize("form", ["xml", "html", "ATOM", ".."])
def test_an_unknown_format_is_not_found(own: ReaderBrowser, site: TestClient, form: str) -> None:
    assert site.get(turned_on(own).replace("/atom", f"/{form}")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(app: App, own: ReaderBrowser, method: str) -> None:
    where = turned_on(own)
    before = stored(app)
    for path in ("/settings/feed?do=off", where):
        assert own.client.request(method, path, headers={"Cookie": own.cookie}).status_code == 200
    assert stored(app) == before


def test_a_form_without_the_sessions_token_does_not_switch_the_feed(app: App, own: ReaderBrowser) -> None:
    assert own.post("/settings/feed", csrf="", do="on").status_code == 403
    assert stored(app).feed == ""
    turned_on(own)
    assert own.post("/settings/feed", csrf="", do="off").status_code == 403
    assert stored(app).feed != ""


def test_a_feed_has_no_papers_of_other_readers(app: App, own: ReaderBrowser, site: TestClient) -> None:
    send(app, add_subscriber(app, "other@example.org"), cats("Secret cats"))
    assert "Secret" not in site.get(turned_on(own)).text


def test_reasons_are_in_the_readers_language(app: App, site: TestClient) -> None:
    reader = add_subscriber(app, language="de")
    send(app, reader, an_item(a_paper("cats"), "Your keywords", 1.0, (Field.TITLE, "cats")))
    own = sign_in_reader(app, site, reader)
    assert "Warum: „cats“ · Ihre Stichwörter" in site.get(turned_on(own)).text


def test_the_address_includes_the_path_of_the_site(open_site: Any, app: App) -> None:
    site = open_site('[newsletter]\nbase_url = "https://example.org/digest"\n')
    own = sign_in_reader(app, site, add_subscriber(app))
    own.post("/digest/settings/feed", do="on")
    found = re.search(r'href="https://example\.org(/digest/feed/[^"]+/atom)"', own.get("/digest/settings/feed").text)
    assert found is not None
    assert 'href="https://example.org' + found[1] in site.get(found[1]).text

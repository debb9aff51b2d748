"""What holds for every admin page: roles, CSRF tokens, hostile data is escaped, and no secret is shown."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role, Subscriber
from digest.store import admins, subscribers
from tests.web.admin_site import AdminBrowser, signed_in
from tests.web.hostile_data import add_hostile_data
from tests.web.html import faults_of, risks_of

EDITORS = ("/admin/profiles", "/admin/tokens", "/admin/sign-out")  # what begins so is for editors, too
WITHOUT_SESSION = {"/admin/sign-in"}
ELSEWHERE = {"/admin/profiles/preview"}  # who looks there is sent to another page
ABSENT = "/admin/subscribers/import/"  # nothing has been uploaded
FILES = ("/export", "/report", "/html", "/mail")  # what is no page of ours ends so
PLACES = {"{kind}": "digest", "{language}": "de"}  # the others are numbers


@pytest.fixture
def reader(app: App) -> Subscriber:
    return add_hostile_data(app)


def routes(site: TestClient, method: str) -> Iterator[str]:
    """Return the paths of the admin pages that answer a method, with an id that exists."""
    for route in cast(Starlette, site.app).routes:
        if isinstance(route, Route) and route.path.startswith("/admin") and method in (route.methods or ()):
            path = re.sub(r"\{\w+\}", lambda found: PLACES.get(found[0], "1"), route.path)
            if path not in WITHOUT_SESSION:
                yield path


def for_editors(path: str) -> bool:
    return path == "/admin" or (path.startswith(EDITORS) and not path.endswith("/followers"))


def everything(app: App) -> list[str]:
    """All that the database holds."""
    with closing(sqlite3.connect(app.store.file)) as database:
        return list(database.iterdump())


def test_looking_changes_nothing_and_shows_nothing_hostile(app: App, site: TestClient, reader: Subscriber) -> None:
    admin_browser = signed_in(app, site)
    before = everything(app)
    for path in routes(site, "GET"):
        answer = admin_browser.get(path)
        assert answer.status_code == (303 if path in ELSEWHERE else 404 if path.startswith(ABSENT) else 200), path
        if not path.endswith(FILES) and path not in ELSEWHERE:
            assert not re.search("[\x00\x1b\u202e\u2066]|49}}", answer.text), path
            assert (faults_of(answer.text), risks_of(answer.text)) == ([], []), path
    assert everything(app) == before


@pytest.mark.parametrize("number", ["0", "-1", str(2**63 - 1), str(2**63), "9" * 5000, "%00", "1e3"])
def test_a_number_that_no_row_can_have_is_not_found(
    app: App, site: TestClient, reader: Subscriber, number: str
) -> None:
    admin_browser = signed_in(app, site)
    for route in cast(Starlette, site.app).routes:
        if isinstance(route, Route) and "{id}" in route.path and "GET" in (route.methods or ()):
            path = re.sub(r"\{\w+\}", number, route.path)
            assert admin_browser.get(path).status_code == 404, path


def test_a_store_that_finds_nothing_is_404_for_visitors_too(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.store.papers.find_by_keys", lambda tx, _: subscribers.find_by_id(tx, 2**63))
    assert site.get("/paper/arxiv:1").status_code == 404


def test_each_admin_page_asks_visitors_to_sign_in(app: App, site: TestClient, reader: Subscriber) -> None:
    before = everything(app)
    for method in ("GET", "POST"):
        for path in routes(site, method):
            answer = site.request(method, path)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/sign-in"), path
    assert everything(app) == before


def test_an_editor_sees_to_profiles_and_nothing_else(app: App, site: TestClient, reader: Subscriber) -> None:
    admin_browser = signed_in(app, site, Role.EDITOR)
    before = everything(app)
    for path in routes(site, "GET"):
        assert (admin_browser.get(path).status_code == 403) == (not for_editors(path)), path
    for path in routes(site, "POST"):
        if not for_editors(path):
            assert admin_browser.post(path).status_code == 403, path
    assert everything(app) == before


def other_tokens(app: App, site: TestClient, own: AdminBrowser) -> Iterator[str]:
    """What is not the token of that session and its admin."""
    yield from ("", "0" * 32, own.cookie.partition("=")[2])
    yield signed_in(app, site).csrf  # of a later session of theirs
    yield signed_in(app, site, email="other@example.org").csrf


def test_a_form_needs_the_token_of_its_session_and_its_admin(app: App, site: TestClient, reader: Subscriber) -> None:
    admin_browser = signed_in(app, site)
    tokens = list(other_tokens(app, site, admin_browser))
    before = everything(app)
    for path in routes(site, "POST"):
        for token in tokens:
            assert admin_browser.post(path, csrf=token, sure="1", reason="x").status_code == 403, path
    assert everything(app) == before


def test_no_page_shows_a_secret(app: App, site: TestClient, reader: Subscriber) -> None:
    admin_browser = signed_in(app, site)
    secrets = [app.links.secret.decode(), admin_browser.cookie.partition("=")[2]]
    with app.store.read() as tx:
        secrets += [admin.password for admin in admins.list_all(tx)]
    with closing(sqlite3.connect(app.store.file)) as database:
        secrets += [row[0] for row in database.execute("select token from admin_sessions")]
    for path in routes(site, "GET"):
        text = admin_browser.get(path).text
        assert [secret for secret in secrets if secret in text] == [], path

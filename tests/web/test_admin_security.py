"""Hostile requests to the admin pages: they are refused, or find nothing, and never cause an error."""

import re
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from time import process_time
from typing import Any, cast
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import SourceError
from digest.matching import compile_rules
from digest.models import MailKind, Role
from digest.pipeline.recent_papers import RecentPapers
from digest.security.links import Scope
from digest.sources.fetch import Fetcher
from digest.store import admins, deliveries, outbox, profiles, subscribers
from tests.builders import NOW
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, an_admin, signed_in
from tests.web.api import Client, filled, token_of

SIGN_IN = "/admin/sign-in"
ENDS_SESSION = "/admin/sign-out"

ODD = (
    b"\0",
    b"\xed\xa0\x80",  # half of a pair
    b"9" * 400,
    b"999999999999999",
    b"-1",
    "\N{ARABIC-INDIC DIGIT ONE}\N{SUPERSCRIPT TWO}".encode(),
    b"1e309",
    b"[]",
    b"a\r\nX-Evil: 1",
    b"%",
    b"\"'><script>alert(1)</script>",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{LATIN SMALL LETTER DOTLESS I}\ufffe".encode(),
)
ENDLESS = (b"a" * 65_536, b"(" * 24_000, b"\r\n" * 12_000)
LONGEST = 16_000  # of an address, encoded: more never comes through servers
ASKED = ("q", "state", "kind", "before", "after", "page", "done", "count", "email", "paper", "who", "what")
CHOICES = ("retry", "arrived", "resend", "approve", "reject", "lift", "pause", "suppress", "ask", "import", "drop")
FIELD = re.compile(r'name="(\w+)"')


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    filled(app)
    return signed_in(app, site)


def paths(site: TestClient, method: str) -> Iterator[str]:
    """The paths of the admin pages, with their variables in braces."""
    for route in cast(Starlette, site.app).routes:
        if isinstance(route, Route) and route.path.startswith("/admin") and method in (route.methods or ()):
            yield route.path


def filled_in(path: str, value: str = "1") -> str:
    return re.sub(r"\{\w+\}", value, path)


def encoded(fields: dict[str, bytes]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def in_threes(names: Collection[str], odd: bytes) -> Iterator[dict[str, bytes]]:
    """In one field after another, as many at once as a request may hold."""
    for some in batched(names):
        yield dict.fromkeys(some, odd)


def batched(names: Collection[str]) -> Iterator[list[str]]:
    rest = list(names)
    while rest:
        yield rest[:3]
        rest = rest[3:]


def test_nothing_that_is_asked_for_is_a_fault(site: TestClient, admin: AdminBrowser) -> None:
    for path in paths(site, "GET"):
        odd = [dict.fromkeys(ASKED, one) for one in ODD] + [*in_threes(ASKED, b"a" * LONGEST)]
        asked = [f"{filled_in(path)}?{encoded(one)}" for one in odd]
        asked += [filled_in(path, quote(one, safe="")) for one in (*ODD, b"a" * LONGEST)] if "{" in path else []
        for one in asked:
            answer = admin.get(one)
            assert (answer.status_code < 500, "X-Evil" in answer.headers) == (True, False), one[:200]


def posted(admin: AdminBrowser, path: str) -> Iterator[dict[str, bytes]]:
    """What is odd in every field that the page has, with each button, and what is endless."""
    names = sorted(
        {"do", "reason", "id", *FIELD.findall(admin.get(filled_in(path)).text)} - {"csrf", "viewport", "sure"}
    )
    for odd in ODD:
        yield dict.fromkeys(names, odd)
    for choice in CHOICES if "do" in names else ():
        yield dict.fromkeys(names, ODD[1]) | {"do": choice.encode()}
    for odd in ENDLESS:
        yield from in_threes(names, odd)
    yield {}


def test_nothing_that_is_posted_is_a_fault(
    site: TestClient, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_fetcher: Fetcher, source: str, *_: Any) -> Any:
        raise SourceError(source, "no answer")

    monkeypatch.setattr(Fetcher, "fetch", silent)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": admin.cookie}
    for path in paths(site, "POST"):
        for fields in posted(admin, path) if path != ENDS_SESSION else ():
            content = encoded({"csrf": admin.csrf.encode()} | fields)
            begun = process_time()
            answer = site.post(filled_in(path), content=content, headers=headers)
            assert answer.status_code in {200, 303, 403, 404, 409, 422, 429}, (path, content[:200])
            assert process_time() - begun < 10, (path, content[:200])  # on a slow machine


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_nothing_is_done_for_what_is_no_form_of_ours(
    app: App, site: TestClient, admin: AdminBrowser, content_type: str
) -> None:
    content = encoded({"csrf": admin.csrf.encode(), "do": b"remove", "sure": b"1", "reason": b"x"})
    headers = {"Content-Type": content_type, "Cookie": admin.cookie}
    before = everything(app)
    for path in paths(site, "POST"):
        answer = site.post(filled_in(path), content=content, headers=headers)
        assert answer.status_code == (422 if path == SIGN_IN else 403), path
    assert everything(app) == before


@pytest.mark.parametrize("sent_from", ["cross-site", "same-site"])
def test_no_other_sites_form_does_anything_nor_one_of_a_neighbours(
    app: App, site: TestClient, admin: AdminBrowser, sent_from: str
) -> None:
    """Another site cannot sign an admin in as another user, who could then read what the admin writes."""
    before = everything(app)
    headers = {"Sec-Fetch-Site": sent_from, "Cookie": admin.cookie}
    for path in paths(site, "POST"):
        form = {"csrf": admin.csrf, "do": "retry", "reason": "x", "sure": "1"}
        assert site.post(filled_in(path), data=form, headers=headers).status_code == 403, path
    assert everything(app) == before
    headers["Sec-Fetch-Site"] = "same-origin"
    assert site.post("/admin/hold", data={"csrf": admin.csrf}, headers=headers).status_code == 303


def test_no_header_makes_one_method_another(app: App, site: TestClient, admin: AdminBrowser) -> None:
    before = everything(app)
    for path in ("/admin/hold", "/admin/subscribers/1", "/admin/profiles/1/remove"):
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            query = f"?_method=POST&csrf={admin.csrf}&do=remove&sure=1"
            answer = site.get(f"{path}{query}", headers={name: "POST", "Cookie": admin.cookie})
            assert answer.status_code in {200, 405}
    assert everything(app) == before


def test_an_admin_who_becomes_an_editor_loses_admin_rights_at_once(
    app: App, site: TestClient, admin: AdminBrowser
) -> None:
    with app.store.write() as tx:
        admins.save(tx, replace(admins.get(tx, ADMIN_EMAIL), role=Role.EDITOR))
    before = everything(app)
    for method in ("GET", "POST"):
        for path in paths(site, method):
            if path != SIGN_IN:
                answer = site.request(method, filled_in(path), headers={"Cookie": admin.cookie})
                assert (answer.status_code, answer.headers["Location"]) == (303, SIGN_IN), path
    assert everything(app) == before


def test_an_editor_learns_of_readers_how_many_they_are_and_no_more(app: App, site: TestClient) -> None:
    filled(app)
    with app.store.write() as tx:
        reader = app.membership.find_known(tx, "reader@example.org")
        assert reader is not None
        profiles.set_personal(tx, reader.id, compile_rules("xylophone"), now=NOW)
        own = profiles.find_personal(tx, reader.id)
    assert own is not None
    editor = signed_in(app, site, Role.EDITOR)
    for path in paths(site, "GET"):
        for number in (1, 2, own.id):
            text = editor.get(filled_in(path, str(number))).text
            assert [word for word in ("reader@", "asking@", "xylophone", "Ren\xe9e") if word in text] == [], path


def test_no_page_holds_a_link_that_opens_something_of_a_readers(
    app: App, site: TestClient, admin: AdminBrowser
) -> None:
    with app.store.write() as tx:
        reader = app.membership.find_known(tx, "reader@example.org")
        assert reader is not None
        subscribers.save(tx, replace(reader, feed="c0ffee", new_email="new@example.org"))
        for number, kind in enumerate(kind for kind in MailKind if kind not in {MailKind.DIGEST, MailKind.WELCOME}):
            outbox.queue_mail(tx, kind, reader, message_id=f"{number}@example.org", now=NOW)
        numbers = [delivery.id for delivery in deliveries.list_by_subscriber(tx, reader.id)]
    found = 0
    for path in paths(site, "GET"):
        for number in numbers if "{id}" in path else [1]:
            text = admin.get(path.replace("{id}", str(number))).text
            for written in re.findall(r"[\w.~-]{24,}", text):
                for read in filter(None, (app.links.verify(scope, written) for scope in Scope)):
                    found += 1
                    assert read.subscriber_id == 0, (path, written)
    assert found  # links that belong to no subscriber


def test_a_mail_on_an_admin_page_runs_no_script_and_sends_no_request(app: App, admin: AdminBrowser) -> None:
    for path in ("/admin/deliveries/1/mail", "/admin/templates/digest/en/html"):
        policy = admin.get(path).headers["Content-Security-Policy"].split("; ")
        allowed = policy[0].split()
        assert allowed[0] == "sandbox"
        assert not {"allow-scripts", "allow-forms", "allow-same-origin", "allow-top-navigation"} & {*allowed}, path
        assert {"default-src 'none'", "base-uri 'none'"} <= {*policy}, path


def test_pages_of_a_session_are_not_cached(site: TestClient, admin: AdminBrowser) -> None:
    for path in paths(site, "GET"):
        answer = admin.get(filled_in(path))
        assert answer.headers["Cache-Control"] == "no-store", path
        assert answer.headers["Referrer-Policy"] == "no-referrer", path


@pytest.mark.parametrize(
    "content",
    [
        *(b"[" * 100_000, b'{"a":' * 30_000, b'{"rules": ' + b"9" * 5000 + b"}", b'{"rules": 1e999}', b"\xff\xfe", b""),
        *(b'{"rules": "\\ud800"}', b'{"rules": "\\u0000"}', b'{"\\ud800": 1}', b'{"rules": NaN}', b"null", b'"x"'),
    ],
)
def test_no_json_is_a_fault(app: App, site: TestClient, content: bytes) -> None:
    client = Client(site, token_of(app, an_admin(app)))
    for method, path in (("POST", "/preview"), ("POST", "/subscribers"), ("PUT", "/hold"), ("PUT", "/profiles/1")):
        answer = client(method, path, content=content, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_token_has_two_texts_tried_at_once_and_no_more(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [Client(site, token_of(app, an_admin(app), name=name)) for name in ("one", "other")]
    begun, go_on = threading.Semaphore(0), threading.Event()
    judged = RecentPapers.rule_stats

    def slow(*said: Any, **rest: Any) -> Any:
        begun.release()
        go_on.wait(30)
        return judged(*said, **rest)

    monkeypatch.setattr(RecentPapers, "rule_stats", slow)
    asked = ("POST", "/preview")
    threads = [threading.Thread(target=clients[0], args=asked, kwargs={"json": {"rules": "x"}}) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=30)
    refused = clients[0](*asked, json={"rules": "x"})
    go_on.set()
    answered = clients[1](*asked, json={"rules": "x"})
    for thread in threads:
        thread.join()
    assert (refused.status_code, refused.headers["Retry-After"], answered.status_code) == (429, "5", 200)


def everything(app: App) -> list[str]:
    """All that the database holds."""
    with closing(sqlite3.connect(app.store.file)) as database:
        return list(database.iterdump())

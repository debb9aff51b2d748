"""What holds for every route: GET changes nothing, each link opens only its own page, forms need their session."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import cast
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Field, Subscriber
from digest.security import addresses
from digest.security.links import TOKEN_LIFETIMES, Scope, encode_time
from digest.store import Store, digests
from digest.web.feeds import FORMATS
from digest.web.sessions import Sessions
from tests.builders import NOW, a_digest, a_paper, an_item
from tests.web.conftest import browser
from tests.web.html import faults_of
from tests.web.papers import HOSTILE, publish_papers, share_profile
from tests.web.reader_site import ReaderBrowser, sign_in_reader
from tests.web.subscribers import add_subscriber, changed, finish_background, pending
from tests.web.test_security import CSP

NEW = "new@example.org"
FEED = "c0ffee"
CATS = a_paper("Cats", "Of cats.", id="arxiv:2606.00001")
METHODS = ["GET", "HEAD"]
COOKIES = {Scope.SESSION, Scope.KNOWN_BROWSER, Scope.KNOWN_ADMIN_BROWSER}
LOOKED_AT = [scope for scope in Scope if scope not in COOKIES]
POSTED_ONLY = {"/preview", "/sign-out", "/admin/sign-out", "/admin/hold", "/admin/release", "/admin/tokens/1/revoke"}
FORM = {"email": "x@example.org", "rules": "cats", "do": "off", "sure": "1", "part": "interests", "keyword": "cats"}


@pytest.fixture
def reader(app: App) -> Subscriber:
    """A subscriber to whom every page can be shown, and who has data on each."""
    publish_papers(app, HOSTILE, CATS)
    share_profile(app, "Vision", "cats")
    one = changed(app, add_subscriber(app, profiles=("Vision",)), new_email=NEW, feed=FEED)
    with app.store.write() as tx:
        digests.freeze(tx, [a_digest([an_item(CATS)], subscriber=one, slot_at=NOW, created_at=NOW)], now=NOW)
    return one


@dataclass(frozen=True)
class Address:
    """A path, and the methods of all its routes."""

    path: str
    methods: frozenset[str]


def routes(site: TestClient) -> list[Address]:
    found: dict[str, set[str]] = {}
    for route in cast(Starlette, site.app).routes:
        if isinstance(route, Route):
            found.setdefault(route.path, set()).update(route.methods or ())
    assert len(found) == 80
    return [Address(path, frozenset(methods)) for path, methods in found.items()]


def token(app: App, scope: Scope, reader: Subscriber, *, days_ago: float = 0) -> str:
    """A token that is good for its scope, if it is not too old."""
    about = {
        Scope.ADDRESS: app.links.text_hash(addresses.key(NEW)),
        Scope.FEED: FEED,
        Scope.MUTE: app.links.text_hash("cats"),
        Scope.READ: encode_time(NOW),
        Scope.SESSION: "0",
    }.get(scope, "")
    written_at = NOW - timedelta(days=days_ago)
    return app.links.token(scope, reader.id, reader.epoch, about=about, written_at=written_at)


def addresses_of(app: App, site: TestClient, reader: Subscriber) -> Iterator[str]:
    """An address of every page, behind whose links is whom they are for."""
    asking = pending(app, email="asking@example.org")
    for route in routes(site):
        scope = route.path.split("/")[1]
        whose = asking if scope == Scope.CONFIRM else reader
        yield (
            route.path.replace("{token}", token(app, Scope(scope), whose) if "{token}" in route.path else "")
            .replace("{id:path}", "arxiv:2606.00001")
            .replace("{name:path}", "Vision")
            .replace("{name}", "2026-06-03")
            .replace("{id}", "1")
            .replace("{slot}", encode_time(NOW))
            .replace("{form}", "atom")
            .replace("{id}", "1")
            .replace("{version}", "1")
            .replace("{kind}", "digest")
            .replace("{language}", "en")
        )


def everything(app: App) -> list[str]:
    """All that the database holds."""
    with closing(sqlite3.connect(app.store.file)) as database:
        return list(database.iterdump())


@pytest.mark.parametrize("method", METHODS)
def test_to_look_at_any_page_changes_nothing(app: App, site: TestClient, reader: Subscriber, method: str) -> None:
    pages = list(addresses_of(app, site, reader))
    own = sign_in_reader(app, site, reader)
    before = everything(app)
    for page in pages:
        for query in (
            "?keyword=cats",
            "?keyword=cats&do=undo&email=x@example.org&sure=1&rules=cats&q=cats&saved=1&moved=1",
        ):
            for purpose in ({}, {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"}):
                headers = {"Cookie": own.cookie} | purpose
                answer = site.request(method, page + query, headers=headers)
                assert answer.status_code in {200, 303, 405}, page
                assert (answer.status_code == 405) == (page in POSTED_ONLY)
    finish_background(site)
    assert everything(app) == before


@pytest.mark.parametrize("signed_in", [True, False])
def test_every_response_has_security_headers_and_no_tracking(
    app: App, site: TestClient, reader: Subscriber, signed_in: bool
) -> None:
    pages = list(addresses_of(app, site, reader))
    cookie = {"Cookie": sign_in_reader(app, site, reader).cookie} if signed_in else {}
    for page in pages:
        answer = site.get(f"{page}?keyword=cats", headers=cookie)
        assert ("Set-Cookie" in answer.headers) == (page.startswith("/preferences/")), page
        # Nothing that the policy forbids, nothing from elsewhere, nothing that counts who looks.
        assert not re.search(
            r"<(img|iframe|object|embed|video|audio|style|base)\b| (style|on[a-z]+|ping)=", answer.text
        )
        assert not re.search(
            r'<(script|link)\b(?![^>]* (src|href)="(/[^/]|https://digest\.example\.org/))', answer.text
        )
    for method, page in product(("GET", "HEAD", "OPTIONS", "POST"), pages):  # the last act, and end the session
        headers = site.request(method, f"{page}?keyword=cats", headers=cookie).headers
        assert headers["Content-Security-Policy"] == CSP, page
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers.get("Location", "/x")[:2] not in {"//", "ht"}


@pytest.mark.parametrize("opens", LOOKED_AT)
def test_a_link_opens_its_own_page_and_nothing_else(
    app: App, site: TestClient, reader: Subscriber, opens: Scope
) -> None:
    pages = [route for route in routes(site) if route.path.startswith(f"/{opens}/{{token}}")]
    assert len(pages) == 1
    path = pages[0].path.replace("{form}", "atom")
    before = everything(app)
    for scope in Scope:
        for method in ("GET", "POST"):
            if scope is not opens:
                answer = site.request(method, path.replace("{token}", token(app, scope, reader)), data=FORM)
                assert answer.status_code in {404, 405}, scope
                assert "Set-Cookie" not in answer.headers
    finish_background(site)
    assert everything(app) == before
    assert site.get(path.replace("{token}", token(app, opens, reader)), params={"keyword": "cats"}).status_code < 400


@pytest.mark.parametrize("scope", Scope)
def test_no_link_is_a_session(app: App, site: TestClient, reader: Subscriber, scope: Scope) -> None:
    cookie = f"__Host-digest={token(app, scope, reader)}"
    answer = site.get("/settings", headers={"Cookie": cookie})
    assert answer.status_code == (200 if scope is Scope.SESSION else 303)


@pytest.mark.parametrize("scope", [scope for scope in TOKEN_LIFETIMES if scope in LOOKED_AT])
def test_a_link_that_is_over_opens_nothing_and_one_that_is_not_does(app: App, reader: Subscriber, scope: Scope) -> None:
    path = f"/{scope}/{token(app, scope, reader)}?keyword=cats"
    lasts = TOKEN_LIFETIMES[scope]
    assert browser(app, now=NOW + lasts - timedelta(seconds=2)).get(path).status_code in {200, 303}
    before = everything(app)
    late = browser(app, now=NOW + lasts)
    for method in ("GET", "POST"):
        answer = late.request(method, path, data=FORM)
        assert answer.status_code in {410, 405}
        assert "Set-Cookie" not in answer.headers
        assert reader.email[1:] not in answer.text
    finish_background(late)
    assert everything(app) == before


def acting(site: TestClient) -> list[str]:
    """Pages that know their reader by the cookie, and act."""
    found = [route.path for route in routes(site) if "POST" in route.methods]
    return [path for path in found if path.startswith(("/settings", "/sign-out"))]


@pytest.mark.parametrize("whose", ["no one", "older", "newer", "another", "cookie"])
def test_no_form_acts_with_a_token_that_is_not_its_sessions(
    app: App, site: TestClient, reader: Subscriber, whose: str
) -> None:
    own = sign_in_reader(app, site, reader)
    other = sign_in_reader(app, site, add_subscriber(app, "other@example.org"))
    sessions = Sessions(links=app.links, path="", https=True)

    def begun(hours: int) -> str:
        cookie = sessions.begin(reader, now=NOW + timedelta(hours=hours)).partition(";")[0].partition("=")[2]
        found = sessions.find(cookie, now=NOW)
        assert found is not None
        return found.csrf

    said = {
        "no one": "",
        "older": begun(-1),
        "newer": begun(0),
        "another": other.csrf,
        "cookie": own.cookie.partition("=")[2],
    }[whose]
    before = everything(app)
    assert len(acting(site)) == 8
    for path in acting(site):
        answer = own.post(path, csrf=said, **FORM)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False), path
    finish_background(site)
    assert everything(app) == before


def test_no_form_acts_in_a_session_that_is_over(app: App, site: TestClient, reader: Subscriber) -> None:
    own = sign_in_reader(app, site, reader)
    before = everything(app)
    late = ReaderBrowser(browser(app, now=NOW + timedelta(hours=12)), own.cookie, own.csrf)
    for path in acting(site):
        assert late.post(path, **FORM).headers["Location"] == "/sign-in"
    assert everything(app) == before


@pytest.mark.parametrize("how", ["leaves", "erases", "moves", "is suppressed"])
def test_no_form_of_another_tab_acts_when_its_reader_has_gone(
    app: App, site: TestClient, reader: Subscriber, how: str
) -> None:
    own, tab = sign_in_reader(app, site, reader), sign_in_reader(app, site, reader)
    if how == "leaves":
        assert site.post(f"/unsubscribe/{token(app, Scope.UNSUBSCRIBE, reader)}").status_code == 200
    if how == "erases":
        assert own.post("/settings/data", sure="1").status_code == 200
    if how == "moves":
        assert site.post(f"/address/{token(app, Scope.ADDRESS, reader)}").status_code == 303
    if how == "is suppressed":
        changed(app, reader, epoch=reader.epoch + 1)
    finish_background(site)
    before = everything(app)
    for path in acting(site):
        assert tab.post(path, **FORM).headers["Location"] == "/sign-in"
    for path in (route.path for route in routes(site)):
        if path.startswith("/settings") and "{" not in path:
            assert tab.get(path).headers["Location"] == "/sign-in"
    finish_background(site)
    assert everything(app) == before


def test_no_log_holds_a_token_or_what_a_form_or_cookie_said(
    app: App,
    site: TestClient,
    reader: Subscriber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pages = list(addresses_of(app, site, reader))
    own = sign_in_reader(app, site, reader)

    def fail(*_: object) -> None:
        raise ValueError

    for name in ("read", "write"):
        monkeypatch.setattr(Store, name, fail)
    for page in pages:
        for method in ("GET", "POST"):
            data = {"csrf": own.csrf, **FORM} if method == "POST" else None
            site.request(method, f"{page}?keyword=cats", data=data, headers={"Cookie": own.cookie})
    finish_background(site)
    said = "".join(capsys.readouterr())
    assert said.count("page failed") > 40
    secrets = [*(token(app, scope, reader) for scope in Scope), own.cookie, own.csrf, FORM["email"], reader.email]
    secrets += [page.split("/")[2] for page in pages if page.count(".") > 1 and "~" in page]
    assert [secret for secret in secrets if secret in said] == []


def test_a_hostile_paper_is_text_on_every_page_and_in_every_file(
    app: App, site: TestClient, reader: Subscriber
) -> None:
    huge = replace(HOSTILE, id="doi:10.1/huge", title=HOSTILE.title * 50, abstract=HOSTILE.abstract * 500)
    publish_papers(app, huge)
    share_profile(app, "Hostile", "script\ntitle:alert\nJOUR")
    with app.store.write() as tx:
        items = [an_item(paper, "Hostile", 1.0, (Field.TITLE, "<script>")) for paper in (HOSTILE, huge)]
        digest = a_digest(items, subscriber=reader, slot_at=NOW + timedelta(hours=1), created_at=NOW, message_id="h@x")
        digests.freeze(tx, [digest], now=NOW)
    own = sign_in_reader(app, site, reader)
    slot, hostile = encode_time(NOW + timedelta(hours=1)), quote(HOSTILE.id)
    told = app.links.token(Scope.READ, reader.id, reader.epoch, about=slot, written_at=NOW)
    files = [f"{path}.{form}" for path in ("/papers", "/papers/2026-06", "/profile/Hostile") for form in FORMATS]
    files += [f"/feed/{token(app, Scope.FEED, reader)}/{form}" for form in FORMATS]
    files += [f"/{kind}/{hostile}" for kind in ("bibtex", "ris")]
    pages = ["/", "/papers", "/profile/Hostile", f"/paper/{hostile}", "/paper/doi:10.1/huge", "/search?q=script"]
    pages += [f"/read/{told}", f"/settings/digests/{slot}"]
    answers = {page: own.get(page) for page in (*pages, *files)}
    answers["preview"] = site.post("/preview", data={"rules": "script", "profile": ["Hostile"]})
    for page, answer in answers.items():
        assert (answer.status_code, "alert(1)" in answer.text) == (200, True), page
        assert not re.search("[\x00\x0b\x1b\u202e\u2066\ufdd0]|javascript:|data:text", answer.text), page
        if page not in files:
            assert not re.search(r"<script>alert|<img|<b>A|\b(href|src)=\"(?!/|https?://|mailto:|#|\?)", answer.text), (
                page
            )
            assert faults_of(answer.text) == []


def test_text_in_another_charset_is_not_decoded(app: App, site: TestClient) -> None:
    def post(path: str, content_type: str, field: str) -> int:
        body = f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n+2AA-\\ud800\r\n--x--\r\n'
        return site.post(path, content=body.encode(), headers={"Content-Type": content_type}).status_code

    for charset in ("charset=utf-7", "charset=utf-8; charset=utf-7", "CHARSET=unicode_escape", "charset*=u''utf-7"):
        assert post("/preview", f"multipart/form-data; boundary=x; {charset}", "rules") == 200
        assert post("/sign-in", f"multipart/form-data; boundary=x; {charset}", "email") == 422
    for charset in ("", "; charset=utf-8", '; charset="UTF-8"'):
        answer = site.post(
            "/preview",
            content=b'--x\r\nContent-Disposition: form-data; name="rules"\r\n\r\n\xe6\x89\xa9\r\n--x--\r\n',
            headers={"Content-Type": f"multipart/form-data; boundary=x{charset}"},
        )
        assert "扩</textarea>" in answer.text

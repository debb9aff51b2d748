"""Requests to the pages: changed cookies, links and forwarded headers, and forms of other sites. None has any power."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Admin, Role, Subscriber
from digest.security.links import Scope
from digest.store import admins
from digest.web.app import create_app
from digest.web.rate_limits import client_address
from digest.web.sessions import AdminSessions, Sessions
from tests.builders import NOW, a_subscriber
from tests.faults.gallery import Attack, mutated

_PEER = "192.0.2.7"
_TRUSTED = (ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"))
_HOSTS = ("evil.example", "digest.example.org.evil.example", "[::1]", "digest.example.org:444", "@")
_FORWARDED = (
    "203.0.113.9, 192.0.2.3", "2001:db8::1, ::ffff:192.0.2.1", "fe80::1%eth0", "192.0.2.3:80", "unknown",
)  # fmt: skip
_POSTS = ("/subscribe", "/sign-in", "/settings", "/settings/mute", "/settings/data", "/sign-out", "/admin/sign-in")
_KEYWORDS = ("category:cs.*", "Cats", "cats ", "cat*", "cats\0", "cats OR dogs", "author:Ann Alpha", "-cats", "")
_ACTING = (Scope.CONFIRM, Scope.SIGN_IN, Scope.PREFERENCES, Scope.PAUSE, Scope.MUTE, Scope.ADDRESS, Scope.UNSUBSCRIBE)


@dataclass(frozen=True)
class _Site:
    """A newsletter with a reader and an admin, and a browser at _PEER."""

    app: App
    client: TestClient
    reader: Subscriber
    reader_cookie: str
    admin_cookie: str

    def check(self, method: str, path: str, allowed: set[int], **rest: Any) -> None:
        """Send a request. Raises AssertionError if it is answered otherwise, signs in, or changes the database."""
        with closing(sqlite3.connect(self.app.store.file)) as database:
            before = database.execute("PRAGMA data_version").fetchone()
            answer = self.client.request(method, path, **rest)
            assert answer.status_code in allowed, (method, path, answer.status_code)
            set_cookie = answer.headers.get("Set-Cookie", "")
            assert not set_cookie or "Max-Age=0" in set_cookie, (method, path, set_cookie)
            assert database.execute("PRAGMA data_version").fetchone() == before, (method, path)


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Each kind in turn."""
    (folder / "config.toml").write_text('[newsletter]\nbase_url = "https://digest.example.org"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        asgi = create_app(app, clock=lambda: NOW + timedelta(seconds=1), lag=0)
        with TestClient(asgi, client=(_PEER, 1), follow_redirects=False) as client:
            site = _prepared(app, client)
            for number in range(count):
                name, run = _KINDS[number % len(_KINDS)](random, site)
                yield Attack(name, run, seconds=2.0)


def _prepared(app: App, client: TestClient) -> _Site:
    with app.store.write() as tx:
        reader = app.membership.add(tx, a_subscriber("reader@example.org"), origin="tests", now=NOW)
        admin = admins.add(tx, Admin(email="admin@example.org", role=Role.ADMIN, password="x"), now=NOW)
        sessions = AdminSessions(store=app.store, links=app.links, path="", https=True)
        own = sessions.begin(tx, admin, Request({"type": "http", "headers": []}), now=NOW)
    readers = Sessions(links=app.links, path="", https=True).begin(reader, now=NOW)
    return _Site(app, client, reader, readers.partition(";")[0], own.partition(";")[0])


_Made = tuple[str, Callable[[], None]]


def _changed(random: Random, text: str) -> str:
    while (other := mutated(random, text.encode()).decode("latin-1")) == text:
        pass
    return other


def _cookie(random: Random, site: _Site) -> _Made:
    whole, page = random.choice(((site.reader_cookie, "/settings"), (site.admin_cookie, "/admin")))
    name, _, value = whole.partition("=")
    other = _changed(random, value).replace("\r", "").replace("\n", "").replace("\0", "")
    values = [part for part in other.split(";") if part.strip() != value]
    cookie = "; ".join(f"{name}={part}" for part in values)
    headers = {"Cookie": cookie.encode("latin-1")}
    return f"cookie {cookie!r}", lambda: site.check("GET", page, {303}, headers=headers)


def _token(random: Random, site: _Site) -> _Made:
    scope, reader = random.choice(_ACTING), site.reader
    token = site.app.links.token(scope, reader.id, reader.epoch, about="a1", written_at=NOW)
    path = f"/{scope}/{quote(_changed(random, token), safe='')}"
    return f"POST {path}", lambda: site.check("POST", path, {404, 405, 410})


def _keyword(random: Random, site: _Site) -> _Made:
    token = site.app.links.mute_links(site.reader.id, site.reader.epoch, written_at=NOW)("cats")
    keyword = random.choice((random.choice(_KEYWORDS), _changed(random, "cats")))
    other = f"{token.partition('.org')[2].partition('=')[0]}={quote(keyword.encode('latin-1'), safe='')}"
    if keyword.strip() == "cats":
        return f"POST {other}", lambda: None
    return f"POST {other}", lambda: site.check("POST", other, {403})


def _form(random: Random, site: _Site) -> _Made:
    path, site_kind = random.choice(_POSTS), random.choice(("cross-site", "same-site", "", "same-origin, cross-site"))
    scheme, host = random.choice(("https://", "http://", "", "https://x.")), random.choice(_HOSTS)
    headers = [("Origin", f"{scheme}{host}"), ("X-Forwarded-Host", host), ("Cookie", site.reader_cookie)]
    headers += [("Sec-Fetch-Site", site_kind)] if site_kind else []
    name = f"POST {path} {headers[0]} {site_kind}"
    return name, lambda: site.check("POST", path, {403}, headers=headers, data={"email": "x"})


def _forwarded(random: Random, _site: _Site) -> _Made:
    lines = [_changed(random, random.choice(_FORWARDED)) for _ in range(random.randint(1, 3))]

    def run() -> None:
        assert client_address(_PEER, lines, ()) == _PEER
        assert client_address("203.0.113.1", lines, _TRUSTED) == "203.0.113.1"
        ip_address(client_address(_PEER, lines, _TRUSTED))

    return f"X-Forwarded-For {lines}", run


_KINDS = (_cookie, _token, _keyword, _form, _forwarded)

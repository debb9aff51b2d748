"""HTTP requests to a running server: ids that no row can have, mutated requests, and requests that are sent in half.

A request is answered with a page, a redirect or a clear refusal, or closed; and the next one is answered as ever.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

from starlette.applications import Starlette
from starlette.routing import Route

from digest.app import App
from digest.models import TokenScope
from digest.web.app import create_app
from digest.web.server import listen, serving
from tests.builders import NOW
from tests.faults.gallery import Attack, mutated
from tests.web.admin_site import an_admin, session
from tests.web.api import filled, token_of

_IDS = (
    *("0", "-1", "00", "+1", "1.0", "1e3", "1_0", "0x1", "%201", "1%00", "%00", "%FF", "%D9%A3", "%2e%2e", "NaN"),
    *("999999999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "9" * 30, "9" * 5000),
)
_API = ("deliveries", "profiles", "submissions", "subscribers")
_HEADERS = b"Host: digest.example.org\r\nConnection: close\r\n"
_FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 30\r\n\r\nemail=reader@example.org&name=x"
_SAMPLES = (
    b"GET /papers/2026-06-03?page=2&order=new HTTP/1.1\r\n" + _HEADERS + b"Accept: */*\r\n\r\n",
    b"GET /search?q=cat&period=2026-W23 HTTP/1.1\r\n" + _HEADERS + b'If-None-Match: W/"x"\r\n\r\n',
    b"POST /subscribe HTTP/1.1\r\n" + _HEADERS + _FORM,
    b"POST /api/v1/profiles HTTP/1.1\r\n" + _HEADERS + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
)


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Every address with an id, each with every id; then mutations; then half-sent requests."""
    (folder / "config.toml").write_text('[newsletter]\nbase_url = "https://digest.example.org"\n', encoding="utf-8")
    with App.open(folder / "config.toml") as app:
        filled(app)
        site, listener = create_app(app, clock=lambda: NOW), listen("127.0.0.1", 0)
        address = listener.getsockname()
        cookie = f"Cookie: __Host-digest-desk={session(app)}\r\n".encode()
        token = f"Authorization: Bearer {token_of(app, an_admin(app), tuple(TokenScope))}\r\n".encode()
        with serving(site, listener, on_loss=lambda: None):
            for path in _paths(site, random, count):
                head = f"GET {path} HTTP/1.1\r\n".encode() + _HEADERS
                yield _request(address, path[:80], head + (token if path.startswith("/api") else cookie) + b"\r\n")
            for number in range(count):
                raw = mutated(random, _SAMPLES[number % len(_SAMPLES)])
                yield _request(address, f"request {number}: {raw[:60]!r}", raw)
            for half in (b"", b"GET / HT", *(sample[:-9] for sample in _SAMPLES)):
                yield Attack(f"many of {half[:40]!r}", lambda half=half: _send_many(address, half))  # type: ignore[misc]


def _paths(site: Starlette, random: Random, count: int) -> Iterator[str]:
    """Some of the addresses with something in braces, with every id in its place."""
    templates = [route.path for route in site.routes if isinstance(route, Route) and "{" in route.path]
    templates += [f"/api/v1/{noun}/{{id}}" for noun in _API]
    every = [re.sub(r"\{[^}]*\}", lambda _, each=each: each, path) for path in templates for each in _IDS]  # type: ignore[misc]
    yield from random.sample(every, min(2 * count, len(every)))


def _request(address: tuple[str, int], name: str, raw: bytes) -> Attack:
    def run() -> None:
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        statuses = re.findall(rb"^HTTP/1\.1 (\d+)", answer)
        assert all(int(status) < 500 for status in statuses), answer[:300]

    return Attack(name, run)


def _send_many(address: tuple[str, int], half: bytes) -> None:
    """Send many halves of a request and keep their connections; then one whole request is answered."""
    with ExitStack() as kept:
        for _ in range(600):
            kept.enter_context(socket.create_connection(address, timeout=20)).sendall(half)
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\n" + _HEADERS + b"\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]

"""Answers that are the same for everybody, kept as they were sent while nothing that they show has changed.

What is kept is found by path and query alone, and sent before anything else looks at the request: no thread, no query.
Of the address's query only that counts which these pages see, so that nobody has one made anew by writing it otherwise.
Each has a strong ETag (RFC 9110, 8.8.3); who has it already is told so, and HEAD has all of GET but the body.
"""

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.store import Store, papers, profiles
from digest.store.editions import Order
from digest.web.security import FOR_EVERYBODY

_MOST = 32 * 2**20  # bytes
_LARGEST = _MOST // 8
_LONGEST = 600.0  # seconds: what tells of "the last 7 days" grows old by itself
_ORDERS = frozenset(order.value for order in Order)

Version = tuple[int, int]  # of the papers, of the shared profiles
Headers = list[tuple[bytes, bytes]]


class Versions:
    """Which version of papers and profiles there is, looked at when the last look is `lag` seconds old."""

    def __init__(self, store: Store, *, lag: float) -> None:
        self._store = store
        self._lag = lag
        self._limiter = CapacityLimiter(1)
        self._looked_at = -lag
        self._found: Version = (0, 0)

    async def current(self) -> Version:
        """The version, at most `lag` seconds old. Raises StoreError."""
        if time.monotonic() - self._looked_at >= self._lag:
            await to_thread.run_sync(self._look, limiter=self._limiter)
        return self._found

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < self._lag:  # who waited finds that somebody else has looked
            return
        with self._store.read() as tx:
            self._found = papers.version(tx), profiles.version(tx)
        self._looked_at = now


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, ready to be sent again."""

    headers: Headers
    body: bytes
    etag: bytes
    version: Version
    kept_at: float

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer a GET or HEAD with it, or with 304 where it is there already."""
        asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        there = bool(asked) and _names(asked, self.etag)
        headers = [pair for pair in self.headers if not pair[0].startswith(b"content-l")] if there else self.headers
        await send({"type": "http.response.start", "status": 304 if there else 200, "headers": headers})
        body = b"" if there or scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


class Cache:
    """Answers by path and query, at most so many bytes of them: those that nobody asks for go first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._held = 0
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()

    def find(self, path: str, query: bytes, version: Version) -> Kept | None:
        """What was kept of that version, and is not too old."""
        kept = self._kept.get((path, query))
        if kept is None or kept.version != version or time.monotonic() - kept.kept_at > _LONGEST:
            return None
        self._kept.move_to_end((path, query))
        return kept

    def keep(self, path: str, query: bytes, kept: Kept) -> None:
        """Keep an answer, unless it would take too much of the room."""
        self._drop((path, query))
        if len(kept.body) > min(_LARGEST, self._most):
            return
        self._kept[path, query] = kept
        self._held += _size((path, query), kept)
        while self._held > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, bytes]) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._held -= _size(key, gone)


class Remembering:
    """Keeps answers that say that they are for everybody, and gives them again."""

    def __init__(self, app: ASGIApp, *, versions: Versions) -> None:
        self._app = app
        self._versions = versions
        self._cache = Cache()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        try:
            version = await self._versions.current()
        except Exception:  # noqa: BLE001  (the page meets the same fault, where it is logged and apologised for)
            await self._app(scope, receive, send)
            return
        path, query = scope["path"], urlencode(seen_by_everybody(scope["query_string"])).encode()
        kept = self._cache.find(path, query, version)
        if kept is None:
            # The version was looked at before the page looks at the papers: it may be older than what is shown, and is
            # then asked for again, but never newer.
            answer = _Answer(send)
            await self._app(scope, receive, answer.take)
            if answer.start is None:
                return
            kept = _kept(answer.start, answer.body, version)
            self._cache.keep(path, query, kept)
        await kept.send(scope, send)


class _Answer:
    """Takes what an application sends: holds back what is for everybody, and passes the rest on."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start: Message | None = None  # of what is held back
        self.body = b""

    async def take(self, message: Message) -> None:
        """An ASGI send."""
        if message["type"] == "http.response.start" and _is_for_everybody(message):
            self.start = message
        elif self.start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def seen_by_everybody(query: bytes) -> list[tuple[str, str]]:
    """The parameters that pages for everybody are told of, each once: the page, and an order if there is such."""
    if not query:
        return []
    asked = QueryParams(query)
    seen = [("page", asked["page"])] if "page" in asked else []
    return [*seen, ("order", asked["order"])] if asked.get("order") in _ORDERS else seen


def _is_for_everybody(start: Message) -> bool:
    headers = start["headers"]
    there = (b"cache-control", FOR_EVERYBODY) in headers
    return there and start["status"] == 200 and all(name != b"set-cookie" for name, _ in headers)


def _kept(start: Message, body: bytes, version: Version) -> Kept:
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    headers = [*start["headers"], (b"etag", etag)]
    return Kept(headers, body, etag, version, time.monotonic())


def _names(asked: bytes, etag: bytes) -> bool:
    """Whether an If-None-Match names the tag. It is compared weakly (RFC 9110, 13.1.2)."""
    return asked.strip() == b"*" or any(tag.strip().removeprefix(b"W/") == etag for tag in asked.split(b","))


def _size(key: tuple[str, bytes], kept: Kept) -> int:
    return len(key[0]) + len(key[1]) + len(kept.body) + sum(len(name) + len(value) for name, value in kept.headers)

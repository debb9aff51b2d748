"""A cache of whole responses that are the same for everyone, valid while papers and profiles have not changed.

They are found by path and query alone, before anything else handles the request: no thread, no statement. Only the
parameters that the pages read count, so that no one causes work by adding others. Each has a strong ETag (RFC 9110,
8.8.3), a request that names it gets 304, and HEAD gets the headers of GET.
"""

import hashlib
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from cachetools import LRUCache
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.store import Store, papers, profiles
from digest.store.papers import Order
from digest.web.security import CACHEABLE

_MAX_BYTES = 32 * 2**20
_MAX_RESPONSE = _MAX_BYTES // 8
_MAX_AGE = 600.0  # seconds: a page about "the last 7 days" becomes outdated by itself
_ORDERS = frozenset(order.value for order in Order)

Version = tuple[int, int]  # of the papers, of the shared profiles
_Key = tuple[str, bytes]  # path, query
Headers = list[tuple[bytes, bytes]]


class Versions:
    """The version of papers and profiles, read from the database at most every `lag` seconds."""

    def __init__(self, store: Store, *, lag: float) -> None:
        self._store = store
        self._lag = lag
        self._limiter = CapacityLimiter(1)
        self._looked_at = -lag
        self._found: Version = (0, 0)

    async def current(self) -> Version:
        """Return the version, at most `lag` seconds old. Raises StoreError."""
        if time.monotonic() - self._looked_at >= self._lag:
            await to_thread.run_sync(self._look, limiter=self._limiter)
        return self._found

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < self._lag:  # another request looked meanwhile
            return
        with self._store.read() as tx:
            self._found = papers.version(tx), profiles.version(tx)
        self._looked_at = now


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response, ready to be sent again."""

    headers: Headers
    body: bytes
    etag: bytes
    version: Version
    cached_at: float

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer a GET or HEAD with it, or with 304 if the client has it."""
        asked = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        # The comparison is weak (RFC 9110, 13.1.2).
        there = asked.strip() == b"*" or self.etag in (tag.strip().removeprefix(b"W/") for tag in asked.split(b","))
        headers = [pair for pair in self.headers if not pair[0].startswith(b"content-l")] if there else self.headers
        await send({"type": "http.response.start", "status": 304 if there else 200, "headers": headers})
        body = b"" if there or scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


class ResponseCache:
    """Responses by path and query. When they exceed `max_bytes`, those that were not asked for longest go first."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._largest = min(_MAX_RESPONSE, max_bytes)
        self._responses: LRUCache[_Key, CachedResponse] = LRUCache(max_bytes, getsizeof=lambda cached: cached.size)

    def find(self, path: str, query: bytes, version: Version) -> CachedResponse | None:
        """The response of this version, if it is cached and not too old."""
        cached = self._responses.get((path, query))
        if cached is None or cached.version != version or time.monotonic() - cached.cached_at > _MAX_AGE:
            return None
        return cached

    def add(self, path: str, query: bytes, cached: CachedResponse) -> None:
        """Cache a response unless it is too large."""
        self._responses.pop((path, query), None)
        if cached.size <= self._largest:
            self._responses[path, query] = cached


class CacheMiddleware:
    """Caches responses that say that they are for everyone."""

    def __init__(self, app: ASGIApp, *, versions: Versions) -> None:
        self._app = app
        self._versions = versions
        self._cache = ResponseCache()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET or HEAD from the cache if possible, and pass every other request on."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        try:
            version = await self._versions.current()
        except Exception:  # noqa: BLE001  (the page fails in the same way, and that is logged)
            await self._app(scope, receive, send)
            return
        path, query = scope["path"], urlencode(cache_parameters(scope["query_string"])).encode()
        cached = self._cache.find(path, query, version)
        if cached is None:
            # The version was read before the page reads papers. It may be older than what the page shows, which is then
            # made again, but never newer.
            answer = _Answer(send)
            await self._app(scope, receive, answer.take)
            if answer.start is None:
                return
            etag = b'"%s"' % hashlib.sha256(answer.body).hexdigest()[:32].encode()
            headers = [*answer.start["headers"], (b"etag", etag)]
            cached = CachedResponse(headers, answer.body, etag, version, time.monotonic())
            self._cache.add(path, query, cached)
        await cached.send(scope, send)


class _Answer:
    """Holds back a response that is for everyone, and passes others on."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start: Message | None = None  # of a response that is held back
        self.body = b""

    async def take(self, message: Message) -> None:
        """Keep a message of a response that is for everyone, and send any other on."""
        if message["type"] == "http.response.start" and message["status"] == 200:
            headers = message["headers"]
            if (b"cache-control", CACHEABLE) in headers and all(name != b"set-cookie" for name, _ in headers):
                self.start = message
        if self.start is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


def cache_parameters(query: bytes) -> list[tuple[str, str]]:
    """Return the parameters that cached pages read, each once: the page, and a valid order."""
    if not query:
        return []
    asked = QueryParams(query)
    seen = [("page", asked["page"])] if "page" in asked else []
    return [*seen, ("order", asked["order"])] if asked.get("order") in _ORDERS else seen

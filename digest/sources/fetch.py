"""Polite fetching: conditional GET, pauses, retries, a cap on size and time, and no private addresses.

Every failure is a SourceError whose reason says what to do about it.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx2
import stamina

from digest.errors import SourceError
from digest.sources import arxiv
from digest.sources.parsing import html_to_text

MAX_BYTES = 32 * 1024 * 1024  # of a body, decompressed
MAX_SECONDS = 120.0  # for one body, however slowly it drips
_SECONDS = 30.0  # without a byte
_CONNECT_SECONDS = 10.0
_ATTEMPTS = 3
_RETRY_SECONDS = 60.0

_PAUSES = {arxiv.DOMAIN: arxiv.SECONDS_BETWEEN_REQUESTS}  # also for subdomains

_CONNECTED = {"connection.connect_tcp.complete", "connection.start_tls.complete"}

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer. `body` is None where nothing has changed since the validators were given."""

    body: bytes | None
    etag: str = ""
    last_modified: str = ""


class _AgainError(Exception):
    """A failure that may pass: worth another attempt, after `wait` seconds if the server named a time."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Fetcher:
    """Reads sources from https, http, file:// and paths (relative to `base`). One connection pool; close it.

    `base` is None where no file may be read, as for addresses that strangers wrote. `attempts` and `seconds` are how
    often a server is asked that does not answer, and how long it may be silent: four times as long for a whole body.
    """

    def __init__(
        self,
        *,
        base: Path | None,
        contact: str = "",
        allow_private: Collection[str] = (),
        attempts: int = _ATTEMPTS,
        seconds: float = _SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = base
        self._attempts = attempts
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._asked_at: dict[str, float] = {}
        agent = f"paper-digest/{version('paper-digest')}" + (f" ({contact})" if contact else "")
        self._client = httpx2.Client(
            transport=_PublicTransport(allow_private),
            headers={"User-Agent": agent, "Accept": "application/atom+xml, application/rss+xml, */*;q=0.5"},
            timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
            follow_redirects=True,
            max_redirects=5,
            trust_env=False,  # behind a proxy we could not see which address is asked
        )

    def fetch(self, source: str, url: str, *, etag: str = "", last_modified: str = "") -> Fetched:
        """What `url` serves now, unless the validators still hold. Raises SourceError, naming `source`."""
        scheme = urlsplit(url).scheme.lower()
        if scheme in {"http", "https"}:
            return self._get(source, url, etag, last_modified)
        if self._base is None:
            raise SourceError(source, "only what is at https:// or http:// is looked up")
        if scheme == "file":
            return _read(source, Path(url2pathname(urlsplit(url).path)), etag)
        if "://" in url:
            raise SourceError(source, f"{scheme}:// is not understood; write https://, http://, file:// or a path")
        return _read(source, self._base / Path(url).expanduser(), etag)

    def _get(self, source: str, url: str, etag: str, last_modified: str) -> Fetched:
        headers = {"If-None-Match": etag} if etag else {}
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        try:
            for attempt in stamina.retry_context(on=_may_pass, attempts=self._attempts, timeout=_RETRY_SECONDS):
                with attempt:
                    return self._attempt(source, url, headers)
        except _AgainError as error:
            raise SourceError(source, str(error)) from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self, source: str, url: str, headers: dict[str, str]) -> Fetched:
        self._pause(urlsplit(url).hostname or "")
        try:
            with (
                _Deadline(self._most_seconds + self._seconds) as deadline,
                self._client.stream("GET", url, headers=headers, extensions={"trace": deadline.watch}) as answer,
            ):
                return self._fetched(source, answer, headers)
        except httpx2.TimeoutException:
            raise _AgainError(f"no answer within {self._seconds:.0f} s") from None
        except httpx2.UnsupportedProtocol:
            raise SourceError(source, "redirects to something that is not http or https") from None
        except httpx2.TooManyRedirects:
            raise SourceError(source, "redirects in a circle") from None
        except httpx2.TransportError as error:
            raise _AgainError(f"cannot be reached: {error or type(error).__name__}") from None
        except (httpx2.InvalidURL, httpx2.DecodingError, _PrivateAddressError) as error:
            raise SourceError(source, str(error)) from None

    def _fetched(self, source: str, answer: httpx2.Response, headers: dict[str, str]) -> Fetched:
        if answer.status_code == 304:
            return Fetched(
                body=None,
                etag=answer.headers.get("ETag", headers.get("If-None-Match", "")),
                last_modified=answer.headers.get("Last-Modified", headers.get("If-Modified-Since", "")),
            )
        body = self._body(source, answer)
        if answer.status_code in {429, 500, 502, 503, 504}:
            raise _AgainError(f"HTTP {answer.status_code}", _retry_after(answer))
        if answer.status_code != 200:
            raise SourceError(source, f"HTTP {answer.status_code}{_told(body)}")
        return Fetched(
            body=body,
            etag=answer.headers.get("ETag", ""),
            last_modified=answer.headers.get("Last-Modified", ""),
        )

    @property
    def _most_seconds(self) -> float:
        """How long one body may take."""
        return min(MAX_SECONDS, 4 * self._seconds)

    def _body(self, source: str, answer: httpx2.Response) -> bytes:
        most = self._most_seconds
        stop_at = self._clock() + most
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise SourceError(source, f"the answer is larger than {MAX_BYTES // 2**20} MB")
            if self._clock() > stop_at:
                raise SourceError(source, f"the answer takes longer than {most:.0f} s")
        return bytes(body)

    def _pause(self, host: str) -> None:
        """Wait until the host's owner may be asked again."""
        for owner, seconds in _PAUSES.items():
            if host == owner or host.endswith(f".{owner}"):
                self._sleep(max(0.0, self._asked_at.get(owner, -seconds) + seconds - self._clock()))
                self._asked_at[owner] = self._clock()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class _Deadline:
    """Cuts the connections that are opened under it when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._is_over = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, event: str, told: dict[str, Any]) -> None:
        """What a client calls as its `trace` (python-httpx.org/advanced/extensions)."""
        if event not in _CONNECTED:
            return
        with self._lock:
            self._sockets.append(told["return_value"].get_extra_info("socket"))
            if self._is_over:
                self._cut()

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            self._cut()

    def _cut(self) -> None:
        for one in self._sockets:
            with suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._timer.cancel()


class _PrivateAddressError(Exception):
    """A host that stands for an address inside our own network."""


class _PublicTransport(httpx2.BaseTransport):
    """Connects to public addresses only, also after redirects and whatever DNS says a moment later.

    The host is resolved here, every address is checked, and the request goes to the checked address itself.
    """

    def __init__(self, allow_private: Collection[str]) -> None:
        self._allowed = {host.lower() for host in allow_private}
        self._inner = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        if host.lower() not in self._allowed:
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=_public_address(host, request.url.port))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _public_address(host: str, port: int | None) -> str:
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"{host}: {error}") from None
    addresses = [str(address[4][0]) for address in found]
    for address in addresses:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            reason = f"{host} is at the private address {address}"
            raise _PrivateAddressError(f"{reason}; if that is meant, add {host!r} to fetch.allow_private")
    return addresses[0]


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is in nobody's own network; nor is an IPv4 address to which a gateway leads from an IPv6 one."""
    if not address.is_global or address.is_multicast:
        return False
    if not isinstance(address, ipaddress.IPv6Address):
        return True
    behind = address.sixtofour
    if address in _NAT64:
        behind = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return behind is None or behind.is_global


def _read(source: str, path: Path, etag: str) -> Fetched:
    """A file; its size and time of change stand for the ETag."""
    try:
        stat = path.stat()
        now = f"{stat.st_mtime_ns}-{stat.st_size}"
        if now == etag:
            return Fetched(body=None, etag=now)
        if stat.st_size > MAX_BYTES:
            raise SourceError(source, f"{path} is larger than {MAX_BYTES // 2**20} MB")
        return Fetched(body=path.read_bytes(), etag=now)
    except OSError as error:
        raise SourceError(source, f"{path}: {error.strerror or error}") from None


def _may_pass(error: Exception) -> bool | float:
    if not isinstance(error, _AgainError):
        return False
    return True if error.wait is None else error.wait


def _retry_after(answer: httpx2.Response) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3), within reason; dates are left to our own pace."""
    written = answer.headers.get("Retry-After", "")
    return min(float(written), _RETRY_SECONDS) if written.isascii() and written.isdigit() else None


def _told(body: bytes) -> str:
    """What an error page is called: arXiv says there which category it does not know."""
    title = re.search(rb"<title[^>]*>(.{1,300}?)</title>", body[:20_000], re.DOTALL | re.IGNORECASE)
    return f": {html_to_text(title.group(1).decode(errors='replace'))}" if title else ""

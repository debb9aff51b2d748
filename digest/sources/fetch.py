"""Fetches sources politely: conditional GET, pauses, retries, limits on size and time, and no private addresses.

Every failure is a SourceError whose reason says what to do about it.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
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
MAX_SECONDS = 120.0  # for a whole body
_SECONDS = 30.0  # without a byte
_CONNECT_SECONDS = 10.0
_ATTEMPTS = 3
_RETRY_SECONDS = 60.0
_PAUSES = {arxiv.DOMAIN: arxiv.SECONDS_BETWEEN_REQUESTS}  # also for subdomains

_CONNECTED = {"connection.connect_tcp.complete", "connection.start_tls.complete"}  # httpx's trace events
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A response. `body` is None if nothing has changed since the given validators."""

    body: bytes | None
    etag: str = ""
    last_modified: str = ""


class _RetryableError(Exception):
    """A failure that may be temporary. `wait` is how many seconds the server asks to wait; None if it does not say."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Fetcher:
    """Reads sources from https, http, file:// and paths (relative to `base`). Close it: it has a connection pool.

    `base` is None if no file may be read, as for addresses from the public. A server may be silent for `seconds` and
    take four times as long for a whole body. One that does not answer is asked `attempts` times.
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
        self._requested_at: dict[str, float] = {}
        agent = f"paper-digest/{version('paper-digest')}" + (f" ({contact})" if contact else "")
        self._client = httpx2.Client(
            transport=_PublicTransport(allow_private),
            headers={"User-Agent": agent, "Accept": "application/atom+xml, application/rss+xml, */*;q=0.5"},
            timeout=httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
            follow_redirects=True,
            max_redirects=5,
            trust_env=False,  # a proxy would resolve the host, so that its address could not be checked here
        )

    def fetch(self, source: str, url: str, *, etag: str = "", last_modified: str = "") -> Fetched:
        """Fetch `url`, unless it is unchanged by the given validators. Raises SourceError, naming `source`."""
        scheme = urlsplit(url).scheme.lower()
        if scheme not in {"http", "https"}:
            if self._base is None:
                raise SourceError(source, "only https:// and http:// addresses are looked up")
            if scheme == "file":
                return _read_file(source, Path(url2pathname(urlsplit(url).path)), etag)
            if "://" in url:
                raise SourceError(source, f"{scheme}:// is not supported; use https://, http://, file:// or a path")
            return _read_file(source, self._base / Path(url).expanduser(), etag)
        headers = {"If-None-Match": etag} if etag else {}
        if last_modified:
            headers["If-Modified-Since"] = last_modified

        def may_retry(error: Exception) -> bool | float:
            return isinstance(error, _RetryableError) and (True if error.wait is None else error.wait)

        try:
            for attempt in stamina.retry_context(on=may_retry, attempts=self._attempts, timeout=_RETRY_SECONDS):
                with attempt:
                    return self._request(source, url, headers)
        except _RetryableError as error:
            raise SourceError(source, str(error)) from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _request(self, source: str, url: str, headers: dict[str, str]) -> Fetched:
        """Request `url` once. Raises SourceError, or _RetryableError for failures that may be temporary."""
        self._pause(urlsplit(url).hostname or "")
        max_seconds = min(MAX_SECONDS, 4 * self._seconds)
        try:
            with (
                _deadline(max_seconds + self._seconds) as watch,
                self._client.stream("GET", url, headers=headers, extensions={"trace": watch}) as response,
            ):
                return self._read_response(source, response, headers, max_seconds)
        except httpx2.TimeoutException:
            raise _RetryableError(f"no answer within {self._seconds:.0f} s") from None
        except httpx2.UnsupportedProtocol:
            raise SourceError(source, "redirects to something that is not http or https") from None
        except httpx2.TooManyRedirects:
            raise SourceError(source, "redirects in a circle") from None
        except httpx2.TransportError as error:
            raise _RetryableError(f"cannot be reached: {error or type(error).__name__}") from None
        except (httpx2.InvalidURL, httpx2.DecodingError, _PrivateAddressError) as error:
            raise SourceError(source, str(error)) from None

    def _read_response(
        self, source: str, response: httpx2.Response, headers: dict[str, str], max_seconds: float
    ) -> Fetched:
        status = response.status_code
        if status == 304:
            return Fetched(
                body=None,
                etag=response.headers.get("ETag", headers.get("If-None-Match", "")),
                last_modified=response.headers.get("Last-Modified", headers.get("If-Modified-Since", "")),
            )
        stop_at = self._clock() + max_seconds
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise SourceError(source, f"the answer is larger than {MAX_BYTES // 2**20} MB")
            if self._clock() > stop_at:
                raise SourceError(source, f"the answer takes longer than {max_seconds:.0f} s")
        if status in {429, 500, 502, 503, 504}:
            # Retry-After in seconds (RFC 9110, 10.2.3), up to a limit. A date is ignored.
            after = response.headers.get("Retry-After", "")
            wait = min(float(after), _RETRY_SECONDS) if after.isascii() and after.isdigit() else None
            raise _RetryableError(f"HTTP {status}", wait)
        if status != 200:
            # The title of an error page is worth showing: arXiv's names the category that it does not know.
            title = re.search(rb"<title[^>]*>(.{1,300}?)</title>", body[:20_000], re.DOTALL | re.IGNORECASE)
            shown = f": {html_to_text(title.group(1).decode(errors='replace'))}" if title else ""
            raise SourceError(source, f"HTTP {status}{shown}")
        return Fetched(
            body=bytes(body),
            etag=response.headers.get("ETag", ""),
            last_modified=response.headers.get("Last-Modified", ""),
        )

    def _pause(self, host: str) -> None:
        """Wait until the domain of `host` may be asked again."""
        for domain, seconds in _PAUSES.items():
            if host == domain or host.endswith(f".{domain}"):
                self._sleep(max(0.0, self._requested_at.get(domain, -seconds) + seconds - self._clock()))
                self._requested_at[domain] = self._clock()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


@contextmanager
def _deadline(seconds: float) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Shut down the connections that are opened within it after `seconds`. Yields httpx's `trace` callback.

    httpx's time-outs begin again with every byte, so a server that sends a byte now and then would never end.
    """
    lock = threading.Lock()
    sockets: list[socket.socket] = []
    is_over = threading.Event()

    def end() -> None:
        with lock:
            is_over.set()
            for opened in sockets:
                with suppress(OSError):  # it is closed already
                    opened.shutdown(socket.SHUT_RDWR)

    def watch(event: str, details: dict[str, Any]) -> None:
        if event in _CONNECTED:
            with lock:
                sockets.append(details["return_value"].get_extra_info("socket"))
            if is_over.is_set():
                end()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield watch
    finally:
        timer.cancel()


class _PrivateAddressError(Exception):
    """The host has an address inside a private network."""


class _PublicTransport(httpx2.BaseTransport):
    """Connects to public addresses only, also after redirects and if DNS changes its answer a moment later.

    The host is resolved here, all its addresses are checked, and the request goes to a checked address.
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
    """An address of `host`. Raises _PrivateAddressError if any of its addresses is private."""
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"{host}: {error}") from None
    addresses = [str(address[4][0]) for address in found]
    for address in addresses:
        ip = ipaddress.ip_address(address.partition("%")[0])
        behind: ipaddress.IPv4Address | None = None  # the IPv4 address that a gateway makes of an IPv6 one
        if isinstance(ip, ipaddress.IPv6Address):
            behind = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else ip.sixtofour
        if not ip.is_global or ip.is_multicast or (behind is not None and not behind.is_global):
            reason = f"{host} is at the private address {address}"
            raise _PrivateAddressError(f"{reason}; if this is intended, add {host!r} to fetch.allow_private")
    return addresses[0]


def _read_file(source: str, path: Path, etag: str) -> Fetched:
    """Read a file. Its size and time of change serve as its ETag."""
    try:
        stat = path.stat()
        current = f"{stat.st_mtime_ns}-{stat.st_size}"
        if current == etag:
            return Fetched(body=None, etag=current)
        if stat.st_size > MAX_BYTES:
            raise SourceError(source, f"{path} is larger than {MAX_BYTES // 2**20} MB")
        return Fetched(body=path.read_bytes(), etag=current)
    except OSError as error:
        raise SourceError(source, f"{path}: {error.strerror or error}") from None

"""Fetches sources politely: conditional GET, pauses, retries, limits on size and time, and no private addresses.

Every failure is a SourceError whose reason says what to do about it.
"""

import ipaddress
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx2
import stamina

from digest.closing import Closable
from digest.errors import SourceError, StoppedError
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

# Addresses for which a gateway makes an IPv4 address of the last 32 bits (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291, 2.4: the only one that is given out
_NOT_PUBLIC = (  # parts of it that are for other uses, or lead to an IPv4 address that may be private
    ipaddress.IPv6Network("2001::/23"),  # protocol assignments, among them Teredo (RFC 2928, RFC 4380)
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation (RFC 3849)
    ipaddress.IPv6Network("2002::/16"),  # 6to4 (RFC 3056)
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)
_MAX_VALIDATOR = 1_000  # characters
_POLL_SECONDS = 0.2
_HOST_WITHOUT_SCHEME = re.compile(  # `rss.example.org/feed`; `papers.xml` is a file
    r"(?:[\w-]{1,63}\.){1,10}(?!(?:xml|rss|atom|rdf|json|txt|html?)$)[A-Za-z]{2,63}(?::\d{1,5})?(?:[/?].*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A response. `body` is None if nothing has changed since the given validators."""

    body: bytes | None
    url: str = ""  # where it came from, after redirects
    etag: str = ""
    last_modified: str = ""


class _RetryableError(Exception):
    """A failure that may be temporary. `wait` is how many seconds the server asks to wait; None if it does not say."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Fetcher(Closable):
    """Reads sources from https, http, file:// and paths (relative to `base`). Close it: it has a connection pool.

    `base` is None if no file may be read, as for addresses from the public. A server may be silent for `seconds` and
    take four times as long for a whole body. One that does not answer is asked `attempts` times. `fetch` is ended by a
    StoppedError as soon as `stopping` returns True.
    """

    def __init__(
        self,
        *,
        base: Path | None,
        contact: str = "",
        allow_private: Collection[str] = (),
        attempts: int = _ATTEMPTS,
        seconds: float = _SECONDS,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stopping = stopping
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
        """Fetch `url`, unless it is unchanged by the given validators. Raises SourceError, naming `source`.

        Raises StoppedError when the program stops.
        """
        # In a thread of its own, which is left behind when the program stops: nothing can interrupt a look-up in DNS,
        # and little a connection that is being opened. A daemon does not keep the process from ending.
        answer: Future[Fetched] = Future()

        def run() -> None:
            try:
                answer.set_result(self._fetch(source, url, etag=etag, last_modified=last_modified))
            except Exception as error:  # noqa: BLE001 (the caller's thread raises it)
                answer.set_exception(error)

        threading.Thread(target=run, name="fetch", daemon=True).start()
        while not wait([answer], timeout=_POLL_SECONDS).done:
            if self.stopping():
                raise StoppedError
        return answer.result()

    def _fetch(self, source: str, url: str, *, etag: str, last_modified: str) -> Fetched:
        try:
            scheme = urlsplit(url).scheme.lower()
        except ValueError as error:
            raise SourceError(source, f"{url} is not a valid address: {error}") from None
        if scheme not in {"http", "https"}:
            if self._base is None:
                raise SourceError(source, "only https:// and http:// addresses are looked up")
            if scheme == "file":
                return _read_file(source, Path(url2pathname(urlsplit(url).path)), etag)
            if "://" in url:
                raise SourceError(source, f"{scheme}:// is not supported; use https://, http://, file:// or a path")
            return _read_path(source, self._base, url, etag)
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
                etag=_validator(response, "ETag") or headers.get("If-None-Match", ""),
                last_modified=_validator(response, "Last-Modified") or headers.get("If-Modified-Since", ""),
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
            url=str(response.url),
            etag=_validator(response, "ETag"),
            last_modified=_validator(response, "Last-Modified"),
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


def _validator(response: httpx2.Response, header: str) -> str:
    """Return a header to send back with the next request; "" if it cannot be sent in one."""
    value: str = response.headers.get(header, "")
    return value if value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR else ""


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
    """Return an address of `host`. Raises _PrivateAddressError if any of its addresses is private."""
    try:
        found = socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"{host}: {error}") from None
    addresses = [str(address[4][0]) for address in found]
    for address in addresses:
        if not _is_public(address):
            reason = f"{host} is at the private address {address}"
            raise _PrivateAddressError(f"{reason}; if this is intended, add {host!r} to fetch.allow_private")
    return addresses[0]


def _is_public(address: str) -> bool:
    """Return True for an address that anyone can reach, and no gateway turns into another one that is private."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip in _NAT64:
        return _is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)))
    return ip in _GLOBAL_UNICAST and ip.is_global and not any(ip in network for network in _NOT_PUBLIC)


def _read_path(source: str, base: Path, url: str, etag: str) -> Fetched:
    """Read a file by its path. A URL without its scheme is taken for a path: the error says so."""
    path = base / os.path.expanduser(url)  # Path raises RuntimeError for an unknown user
    try:
        return _read_file(source, path, etag)
    except SourceError as error:
        if path.exists() or not _HOST_WITHOUT_SCHEME.fullmatch(url):
            raise
        raise SourceError(source, f"{error.reason}; for a web address, write https://{url}") from None


def _read_file(source: str, path: Path, etag: str) -> Fetched:
    """Read a file. Its size and time of change serve as its ETag."""
    try:
        found = path.stat()
        current = f"{found.st_mtime_ns}-{found.st_size}"
        if current == etag:
            return Fetched(body=None, etag=current)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # a device may never end
            raise SourceError(source, f"{path} is not a file")
        with path.open("rb") as opened:
            body = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceError(source, f"{path}: {error.strerror or error}") from None
    if len(body) > MAX_BYTES:
        raise SourceError(source, f"{path} is larger than {MAX_BYTES // 2**20} MB")
    return Fetched(body=body, etag=current)

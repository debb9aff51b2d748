"""Rate limits on what strangers may ask for, per network address and for all together; and a client's address.

The limits count in memory, so a restart resets them. Only requests that were let through are kept, so memory is bounded
by the limits. The clock is passed, and the two limits count as one; the library `limits` has neither.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import thread_time

from starlette.exceptions import HTTPException
from starlette.requests import Request

_HOUR = timedelta(hours=1)
_COST = 0.1  # seconds of processor time that count as a request


class RateLimit:
    """At most so many requests within a sliding window. Safe to share between threads."""

    def __init__(self, *, per_client: int, overall: int, within: timedelta = _HOUR) -> None:
        self._within = within
        self._per_client = per_client
        self._overall = overall
        self._all: deque[tuple[datetime, str]] = deque()  # requests let through, with their clients, oldest first
        self._by_client: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def wait(self, client: str, *, now: datetime) -> int:
        """Count a request of `client`, an address, and return 0; or return the seconds until it is allowed one."""
        whose = network_of(client)
        with self._lock:
            while self._all and self._all[0][0] <= now - self._within:
                _, expired = self._all.popleft()
                self._by_client[expired].popleft()
                if not self._by_client[expired]:
                    del self._by_client[expired]
            theirs: Sequence[datetime] = self._by_client.get(whose, ())
            full_since = [self._all[-self._overall][0]] if len(self._all) >= self._overall else []
            full_since += [theirs[-self._per_client]] if len(theirs) >= self._per_client else []
            if full_since:
                # At least 1: a slow request is counted when it ends, as of when it came.
                return max(1, math.ceil((max(full_since) + self._within - now).total_seconds()))
            self._count(whose, 1, now)
            return 0

    def check(self, client: str, *, now: datetime) -> None:
        """Count a request. Raises HTTPException 429 if `client` has to wait."""
        seconds = self.wait(client, now=now)
        if seconds:
            raise HTTPException(429, headers={"Retry-After": str(seconds)})

    @contextmanager
    def count_work(self, client: str, *, now: datetime) -> Iterator[None]:
        """Count a request that may take long: each tenth of a second of processor time counts as one more.

        Raises HTTPException 429 if `client` has to wait.
        """
        self.check(client, now=now)
        begun = thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._count(network_of(client), int((thread_time() - begun) / _COST), now)

    def _count(self, whose: str, times: int, now: datetime) -> None:
        if times:
            self._all.extend([(now, whose)] * times)
            self._by_client.setdefault(whose, deque()).extend([now] * times)


class ConcurrencyLimit:
    """At most so many slow requests of one client at the same time, which leaves room for others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_client: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold_place(self, client: str) -> Iterator[None]:
        """Hold one of the client's places. Raises HTTPException 429 if all are taken."""
        with self._lock:
            if self._by_client[client] >= self._most:
                raise HTTPException(429, headers={"Retry-After": "5"})
            self._by_client[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._by_client[client] -= 1
                self._by_client += Counter()  # forgets clients without a request


class RateLimits:
    """The rate limits of pages and of the API."""

    def __init__(self, *, mails: RateLimit) -> None:
        """`mails` limits the mails that strangers have us send: confirmations, sign-in links, changes of address."""
        minute, quarter = timedelta(minutes=1), timedelta(minutes=15)
        self.mails = mails
        self.preview = RateLimit(per_client=120, overall=1_200, within=minute)  # trying keywords, and the search
        self.proposals = RateLimit(per_client=10, overall=200)  # of papers
        self.admin_sign_in = RateLimit(per_client=10, overall=200, within=quarter)
        # The editor of profiles asks again after every pause in typing, far more often than strangers may.
        self.admin_preview = RateLimit(per_client=1_800, overall=3_600, within=minute)
        # Two tabs and a preview: some rules take seconds, and the pages of others would wait.
        self.admin_previews_at_once = ConcurrencyLimit(3)
        self.api_tokens = RateLimit(per_client=20, overall=1_000, within=quarter)  # calls with wrong tokens
        self.api_previews_at_once = ConcurrencyLimit(2)  # by token


def network_of(client: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which one machine may have all of."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


# The client's address, which trusted proxies forward. uvicorn's ProxyHeadersMiddleware is not used: it passes on what
# is no address, and writes IPv6 addresses in any form.
Networks = Sequence[IPv4Network | IPv6Network]


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """The client's address. `peer` is the other end of the connection, `forwarded` the X-Forwarded-For headers.

    Each proxy appends the address that it was asked from. So they are read from the right, and only while the proxy
    that added one is trusted: anything further left may be forged.
    """
    client = _normal(peer)
    for hop in reversed(",".join(forwarded).split(",")):
        said = _normal(hop.strip())
        if not (client and said) or not any(ip_address(client) in network for network in trusted):
            break
        client = said
    return client or "an unknown address"


def client_of(request: Request, trusted: Networks) -> str:
    """The address of the client that sent a request."""
    peer = request.client.host if request.client is not None else ""
    return client_address(peer, request.headers.getlist("X-Forwarded-For"), trusted)


def _normal(written: str) -> str:
    """An address in its shortest form; "" for anything else."""
    try:
        address = ip_address(written)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # IPv4 on a socket that listens on ::
        address = address.ipv4_mapped
    return str(address)

"""Rate limits on requests of unknown clients, per network and for all together; and a client's address.

The limits count in memory, so a restart resets them. Only requests that were let through are kept, so memory is bounded
by the limits. The clock is passed, and the limits of all networks of a client count as one; the library `limits` has
neither.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from time import thread_time

from cachetools import LRUCache
from starlette.exceptions import HTTPException
from starlette.requests import Request

_HOUR = timedelta(hours=1)
_MAX_KNOWN = 10_000  # networks and requests of known clients that are kept: 2 MB
_COST = 0.1  # seconds of processor time that count as a request


class RateLimit:
    """At most so many requests within a sliding window. Safe to share between threads.

    The larger networks of an IPv6 address have limits of their own, of two and four times `per_client`: the owner of a
    /48 has 65,536 networks, but no more requests than four clients.
    """

    def __init__(self, *, per_client: int, overall: int, within: timedelta = _HOUR) -> None:
        self._within = within
        self._per_client = per_client
        self._overall = overall
        self._all: deque[tuple[datetime, Sequence[str]]] = deque()  # requests let through, with their networks
        self._by_network: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def wait(self, client: str, *, now: datetime) -> int:
        """Count a request of `client`, an address, and return 0; or return the seconds until it is allowed one."""
        networks = networks_of(client)
        with self._lock:
            while self._all and self._all[0][0] <= now - self._within:
                for network in self._all.popleft()[1]:
                    self._by_network[network].popleft()
                    if not self._by_network[network]:
                        del self._by_network[network]
            full_since = [self._all[-self._overall][0]] if len(self._all) >= self._overall else []
            most = self._per_client
            for network in networks:
                theirs: Sequence[datetime] = self._by_network.get(network, ())
                full_since += [theirs[-most]] if len(theirs) >= most else []
                most *= 2
            if full_since:
                # At least 1: a slow request is counted when it ends, as of when it came.
                return max(1, math.ceil((max(full_since) + self._within - now).total_seconds()))
            self._count(networks, 1, now)
            return 0

    def check(self, client: str, *, now: datetime) -> None:
        """Count a request. Raises HTTPException 429 if `client` has to wait."""
        seconds = self.wait(client, now=now)
        if seconds:
            raise HTTPException(429, headers={"Retry-After": str(seconds)})

    @contextmanager
    def count_work(self, client: str, *, now: datetime) -> Iterator[Callable[[float], None]]:
        """Count a request that may take long: each tenth of a second of processor time counts as one more.

        Yields a function that counts the seconds which a part of the work will take, before it begins: requests that
        come meanwhile see them. Raises HTTPException 429 if `client` has to wait.
        """
        self.check(client, now=now)
        begun, counted = thread_time(), 0

        def count(seconds: float) -> None:
            nonlocal counted
            times = max(int(seconds / _COST), 0)
            with self._lock:
                self._count(networks_of(client), times, now)
            counted += times

        try:
            yield count
        finally:
            count(thread_time() - begun - counted * _COST)

    def _count(self, networks: Sequence[str], times: int, now: datetime) -> None:
        if times:
            self._all.extend([(now, networks)] * times)
            for network in networks:
                self._by_network.setdefault(network, deque()).extend([now] * times)


class SignInLimit:
    """A rate limit that attempts from elsewhere cannot exhaust for those who have signed in before.

    A reader or admin whose browser has signed in, and the networks that someone has signed in from, have limits of
    their own, which count first. Once these are reached, they count as strangers. Safe to share between threads.
    """

    def __init__(
        self,
        *,
        per_client: int,
        overall: int,
        within: timedelta = _HOUR,
        networks: Callable[[datetime], Iterable[str]] = lambda _: (),
    ) -> None:
        """`overall` is for all strangers together, and for all known networks.

        `networks` is called with the time of the first attempt, and returns addresses that are known already.
        """
        self._strangers = RateLimit(per_client=per_client, overall=overall, within=within)
        self._in_known_networks = RateLimit(per_client=per_client, overall=overall, within=within)
        self._known = RateLimit(per_client=per_client, overall=_MAX_KNOWN, within=within)
        self._networks: LRUCache[str, bool] = LRUCache(_MAX_KNOWN)  # that someone has signed in from
        self._load_networks: Callable[[datetime], Iterable[str]] | None = networks
        self._lock = threading.Lock()

    def remember(self, client: str) -> None:
        """Note that someone has signed in from this address."""
        with self._lock:
            self._networks[network_of(client)] = True

    def check(self, client: str, known: int | None = None, *, now: datetime) -> None:
        """Count an attempt. `known` is the id of who has signed in with this browser before.

        Raises HTTPException 429 if the client has to wait.
        """
        if known is not None and not self._known.wait(str(known), now=now):
            return
        network = network_of(client)
        with self._lock:
            if self._load_networks is not None:
                self._networks.update(dict.fromkeys(map(network_of, self._load_networks(now)), True))
                self._load_networks = None
            is_known = network in self._networks
        if is_known and not self._in_known_networks.wait(client, now=now):
            return
        self._strangers.check(client, now=now)


class ConcurrencyLimit:
    """At most so many slow requests of one client, and of all together, at the same time: there is room for others."""

    def __init__(self, most: int, *, overall: int | None = None) -> None:
        self._most = most
        self._overall = overall
        self._by_client: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def hold_place(self, client: str) -> Iterator[None]:
        """Hold one of the client's places. Raises HTTPException 429 if all are taken."""
        with self._lock:
            is_full = self._overall is not None and self._by_client.total() >= self._overall
            if is_full or self._by_client[client] >= self._most:
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

    def __init__(self, *, mails: SignInLimit, admins_networks: Callable[[datetime], Iterable[str]]) -> None:
        """`mails` limits the mails that clients have us send: confirmations, sign-in links, changes of address.

        `admins_networks` returns the addresses from which admins have signed in lately.
        """
        minute, quarter = timedelta(minutes=1), timedelta(minutes=15)
        self.mails = mails
        self.preview = RateLimit(per_client=120, overall=1_200, within=minute)  # trying keywords, and the search
        # Of eight threads that make pages, four are left for other pages.
        self.costly_searches = ConcurrencyLimit(2, overall=4)  # by network
        self.proposals = RateLimit(per_client=10, overall=200)  # of papers
        self.admin_sign_in = SignInLimit(per_client=10, overall=200, within=quarter, networks=admins_networks)
        # The editor of profiles asks again after every pause in typing, far more often than strangers may.
        self.admin_preview = RateLimit(per_client=1_800, overall=3_600, within=minute)
        # Two tabs and a preview: some rules take seconds, and the pages of others would wait.
        self.admin_previews_at_once = ConcurrencyLimit(3)
        self.api_tokens = RateLimit(per_client=20, overall=1_000, within=quarter)  # calls with wrong tokens
        self.api_previews_at_once = ConcurrencyLimit(2)  # by token


def network_of(client: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 of an IPv6 address, which one machine may own."""
    return networks_of(client)[0]


def networks_of(client: str) -> Sequence[str]:
    """Return the networks that limits count a client in, from the smallest.

    Of an IPv6 address these are its /64, and the /56 and the /48 that providers give to one customer (RFC 6177).
    """
    try:
        address = ip_address(client)
    except ValueError:
        return (client,)
    if isinstance(address, IPv6Address):
        return tuple(str(IPv6Network((int(address), length), strict=False)) for length in (64, 56, 48))
    return (str(address),)


# The client's address, which trusted proxies forward. uvicorn's ProxyHeadersMiddleware is not used: it passes on what
# is no address, and writes IPv6 addresses in any form.
Networks = Sequence[IPv4Network | IPv6Network]


def client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """Return the client's address. `peer` is the other end of the connection, `forwarded` the X-Forwarded-For headers.

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
    """Return the address of the client that sent a request."""
    peer = request.client.host if request.client is not None else ""
    return client_address(peer, request.headers.getlist("X-Forwarded-For"), trusted)


def _normal(written: str) -> str:
    """Return an address in its shortest form; "" for anything else."""
    try:
        address = ip_address(written)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # IPv4 on a socket that listens on ::
        address = address.ipv4_mapped
    return str(address)

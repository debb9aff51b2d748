"""How often strangers may have us do something: each network address, and all of them together, within some time.

Kept in memory: a restart forgets it. Only what was let through is remembered, so there is hardly more of it than may be
let through within that time.
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from time import thread_time

from starlette.exceptions import HTTPException

_HOUR = timedelta(hours=1)
_A_PIECE = 0.1  # seconds of work


class Limits:
    """Counts within a sliding window of time. Safe to share between threads."""

    def __init__(self, *, per_client: int, overall: int, within: timedelta = _HOUR) -> None:
        self._within = within
        self._per_client = per_client
        self._overall = overall
        self._all: deque[tuple[datetime, str]] = deque()  # what was let through, and whose it was, oldest first
        self._of: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def wait(self, client: str, *, now: datetime) -> int:
        """0 where `client`, an address, may go on, which is counted; else the seconds until it may."""
        whose = network_of(client)
        with self._lock:
            self._forget(until=now - self._within)
            theirs: Sequence[datetime] = self._of.get(whose, ())
            full_since = [self._all[-self._overall][0]] if len(self._all) >= self._overall else []
            full_since += [theirs[-self._per_client]] if len(theirs) >= self._per_client else []
            if full_since:
                # At least one: what took long is counted when it is done, as of when it was asked for.
                return max(1, math.ceil((max(full_since) + self._within - now).total_seconds()))
            self._count(whose, 1, now)
            return 0

    def check(self, client: str, *, now: datetime) -> None:
        """Count it, or raise HTTPException 429 where `client` has to wait."""
        seconds = self.wait(client, now=now)
        if seconds:
            raise HTTPException(429, headers={"Retry-After": str(seconds)})

    @contextmanager
    def working(self, client: str, *, now: datetime) -> Iterator[None]:
        """The same around what may take a while: each tenth of a second that a processor works on it counts, too."""
        self.check(client, now=now)
        begun = thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._count(network_of(client), int((thread_time() - begun) / _A_PIECE), now)

    def _count(self, whose: str, times: int, now: datetime) -> None:
        if times:
            self._all.extend([(now, whose)] * times)
            self._of.setdefault(whose, deque()).extend([now] * times)

    def _forget(self, *, until: datetime) -> None:
        while self._all and self._all[0][0] <= until:
            _, whose = self._all.popleft()
            theirs = self._of[whose]
            theirs.popleft()
            if not theirs:
                del self._of[whose]


class AtOnce:
    """How much each may have us do at the same time, so that what takes long leaves room for others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def working(self, client: str) -> Iterator[None]:
        """Around what may take a while. Raises HTTPException 429 where `client` has as much done already."""
        with self._lock:
            if self._of[client] >= self._most:
                raise HTTPException(429, headers={"Retry-After": "5"})
            self._of[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of[client] -= 1
                self._of += Counter()  # forgets who has nothing done


def network_of(client: str) -> str:
    """Who is counted as one: an IPv4 address, or the /64 of an IPv6 address, of which one machine has every address."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)

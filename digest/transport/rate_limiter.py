"""How fast mails may go: a limit that is asked for, and a lower one for a while where the server complains."""

import time
from collections.abc import Callable

_EARLY = 0.05  # seconds that a mail may go before its time, so that a late turn is caught up with
_DOUBLES_IN = 30.0  # seconds without a complaint
_ONE_COMPLAINT = 5.0  # seconds: what several connections hear at once is one complaint
_STRETCH = 10.0  # seconds over which it is measured how fast mails went
_SLOWEST, _FASTEST = 1.0, 10_000.0  # mails a second: beyond these a limit would be a stop, or limit nothing


class RateLimiter:
    """A limit in mails a second; 0 is none. Mails are spread evenly, not sent in bursts."""

    def __init__(self, rate: float = 0.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._rate = rate
        self._clock = clock
        self._next_at = 0.0
        self._begun_at = clock()
        self._taken = 0  # since then
        self._before = 0.0  # mails a second, in the stretch before that
        self._slowed = 0.0  # mails a second at the last complaint; 0: nobody complained
        self._slowed_at = 0.0

    def delay(self) -> float:
        """Seconds until the next mail may go."""
        if not (self._rate or self._slowed):
            return 0.0
        return max(0.0, self._next_at - _EARLY - self._clock())

    def record(self) -> None:
        """A mail goes now."""
        now = self._clock()
        if now - self._begun_at > _STRETCH:
            self._before, self._begun_at, self._taken = self._measured(now), now, 0
        self._taken += 1
        limit = self._limit()
        if limit:
            self._next_at = max(self._next_at, now - _EARLY) + 1 / limit

    def back_off(self) -> None:
        """The server complains: half as fast as so far, and from there twice as fast every half minute."""
        now = self._clock()
        if self._slowed and now - self._slowed_at < _ONE_COMPLAINT:
            return
        so_far = self._limit() or max(self._before, self._measured(now))
        self._slowed, self._slowed_at = max(so_far / 2, _SLOWEST), now
        self._next_at = now + 1 / self._slowed
        self._before, self._begun_at, self._taken = 0.0, now, 0

    def _measured(self, now: float) -> float:
        return self._taken / max(now - self._begun_at, 0.1)

    def _limit(self) -> float:
        if not self._slowed:
            return self._rate
        limit = self._slowed * 2 ** min((self._clock() - self._slowed_at) / _DOUBLES_IN, 60.0)
        if limit > (self._rate or _FASTEST):
            self._slowed = 0.0
            return self._rate
        return min(limit, self._rate or limit)

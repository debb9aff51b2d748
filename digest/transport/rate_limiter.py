"""How fast mails may be sent: a configured limit, and a lower one for a while after the server asked to slow down."""

import time
from collections.abc import Callable

_TOLERANCE = 0.05  # seconds that a mail may go early, so that a late one does not lower the rate
_DOUBLING_TIME = 30.0  # seconds without a complaint
_SAME_COMPLAINT = 5.0  # seconds; several connections hear of one limit at about the same time
_WINDOW = 10.0  # seconds over which the actual rate is measured
_MIN_RATE, _MAX_RATE = 1.0, 10_000.0  # mails a second; a limit outside would stop sending, or limit nothing


class RateLimiter:
    """A limit in mails a second; 0 means none. Mails are spread evenly, not sent in bursts."""

    def __init__(self, rate: float = 0.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._rate = rate
        self._clock = clock
        self._next_at = 0.0
        self._window_start = clock()
        self._sent = 0  # in this window
        self._previous_rate = 0.0  # mails a second in the window before
        self._reduced_rate = 0.0  # mails a second right after the last complaint; 0: not reduced
        self._reduced_at = 0.0

    def delay(self) -> float:
        """Seconds until the next mail may be sent."""
        if not (self._rate or self._reduced_rate):
            return 0.0
        return max(0.0, self._next_at - _TOLERANCE - self._clock())

    def record(self) -> None:
        """Count a mail that is sent now."""
        now = self._clock()
        if now - self._window_start > _WINDOW:
            self._previous_rate, self._window_start, self._sent = self._measured(now), now, 0
        self._sent += 1
        limit = self._limit()
        if limit:
            self._next_at = max(self._next_at, now - _TOLERANCE) + 1 / limit

    def back_off(self) -> None:
        """Halve the rate after a complaint of the server. From there it doubles every half minute."""
        now = self._clock()
        if self._reduced_rate and now - self._reduced_at < _SAME_COMPLAINT:
            return
        current = self._limit() or max(self._previous_rate, self._measured(now))
        self._reduced_rate, self._reduced_at = max(current / 2, _MIN_RATE), now
        self._next_at = now + 1 / self._reduced_rate
        self._previous_rate, self._window_start, self._sent = 0.0, now, 0

    def _measured(self, now: float) -> float:
        return self._sent / max(now - self._window_start, 0.1)

    def _limit(self) -> float:
        if not self._reduced_rate:
            return self._rate
        limit = self._reduced_rate * 2 ** min((self._clock() - self._reduced_at) / _DOUBLING_TIME, 60.0)
        if limit > (self._rate or _MAX_RATE):
            self._reduced_rate = 0.0
            return self._rate
        return min(limit, self._rate or limit)

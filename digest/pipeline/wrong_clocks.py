"""Corrects stored times that are in the future, because they were written while a clock was wrong.

After many runs with later times, or if no paper was seen for long before, the clock is more likely behind now, such
as after a start without a battery. Nothing is corrected then: that would date the papers of days or years wrongly.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from digest.models import CLOCK_SKEW
from digest.store import Store, Transaction, digests, papers

log = structlog.get_logger()

_MAX_RUNS = 3  # in which a clock may have been ahead
_HISTORY = timedelta(days=30)  # before now, in which papers should have been seen


def correct_future_papers(store: Store, *, latest: datetime) -> None:
    """Take papers that were first seen after `latest` for new at `latest`."""
    if _is_exception(store, papers.count_times_after, latest):
        with store.write() as tx:
            papers.correct_future_times(tx, after=latest + CLOCK_SKEW, now=latest)
        log.warning("papers first seen in the future are taken for new: a clock was wrong")


def correct_future_digests(store: Store, *, latest: datetime) -> None:
    """Take digests that were decided after `latest` as decided at `latest`."""
    if _is_exception(store, digests.count_times_after, latest):
        with store.write() as tx:
            digests.correct_future_times(tx, after=latest + CLOCK_SKEW, now=latest)
        log.warning("digests from the future are taken for new: a clock was wrong")


def is_plausible(store: Store, *, latest: datetime) -> bool:
    """Return True if the clock is not behind: no digests were decided after `latest`, or in few runs only."""
    with store.read() as tx:
        runs = digests.count_times_after(tx, latest + CLOCK_SKEW)
        return _has_history(tx, latest) and runs <= _MAX_RUNS


def _is_exception(store: Store, count_runs: Callable[[Transaction, datetime], int], latest: datetime) -> bool:
    """Return True if there were runs after `latest`, but so few that they, and not the time now, are wrong."""
    with store.read() as tx:
        return 0 < count_runs(tx, latest + CLOCK_SKEW) <= _MAX_RUNS and _has_history(tx, latest)


def _has_history(tx: Transaction, latest: datetime) -> bool:
    return papers.has_first_seen(tx, after=latest - _HISTORY, until=latest + CLOCK_SKEW)

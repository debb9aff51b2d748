"""Corrects stored times that are in the future, because they were written while a clock was wrong.

The clock is more likely behind now, such as after a start without a battery, if more runs left times after now than
before, if several did and they begin soon after now, or if no paper was seen for long before. Nothing is corrected
then: that would date the papers of days or years wrongly. The times of papers, digests and subscribers are corrected
together or not at all: a digest that seems to be older than its papers would not keep them from being sent again.
"""

from datetime import UTC, datetime, timedelta

import structlog

from digest.models import CLOCK_SKEW
from digest.store import Store, digests, papers

log = structlog.get_logger()

_MAX_RUNS = 3  # in which a clock may have been ahead by less than _GAP
_GAP = timedelta(days=8)  # more than between the runs that leave something, also of a newsletter with weekly digests
_EVER = datetime(1, 1, 1, tzinfo=UTC)
_HISTORY = timedelta(days=30)  # before now, in which papers should have been seen


def is_plausible(store: Store, *, latest: datetime) -> bool:
    """Return True if the clock is not behind: nothing was stored after `latest`, or only while a clock was ahead."""
    after = latest + CLOCK_SKEW
    with store.read() as tx:
        if not papers.has_first_seen(tx, after=latest - _HISTORY, until=after):
            return False
        later, much_later = (
            [count(tx, at) for count in (papers.count_times_after, digests.count_times_after)]
            for at in (after, latest + _GAP)
        )
        if max(later) > _MAX_RUNS and later != much_later:
            return False
        return not later[0] or papers.count_times_after(tx, _EVER) >= 2 * later[0]


def correct_future_papers(store: Store, *, latest: datetime) -> None:
    """Take papers that were first seen after `latest` for new at `latest`."""
    after = latest + CLOCK_SKEW
    with store.read() as tx:
        has_later = papers.count_times_after(tx, after) > 0
    if has_later:
        with store.write() as tx:
            papers.correct_future_times(tx, after=after, now=latest)
        log.warning("papers first seen in the future are taken for new: a clock was wrong")


def correct_future_digests(store: Store, *, latest: datetime) -> None:
    """Take digests that were decided after `latest` as decided at `latest`."""
    after = latest + CLOCK_SKEW
    with store.read() as tx:
        has_later = digests.count_times_after(tx, after) > 0
    if has_later:
        with store.write() as tx:
            digests.correct_future_times(tx, after=after, now=latest)
        log.warning("digests from the future are taken for new: a clock was wrong")

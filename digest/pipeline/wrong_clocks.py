"""Corrects stored times that are in the future, because they were written while a clock was wrong."""

from datetime import datetime

import structlog

from digest.models import CLOCK_SKEW
from digest.store import Store, digests, papers

log = structlog.get_logger()


def correct_future_papers(store: Store, *, latest: datetime) -> None:
    """Take papers that were first seen after `latest` for new at `latest`."""
    after = latest + CLOCK_SKEW
    with store.read() as tx:
        count = papers.count_first_seen_after(tx, after)
    if count:
        with store.write() as tx:
            papers.correct_future_times(tx, after=after, now=latest)
        log.warning("papers first seen in the future are taken for new: a clock was wrong", papers=count)


def correct_future_digests(store: Store, *, latest: datetime) -> None:
    """Take digests that were decided after `latest` as decided at `latest`."""
    after = latest + CLOCK_SKEW
    with store.read() as tx:
        count = digests.count_created_after(tx, after)
    if count:
        with store.write() as tx:
            digests.correct_future_times(tx, after=after, now=latest)
        log.warning("digests from the future are taken for new: a clock was wrong", digests=count)

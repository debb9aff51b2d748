"""The numbers of one day, for the admin pages."""

from datetime import date, datetime

import sqlalchemy as sa

from digest.models import DailyStatus, DeliveryState, SourceStatus
from digest.store import editions, outbox, sources
from digest.store.database import Transaction
from digest.store.schema import deliveries, digests, profiles, subscribers

_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_UNFINISHED = (*_WAITING, DeliveryState.LEASED.value, DeliveryState.SENDING.value, DeliveryState.IN_DOUBT.value)


def get(tx: Transaction, *, on: date, since: datetime, now: datetime) -> DailyStatus:
    """Return the status of the day `on`, which began at `since`."""
    with_papers = sa.and_(digests.c.created_at >= since, digests.c.empty_reason == "")
    return DailyStatus(
        now=now,
        papers=editions.count_by_day(tx, on, on).get(on, 0),
        digests=tx.execute(sa.select(sa.func.count()).select_from(digests).where(with_papers)).scalar_one(),
        deliveries=_count_deliveries(tx, since),
        overdue_since=_overdue_since(tx, now),
        hold=outbox.find_hold(tx),
        sources=[
            SourceStatus(name=state.name, succeeded_at=state.succeeded_at, failure=state.failure)
            for state in sources.list_states(tx).values()
        ],
    )


def missing_for_launch(tx: Transaction) -> str:
    """Return what to add first: "profile" if none is shared, "people" if there are no subscribers, or ""."""
    if tx.scalar(sa.select(sa.exists().where(subscribers.c.id.is_not(None)))):
        return ""
    has_shared = tx.scalar(sa.select(sa.exists().where(profiles.c.owner_id.is_(None))))
    return "people" if has_shared else "profile"


def _count_deliveries(tx: Transaction, since: datetime) -> dict[DeliveryState, int]:
    """Count the deliveries queued since then, and all unfinished ones, by state. Each query uses an index."""
    counts: dict[DeliveryState, int] = {}
    for condition in (
        sa.and_(deliveries.c.queued_at >= since, deliveries.c.state.not_in(_UNFINISHED)),
        deliveries.c.state.in_(_UNFINISHED),
    ):
        counted = sa.select(deliveries.c.state, sa.func.count().label("of")).where(condition)
        rows = tx.execute(counted.group_by(deliveries.c.state))
        counts |= {DeliveryState(row.state): row.of for row in rows}
    return counts


def _overdue_since(tx: Transaction, now: datetime) -> datetime | None:
    due = sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)
    # A requested mail is due before it was queued (see outbox.queue_mails), but waits since it was queued.
    is_later = deliveries.c.next_at > deliveries.c.queued_at
    waits_since = sa.case((is_later, deliveries.c.next_at), else_=deliveries.c.queued_at)
    return tx.scalar(sa.select(waits_since).where(due).order_by(waits_since).limit(1))

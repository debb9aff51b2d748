"""What the desk counts of a day."""

from datetime import date, datetime

import sqlalchemy as sa

from digest.models import DailyStatus, DeliveryState, SourceStatus
from digest.store import editions, outbox, sources
from digest.store.database import Transaction
from digest.store.schema import deliveries, digests, profiles, subscribers

_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_UNSETTLED = (*_WAITING, DeliveryState.LEASED.value, DeliveryState.SENDING.value, DeliveryState.IN_DOUBT.value)


def get(tx: Transaction, *, on: date, since: datetime, now: datetime) -> DailyStatus:
    """The day `on`, which began at `since`."""
    return DailyStatus(
        now=now,
        papers=editions.count_by_day(tx, on, on).get(on, 0),
        digests=_count_digests(tx, since),
        deliveries=_count_deliveries(tx, since),
        overdue_since=_overdue_since(tx, now),
        hold=outbox.find_hold(tx),
        sources=[
            SourceStatus(name=state.name, succeeded_at=state.succeeded_at, failure=state.failure)
            for state in sources.list_states(tx).values()
        ],
    )


def missing_for_launch(tx: Transaction) -> str:
    """What comes first where nobody is subscribed: "profile" if none is shared, else "people". "" where somebody is."""
    if tx.scalar(sa.select(sa.exists().where(subscribers.c.id.is_not(None)))):
        return ""
    shared = tx.scalar(sa.select(sa.exists().where(profiles.c.owner_id.is_(None))))
    return "people" if shared else "profile"


def _count_digests(tx: Transaction, since: datetime) -> int:
    with_papers = sa.and_(digests.c.created_at >= since, digests.c.empty_reason == "")
    return tx.execute(sa.select(sa.func.count()).select_from(digests).where(with_papers)).scalar_one()


def _count_deliveries(tx: Transaction, since: datetime) -> dict[DeliveryState, int]:
    """Of those queued since then, and of all that are not settled."""
    counted: dict[DeliveryState, int] = {}
    for condition in (
        sa.and_(deliveries.c.queued_at >= since, deliveries.c.state.not_in(_UNSETTLED)),
        deliveries.c.state.in_(_UNSETTLED),
    ):
        rows = tx.execute(
            sa.select(deliveries.c.state, sa.func.count().label("of")).where(condition).group_by(deliveries.c.state)
        )
        counted |= {DeliveryState(row.state): row.of for row in rows}
    return counted


def _overdue_since(tx: Transaction, now: datetime) -> datetime | None:
    ready = sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)
    # A mail that somebody waits for has its turn before its time: when it was queued says since when it waits.
    due_at = sa.case(
        (deliveries.c.next_at > deliveries.c.queued_at, deliveries.c.next_at), else_=deliveries.c.queued_at
    )
    found: datetime | None = tx.scalar(
        sa.select(sa.type_coerce(due_at, deliveries.c.next_at.type)).where(ready).order_by(due_at).limit(1)
    )
    return found

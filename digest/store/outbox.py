"""The outbox: every mail that is decided, leased to one worker at a time, and what the server said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.models import Delivery, DeliveryState, Digest, MailKind, Subscriber
from digest.store import digests, subscribers
from digest.store.database import Transaction
from digest.store.leases import LEASE, is_dead
from digest.store.schema import deliveries

_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_UNLEASED = {"state": DeliveryState.QUEUED.value, "leased_by": "", "leased_until": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What one attempt came to: `next_at` is set where it will be tried again."""

    delivery_id: int
    state: DeliveryState
    reply: str
    next_at: datetime | None = None


def queue_note(tx: Transaction, kind: MailKind, subscriber: Subscriber, *, message_id: str, now: datetime) -> None:
    """Queue a mail that carries no digest, such as the one that asks a new subscriber whether it was they."""
    tx.execute(
        sa.insert(deliveries).values(
            kind=kind.value,
            subscriber_id=subscriber.id,
            message_id=message_id,
            queued_at=now,
            next_at=now,
        )
    )


def claim(tx: Transaction, *, worker: str, now: datetime, clock: datetime, limit: int) -> list[Delivery]:
    """Lease the next `limit` deliveries that may be tried at `now` to `worker`, oldest first.

    Leases run by the real time `clock`; those that ran out, or whose process is dead, are anybody's again.
    """
    _succeed_the_dead(tx, clock=clock)
    ids = (
        tx.execute(sa.select(deliveries.c.id).where(_ready(now)).order_by(deliveries.c.id).limit(limit)).scalars().all()
    )
    tx.execute(
        sa.update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(state=DeliveryState.SENDING.value, leased_by=worker, leased_until=clock + LEASE)
    )
    return _load(tx, deliveries.c.id.in_(ids))


def record(tx: Transaction, settled: Sequence[Settled], *, now: datetime) -> None:
    """Write down what the server said, and let go of the leases."""
    finished = {DeliveryState.SENT, DeliveryState.FAILED}
    rows = [
        {
            "of": s.delivery_id,
            "new_state": s.state.value,
            "said": s.reply,
            "again_at": s.next_at,
            "done_at": now if s.state in finished else None,
        }
        for s in settled
    ]
    if rows:
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.id == sa.bindparam("of"))
            .values(
                state=sa.bindparam("new_state"),
                reply=sa.bindparam("said"),
                next_at=sa.func.coalesce(
                    sa.bindparam("again_at", type_=deliveries.c.next_at.type), deliveries.c.next_at
                ),
                finished_at=sa.bindparam("done_at"),
                attempts=deliveries.c.attempts + 1,
                leased_by="",
                leased_until=None,
            )
        )
        tx.execute(statement, rows)


def release(tx: Transaction, worker: str) -> int:
    """Put back what `worker` leased and did not try. How many deliveries that were."""
    held = sa.and_(deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.leased_by == worker)
    return tx.execute(sa.update(deliveries).where(held).values(_UNLEASED)).rowcount


def count_ready(tx: Transaction, *, now: datetime) -> int:
    """How many deliveries may be tried at `now`."""
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(_ready(now))).scalar_one()


def list_deliveries(tx: Transaction, *, state: DeliveryState | None = None, limit: int = 100) -> list[Delivery]:
    """The newest deliveries, newest first, without their digests' content."""
    condition = sa.true() if state is None else deliveries.c.state == state.value
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(deliveries.c.id.desc()).limit(limit)).all()
    people = subscribers.list_by_ids(tx, [row.subscriber_id for row in rows])
    return [_delivery(row, people[row.subscriber_id]) for row in rows]


def list_queued(tx: Transaction) -> list[Delivery]:
    """The deliveries that were never tried, oldest first, with their digests."""
    return _load(tx, deliveries.c.state == DeliveryState.QUEUED.value)


def _ready(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)


def _succeed_the_dead(tx: Transaction, *, clock: datetime) -> None:
    sending = deliveries.c.state == DeliveryState.SENDING.value
    workers = tx.execute(sa.select(deliveries.c.leased_by).where(sending).distinct()).scalars().all()
    dead = [worker for worker in workers if is_dead(worker)]
    lost = sa.or_(deliveries.c.leased_by.in_(dead), deliveries.c.leased_until <= clock)
    tx.execute(sa.update(deliveries).where(sending, lost).values(_UNLEASED))


def _load(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[Delivery]:
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(deliveries.c.id)).all()
    people = subscribers.list_by_ids(tx, [row.subscriber_id for row in rows])
    message_ids = {row.digest_id: row.message_id for row in rows if row.digest_id is not None}
    frozen = digests.list_by_row(tx, list(message_ids), message_ids)
    return [_delivery(row, people[row.subscriber_id], frozen.get(row.digest_id)) for row in rows]


def _delivery(row: sa.Row[Any], subscriber: Subscriber, digest: Digest | None = None) -> Delivery:
    return Delivery(
        id=row.id,
        kind=MailKind(row.kind),
        subscriber=subscriber,
        message_id=row.message_id,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        queued_at=row.queued_at,
        next_at=row.next_at,
        reply=row.reply,
        digest=digest,
    )

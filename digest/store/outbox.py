"""The outbox: every mail that is decided, leased to one worker at a time, and what the server said of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Delivery, DeliveryState, DoubtPolicy, Hold, MailKind, Subscriber, Suppression
from digest.security.addresses import Pseudonyms
from digest.store import counters, suppressions
from digest.store.counters import Counter
from digest.store.database import Transaction, backend
from digest.store.deliveries import list_with_digests
from digest.store.leases import LEASE, MAX_LEASE, SENDING_LEASE, is_dead, is_local
from digest.store.schema import deliveries, holds
from digest.store.schema import subscribers as people_table

_AHEAD = timedelta(days=1)  # of its time: digests that are a day late have the same turn

_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_UNSETTLED = (DeliveryState.LEASED.value, DeliveryState.SENDING.value)
_ASKED_FOR = {MailKind.CONFIRMATION.value, MailKind.SIGN_IN.value, MailKind.GOODBYE.value}
_ADDRESSES = (people_table.c.email, people_table.c.new_email)
_NOBODYS: dict[str, Any] = {"leased_by": "", "leased_until": None}
_UNLEASED = _NOBODYS | {"state": DeliveryState.QUEUED.value}
_PARKED = _NOBODYS | {
    "state": DeliveryState.IN_DOUBT.value,
    "reply": "handed over, and no answer was written down",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What one attempt came to: `next_at` is set where it will be tried again."""

    delivery_id: int
    state: DeliveryState
    reply: str
    next_at: datetime | None = None


def queue_mail(
    tx: Transaction,
    kind: MailKind,
    subscriber: Subscriber,
    *,
    message_id: str,
    now: datetime,
    not_sent_because: str = "",
) -> None:
    """Queue a mail that carries no digest, such as the one that asks a new subscriber whether it was they.

    Somebody waits for it, and a link in it may expire: its turn comes before that of the digests of a morning, also in
    a run that is under way. With `not_sent_because` it is written down with that reason and never sent.
    """
    queue_mails(tx, kind, [(subscriber.id, message_id)], now=now, not_sent_because=not_sent_because)


def queue_mails(
    tx: Transaction, kind: MailKind, notes: Sequence[tuple[int, str]], *, now: datetime, not_sent_because: str = ""
) -> None:
    """The same for several (subscriber's id, Message-ID)."""
    if not notes:
        return
    written = {"kind": kind.value, "queued_at": now, "next_at": now - _AHEAD}
    written |= _unsent(not_sent_because, now) if not_sent_because else {}
    ids = counters.reserve(tx, Counter.DELIVERY_IDS, len(notes))
    rows = [
        written | {"id": number, "subscriber_id": subscriber_id, "message_id": message_id}
        for number, (subscriber_id, message_id) in zip(ids, notes, strict=True)
    ]
    tx.execute(sa.insert(deliveries), rows)


def claim(
    tx: Transaction,
    *,
    worker: str,
    now: datetime,
    clock: datetime,
    limit: int,
    pseudonyms: Pseudonyms,
    doubt: DoubtPolicy = DoubtPolicy.RESEND,
) -> list[Delivery]:
    """Lease the next `limit` deliveries that may be tried at `now` to `worker`; none during a hold.

    First those that were deferred and are due again, then what somebody waits for, then digests as they were queued.

    Those to suppressed addresses fail here, whatever else is known of their subscribers.

    Leases run by the real time `clock`; those that ran out, or whose process is dead, are anybody's again. What such a
    process was sending is in `doubt`.
    """
    _succeed_the_dead(tx, clock=clock, doubt=doubt)
    if find_hold(tx) is not None:
        return []
    ids = _wanted(tx, now=now, limit=limit, pseudonyms=pseudonyms)
    these = deliveries.c.id.in_(ids)
    leased = {"state": DeliveryState.LEASED.value, "leased_by": worker, "leased_until": clock + LEASE}
    tx.execute(sa.update(deliveries).where(these).values(leased))
    return list_with_digests(tx, these, deliveries.c.next_at, deliveries.c.id)


def start_sending(tx: Transaction, delivery_ids: Sequence[int], *, worker: str, clock: datetime) -> set[int]:
    """Mark leased deliveries as being sent; the ids of those that were, which alone may be handed over.

    What else `worker` has is leased to it anew, from the real time `clock`.
    None is during a hold, and none that is not `worker`'s any more: it was cancelled, or its lease ran out and
    somebody else sees to it.
    """
    if find_hold(tx) is not None:
        return set()
    unbegun = sa.and_(deliveries.c.state == DeliveryState.LEASED.value, deliveries.c.leased_by == worker)
    tx.execute(sa.update(deliveries).where(unbegun).values(leased_until=clock + LEASE))
    begun = (
        sa.update(deliveries)
        .where(deliveries.c.id.in_(delivery_ids), unbegun)
        .values(state=DeliveryState.SENDING.value, leased_until=clock + SENDING_LEASE)
    )
    return set(tx.execute(begun.returning(deliveries.c.id)).scalars())


def cancel(
    tx: Transaction, subscriber_id: int, why: str, *, kinds: Collection[MailKind] = tuple(MailKind), now: datetime
) -> None:
    """Do not send what waits for somebody, or is leased and not begun, to any worker."""
    unbegun = (*_WAITING, DeliveryState.LEASED.value)
    waiting = sa.and_(
        deliveries.c.subscriber_id == subscriber_id,
        deliveries.c.state.in_(unbegun),
        deliveries.c.kind.in_([kind.value for kind in kinds]),
    )
    tx.execute(sa.update(deliveries).where(waiting).values(_unsent(why, now)))


def start_hold(tx: Transaction, reason: str, *, now: datetime) -> None:
    """From now on nothing is begun, by any process. A hold that is there already stays as it is."""
    tx.execute(backend(tx).insert_or_ignore(holds).values(id=1, held_at=now, reason=reason))


def end_hold(tx: Transaction) -> bool:
    """Let sending go on. Whether there was a hold."""
    return tx.execute(sa.delete(holds)).rowcount > 0


def find_hold(tx: Transaction) -> Hold | None:
    """The hold that is on, or None."""
    row = tx.execute(sa.select(holds)).one_or_none()
    return None if row is None else Hold(row.held_at, row.reason)


def record_results(tx: Transaction, settled: Sequence[AttemptResult], *, worker: str, now: datetime) -> None:
    """Write down what the server said, and let go of the leases.

    What arrived has arrived, whoever has it by now; anything else counts only of what is still `worker`'s.
    """
    over = _NOBODYS | {"reply": sa.bindparam("said"), "attempts": deliveries.c.attempts + 1}
    this = deliveries.c.id == sa.bindparam("of")
    arrived = [{"of": s.delivery_id, "said": s.reply} for s in settled if s.state is DeliveryState.SENT]
    if arrived:
        sent = {"state": DeliveryState.SENT.value, "finished_at": now}
        tx.execute(sa.update(deliveries).where(this).values(over | sent), arrived)
    others = [
        {
            "of": s.delivery_id,
            "said": s.reply,
            "new_state": s.state.value,
            "again_at": s.next_at,
            "done_at": now if s.state is DeliveryState.FAILED else None,
        }
        for s in settled
        if s.state is not DeliveryState.SENT
    ]
    if others:
        again_at = sa.bindparam("again_at", type_=deliveries.c.next_at.type)
        became = {
            "state": sa.bindparam("new_state"),
            "next_at": sa.func.coalesce(again_at, deliveries.c.next_at),
            "finished_at": sa.bindparam("done_at"),
        }
        tx.execute(sa.update(deliveries).where(this, _held_by(worker)).values(over | became), others)


def release(tx: Transaction, worker: str, *, in_doubt: Collection[int] = ()) -> None:
    """Put back what `worker` has and did not settle; what of it is `in_doubt` is parked."""
    if in_doubt:
        tx.execute(sa.update(deliveries).where(deliveries.c.id.in_(in_doubt), _held_by(worker)).values(_PARKED))
    tx.execute(sa.update(deliveries).where(_held_by(worker)).values(_UNLEASED))


def retry(tx: Transaction, delivery_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Make deferred and failed deliveries, of these or (without any) of all, due now. The ids that were."""
    over = deliveries.c.state.in_((DeliveryState.DEFERRED.value, DeliveryState.FAILED.value))
    among = deliveries.c.id.in_(delivery_ids) if delivery_ids else sa.true()
    return _requeue(tx, sa.and_(over, among), now=now)


def resolve_doubt(tx: Transaction, delivery_ids: Sequence[int], *, arrived: bool, now: datetime) -> list[int]:
    """Settle deliveries in doubt: they arrived, or are sent again. The ids that were in doubt."""
    wanted = sa.and_(deliveries.c.state == DeliveryState.IN_DOUBT.value, deliveries.c.id.in_(delivery_ids))
    if not arrived:
        return _requeue(tx, wanted, now=now)
    sent = sa.update(deliveries).where(wanted).values(state=DeliveryState.SENT.value, finished_at=now)
    return list(tx.execute(sent.returning(deliveries.c.id)).scalars())


def _requeue(tx: Transaction, wanted: sa.ColumnElement[bool], *, now: datetime) -> list[int]:
    """Queued anew: the five days for which a mail is kept begin again.

    But not for what its reader asked for: since when they may not be mailed is held against when they did.
    """
    asked_for = deliveries.c.kind.in_(_ASKED_FOR)
    queued = (
        sa.update(deliveries)
        .where(wanted)
        .values(
            state=DeliveryState.QUEUED.value,
            queued_at=sa.case((asked_for, deliveries.c.queued_at), else_=now),
            next_at=now,
            attempts=0,
            finished_at=None,
        )
    )
    return sorted(tx.execute(queued.returning(deliveries.c.id)).scalars())


def resend(tx: Transaction, delivery: Delivery, *, message_id: str, now: datetime) -> int:
    """Queue the digest of a mail that was sent as another mail, which has it from now on. The number of that.

    The one before keeps what became of it, and holds no digest any more: there is one mail a digest.
    """
    before = deliveries.c.id == delivery.id
    digest_id = tx.execute(sa.select(deliveries.c.digest_id).where(before)).scalar_one()
    tx.execute(sa.update(deliveries).where(before).values(digest_id=None))
    (number,) = counters.reserve(tx, Counter.DELIVERY_IDS, 1)
    queued = {"kind": delivery.kind.value, "subscriber_id": delivery.subscriber.id, "digest_id": digest_id}
    queued |= {"id": number, "message_id": message_id, "queued_at": now, "next_at": now}
    tx.execute(sa.insert(deliveries).values(queued))
    return number


def count_due(tx: Transaction, *, now: datetime) -> int:
    """How many deliveries may be tried at `now`."""
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(_ready(now))).scalar_one()


def _ready(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)


def _held_by(worker: str) -> sa.ColumnElement[bool]:
    # Whatever settles a delivery takes the name away; the state is asked for because it is what the index begins with.
    return sa.and_(sa.or_(*(deliveries.c.state == state for state in _UNSETTLED)), deliveries.c.leased_by == worker)


def _succeed_the_dead(tx: Transaction, *, clock: datetime, doubt: DoubtPolicy) -> None:
    unsettled = deliveries.c.state.in_(_UNSETTLED)
    workers = tx.execute(sa.select(deliveries.c.leased_by).where(unsettled).distinct()).scalars().all()
    dead = [worker for worker in workers if is_dead(worker)]
    elsewhere = [worker for worker in workers if not is_local(worker)]
    ran_out = sa.or_(
        deliveries.c.leased_until <= clock,
        sa.and_(deliveries.c.leased_by.in_(elsewhere), deliveries.c.leased_until > clock + MAX_LEASE),
    )
    lost = sa.and_(unsettled, sa.or_(deliveries.c.leased_by.in_(dead), ran_out))
    if doubt is DoubtPolicy.PARK:
        tx.execute(sa.update(deliveries).where(lost, deliveries.c.state == DeliveryState.SENDING.value).values(_PARKED))
    tx.execute(sa.update(deliveries).where(lost).values(_UNLEASED))


def _wanted(tx: Transaction, *, now: datetime, limit: int, pseudonyms: Pseudonyms) -> list[int]:
    """The next deliveries that may be tried. Those to suppressed addresses, or to none, are failed on the way."""
    while rows := _next(tx, now=now, limit=limit):
        barred = _suppressed(tx, rows, pseudonyms) if suppressions.has_any(tx) else {}
        unwanted = {row.id: "no new address waits to be confirmed" for row in rows if not _address(row)}
        unwanted |= {delivery_id: str(suppression) for delivery_id, suppression in barred.items()}
        for delivery_id, why in unwanted.items():
            not_sent = _unsent(f"not sent: {why}", now)
            tx.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(not_sent))
        if len(unwanted) < len(rows):
            return [row.id for row in rows if row.id not in unwanted]
    return []


def _next(tx: Transaction, *, now: datetime, limit: int) -> list[sa.Row[Any]]:
    """The next deliveries that may be tried: each state by itself, as the index has them, so that none is sorted."""
    found: list[Any] = []
    for state in (DeliveryState.DEFERRED.value, DeliveryState.QUEUED.value):
        waiting = (
            sa.select(deliveries.c.id, deliveries.c.kind, deliveries.c.queued_at, *_ADDRESSES)
            .join(people_table, people_table.c.id == deliveries.c.subscriber_id)
            .where(deliveries.c.state == state, deliveries.c.next_at <= now)
            .order_by(deliveries.c.next_at, deliveries.c.id)
            .limit(limit - len(found))
        )
        found += tx.execute(waiting)
    return found


def _suppressed(tx: Transaction, rows: Sequence[Any], pseudonyms: Pseudonyms) -> dict[int, Suppression]:
    """Which of these deliveries must not be sent. What somebody asked for after they were suppressed may be."""
    of = {row.id: pseudonyms.of(_address(row)) for row in rows}
    found = suppressions.find_all(tx, set(of.values()))
    return {
        row.id: suppression
        for row in rows
        if (suppression := found.get(of[row.id]))
        and not (row.kind in _ASKED_FOR and row.queued_at >= suppression.suppressed_at)
    }


def _address(row: Any) -> str:
    """Where a delivery goes: what asks about a new address goes there, and to nobody when it is settled."""
    address: str = row.new_email if row.kind == MailKind.ADDRESS.value else row.email
    return address


def _unsent(why: str, now: datetime) -> dict[str, Any]:
    return _NOBODYS | {"state": DeliveryState.FAILED.value, "reply": why, "finished_at": now}

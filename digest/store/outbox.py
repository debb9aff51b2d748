"""The outbox: every mail to be sent, leased to one worker at a time, and what the mail server said about it.

Who may be mailed is decided elsewhere (pipeline/deliver.py): the store lists, fails and leases deliveries.

A lease holds the name of a run of a process. A process of this host that died is recognised at once, even if another
one has its number by now; the lease of a process of another host expires. Each run has a name of its own: what one run
could not record at its end is not released by the next, but waits until the lease expires.

Each of these functions runs in a write transaction, and those exclude each other, so two workers never lease the same
delivery. A worker that lost its lease finds that out in `start_sending`, before a mail is handed over.
"""

import itertools
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from digest.models import (
    KEPT_BY_HOLD,
    NOT_SENT,
    Bounce,
    Delivery,
    DeliveryState,
    DoubtPolicy,
    Hold,
    MailKind,
    Subscriber,
    SubscriberState,
)
from digest.store.database import Counter, Transaction, backend, reserve_numbers
from digest.store.deliveries import list_with_digests
from digest.store.schema import deliveries, holds, read_member, subscribers

# Each group of mails that a worker starts renews its leases, so one group may take so long. It is also the time that
# the mails of a crashed process of another host wait.
LEASE = timedelta(minutes=5)

# A mail is handed over within the lease, and the server may take ten minutes to answer (RFC 5321, 4.5.3.2.6).
SENDING_LEASE = LEASE + timedelta(minutes=11)

# A lease that ends later than this was taken by a process of another host with a wrong clock.
MAX_LEASE = SENDING_LEASE + timedelta(hours=1)

_PROC = Path("/proc")
_RUNS = itertools.count(1)  # of this process

# Mails that a person waits for are due a day before they were queued: before all digests of less than a day's delay.
_PRIORITY = timedelta(days=1)

_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_IN_PROGRESS = (DeliveryState.LEASED.value, DeliveryState.SENDING.value)
_REQUESTED = [kind.value for kind in MailKind if kind.is_requested]
_NO_LEASE: dict[str, Any] = {"leased_by": "", "leased_until": None}
_REQUEUED = _NO_LEASE | {"state": DeliveryState.QUEUED.value}
_PARKED = _NO_LEASE | {"state": DeliveryState.IN_DOUBT.value, "reply": "handed over, and no answer was recorded"}


_DUE_MAILS = sa.select(
    deliveries.c.id,
    deliveries.c.kind,
    deliveries.c.queued_at,
    subscribers.c.email,
    subscribers.c.new_email,
    subscribers.c.state,
    subscribers.c.epoch,
).join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMail:
    """A delivery that may be tried now: what is needed to decide whether its recipient may be mailed."""

    id: int
    kind: MailKind
    queued_at: datetime
    address: str  # "" if it was for a new address that the subscriber no longer asks for
    subscriber_state: SubscriberState
    epoch: int  # of the links in it


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """The result of one attempt to send a delivery. `next_at` is set if there will be another."""

    delivery_id: int
    state: DeliveryState
    reply: str
    next_at: datetime | None = None
    bounce: Bounce | None = None  # what a failure says about the address


def queue_mail(
    tx: Transaction, kind: MailKind, subscriber: Subscriber, *, message_id: str, now: datetime, failure: str = ""
) -> None:
    """Queue one mail without a digest, sent before any digest. With `failure` it is recorded as failed instead."""
    queue_mails(tx, kind, [(subscriber.id, message_id)], now=now, failure=failure)


def queue_mails(
    tx: Transaction, kind: MailKind, mails: Sequence[tuple[int, str]], *, now: datetime, failure: str = ""
) -> None:
    """Queue one mail without a digest for each (subscriber id, Message-ID) pair; see `queue_mail`."""
    if not mails:
        return
    values = {"kind": kind.value, "queued_at": now, "next_at": now - _PRIORITY}
    values |= _failed(failure, now) if failure else {}
    ids = reserve_numbers(tx, Counter.DELIVERY_IDS, len(mails))
    rows = [
        values | {"id": delivery_id, "subscriber_id": subscriber_id, "message_id": message_id}
        for delivery_id, (subscriber_id, message_id) in zip(ids, mails, strict=True)
    ]
    tx.execute(sa.insert(deliveries), rows)


def reclaim_expired_leases(tx: Transaction, *, clock: datetime, doubt: DoubtPolicy) -> None:
    """Requeue deliveries whose lease has expired at the real time `clock`, or whose process is dead.

    `doubt` decides about those that were being sent: they are sent again, or parked for an admin.
    """
    in_progress = deliveries.c.state.in_(_IN_PROGRESS)
    workers = tx.execute(sa.select(deliveries.c.leased_by).where(in_progress).distinct()).scalars().all()
    dead = [worker for worker in workers if is_dead(worker)]
    remote = [worker for worker in workers if not is_local(worker)]
    expired = sa.or_(
        deliveries.c.leased_until <= clock,
        sa.and_(deliveries.c.leased_by.in_(remote), deliveries.c.leased_until > clock + MAX_LEASE),
    )
    lost = sa.and_(in_progress, sa.or_(deliveries.c.leased_by.in_(dead), expired))
    if doubt is DoubtPolicy.PARK:
        tx.execute(sa.update(deliveries).where(lost, deliveries.c.state == DeliveryState.SENDING.value).values(_PARKED))
    tx.execute(sa.update(deliveries).where(lost).values(_REQUEUED))


def correct_future_times(tx: Transaction, *, after: datetime, now: datetime) -> None:
    """Make the waiting deliveries due that would not be before `after`, because a clock was wrong."""
    wrong = sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at > after)
    queued_at = sa.case((deliveries.c.queued_at > now, now), else_=deliveries.c.queued_at)
    tx.execute(sa.update(deliveries).where(wrong).values(next_at=now, queued_at=queued_at))


def list_due_mails(tx: Transaction, *, now: datetime, limit: int) -> list[DueMail]:
    """Return the next `limit` deliveries that may be tried: deferred ones, then requested mails, then digests."""
    due: list[DueMail] = []
    # One query for each state, since each is read from an index in order: nothing is sorted.
    for state in (DeliveryState.DEFERRED.value, DeliveryState.QUEUED.value):
        waiting = (
            _DUE_MAILS.where(deliveries.c.state == state, deliveries.c.next_at <= now)
            .order_by(deliveries.c.next_at, deliveries.c.id)
            .limit(limit - len(due))
        )
        due += map(_due_mail, tx.execute(waiting))
    return due


def list_started_mails(tx: Transaction, delivery_ids: Collection[int], *, worker: str) -> list[DueMail]:
    """Return those of these deliveries that `worker` is sending, as they would be addressed now."""
    started = sa.and_(deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.leased_by == worker)
    return list(map(_due_mail, tx.execute(_DUE_MAILS.where(deliveries.c.id.in_(delivery_ids), started))))


def lease(tx: Transaction, delivery_ids: Collection[int], *, worker: str, clock: datetime) -> list[Delivery]:
    """Lease deliveries to `worker` from the real time `clock` on, and return them with their digests."""
    leased = deliveries.c.id.in_(delivery_ids)
    values = {"state": DeliveryState.LEASED.value, "leased_by": worker, "leased_until": clock + LEASE}
    tx.execute(sa.update(deliveries).where(leased).values(values))
    return list_with_digests(tx, leased, deliveries.c.next_at, deliveries.c.id)


def fail(tx: Transaction, reasons: Mapping[int, str], *, now: datetime) -> None:
    """Record that deliveries will not be sent, with a reason for each id."""
    for delivery_id, reason in reasons.items():
        tx.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(_failed(reason, now)))


def start_sending(tx: Transaction, delivery_ids: Sequence[int], *, worker: str, clock: datetime) -> set[int]:
    """Mark leased deliveries as being sent, and renew the worker's other leases from the real time `clock` on.

    Returns the ids of those that may be handed over. Cancelled deliveries and those that another worker has leased by
    now are left out; during a hold all are.
    """
    if find_hold(tx) is not None:
        return set()
    leased = sa.and_(deliveries.c.state == DeliveryState.LEASED.value, deliveries.c.leased_by == worker)
    tx.execute(sa.update(deliveries).where(leased).values(leased_until=clock + LEASE))
    started = (
        sa.update(deliveries)
        .where(deliveries.c.id.in_(delivery_ids), leased)
        .values(state=DeliveryState.SENDING.value, leased_until=clock + SENDING_LEASE)
    )
    return set(tx.execute(started.returning(deliveries.c.id)).scalars())


def cancel(
    tx: Transaction, subscriber_id: int, reason: str, *, kinds: Collection[MailKind] = tuple(MailKind), now: datetime
) -> None:
    """Fail a subscriber's mails that no worker has started to send, because of `reason`."""
    waiting = sa.and_(
        deliveries.c.subscriber_id == subscriber_id,
        deliveries.c.state.in_((*_WAITING, DeliveryState.LEASED.value)),
        deliveries.c.kind.in_([kind.value for kind in kinds]),
    )
    tx.execute(sa.update(deliveries).where(waiting).values(_failed(reason, now)))


def start_hold(tx: Transaction, reason: str, *, now: datetime) -> None:
    """Stop all workers from sending. An existing hold keeps its reason."""
    tx.execute(backend(tx).insert_or_ignore(holds).values(id=1, held_at=now, reason=reason))


def end_hold(tx: Transaction) -> bool:
    """Let sending go on. Returns True if sending was on hold."""
    return tx.execute(sa.delete(holds)).rowcount > 0


def find_hold(tx: Transaction) -> Hold | None:
    """Return the current hold, or None."""
    row = tx.execute(sa.select(holds)).one_or_none()
    return None if row is None else Hold(row.held_at, row.reason)


def record_results(tx: Transaction, results: Sequence[AttemptResult], *, worker: str, now: datetime) -> None:
    """Record what the server said, and end the leases.

    A sent mail is recorded even if another worker holds its lease by now; other results only while `worker` holds it.
    """
    ended = _NO_LEASE | {"reply": sa.bindparam("new_reply"), "attempts": deliveries.c.attempts + 1}
    this = deliveries.c.id == sa.bindparam("delivery_id")
    sent = [{"delivery_id": r.delivery_id, "new_reply": r.reply} for r in results if r.state is DeliveryState.SENT]
    if sent:
        values = {"state": DeliveryState.SENT.value, "finished_at": now}
        tx.execute(sa.update(deliveries).where(this).values(ended | values), sent)
    others = [
        {
            "delivery_id": r.delivery_id,
            "new_reply": r.reply,
            "new_state": r.state.value,
            "new_next_at": r.next_at,
            "new_finished_at": now if r.state is DeliveryState.FAILED else None,
        }
        for r in results
        if r.state is not DeliveryState.SENT
    ]
    if others:
        next_at = sa.bindparam("new_next_at", type_=deliveries.c.next_at.type)
        values = {
            "state": sa.bindparam("new_state"),
            "next_at": sa.func.coalesce(next_at, deliveries.c.next_at),
            "finished_at": sa.bindparam("new_finished_at"),
        }
        tx.execute(sa.update(deliveries).where(this, _leased_by(worker)).values(ended | values), others)


def release(tx: Transaction, worker: str, *, in_doubt: Collection[int] = ()) -> None:
    """Requeue the worker's deliveries without a result. Those in `in_doubt` are parked for an admin instead."""
    if in_doubt:
        tx.execute(sa.update(deliveries).where(deliveries.c.id.in_(in_doubt), _leased_by(worker)).values(_PARKED))
    tx.execute(sa.update(deliveries).where(_leased_by(worker)).values(_REQUEUED))


def undo_attempts(tx: Transaction, delivery_ids: Collection[int], *, now: datetime) -> dict[int, DeliveryState]:
    """Queue deferred and failed deliveries again as if their last attempt had not been made.

    All get a note that a hold kept them, also those whose result is not recorded yet. Returns the states that they had.
    """
    # Those that were cancelled since stay so.
    refused = sa.and_(deliveries.c.id.in_(delivery_ids), sa.not_(deliveries.c.reply.startswith(NOT_SENT)))
    tried = sa.and_(refused, deliveries.c.state.in_((DeliveryState.DEFERRED.value, DeliveryState.FAILED.value)))
    states = {row.id: DeliveryState(row.state) for row in tx.execute(sa.select(deliveries).where(tried))}
    kept = {"reply": KEPT_BY_HOLD}
    tx.execute(sa.update(deliveries).where(refused, deliveries.c.state != DeliveryState.SENT.value).values(kept))
    values = _REQUEUED | {"attempts": deliveries.c.attempts - 1, "next_at": now, "finished_at": None}
    tx.execute(sa.update(deliveries).where(tried, deliveries.c.attempts > 0).values(values))
    return states


def requeue_cancelled(tx: Transaction, subscriber_id: int, *, since: datetime, now: datetime) -> None:
    """Queue the mails again that were cancelled since a time because their subscriber was suppressed."""
    cancelled = sa.and_(
        deliveries.c.subscriber_id == subscriber_id,
        deliveries.c.state == DeliveryState.FAILED.value,
        deliveries.c.finished_at >= since,
        deliveries.c.reply.startswith(f"{NOT_SENT}suppressed since ", autoescape=True),
    )
    tx.execute(sa.update(deliveries).where(cancelled).values(_REQUEUED | {"next_at": now, "finished_at": None}))


def retry(tx: Transaction, delivery_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Make these deferred and failed deliveries due now, or all of them if none are named. Returns their ids."""
    retried = deliveries.c.state.in_((DeliveryState.DEFERRED.value, DeliveryState.FAILED.value))
    named = deliveries.c.id.in_(delivery_ids) if delivery_ids else sa.true()
    return _requeue(tx, sa.and_(retried, named), now=now)


def resolve_doubt(tx: Transaction, delivery_ids: Sequence[int], *, arrived: bool, now: datetime) -> list[int]:
    """Record that deliveries in doubt arrived, or queue them again. Returns the ids of those that were in doubt."""
    in_doubt = sa.and_(deliveries.c.state == DeliveryState.IN_DOUBT.value, deliveries.c.id.in_(delivery_ids))
    if not arrived:
        return _requeue(tx, in_doubt, now=now)
    sent = sa.update(deliveries).where(in_doubt).values(state=DeliveryState.SENT.value, finished_at=now)
    return list(tx.execute(sent.returning(deliveries.c.id)).scalars())


def resend(tx: Transaction, delivery: Delivery, *, message_id: str, now: datetime) -> int:
    """Queue the digest of a sent mail as a new mail, and return the new delivery's id.

    The digest moves to the new delivery, because each digest belongs to one delivery.
    """
    old = deliveries.c.id == delivery.id
    digest_id = tx.execute(sa.select(deliveries.c.digest_id).where(old)).scalar_one()
    tx.execute(sa.update(deliveries).where(old).values(digest_id=None))
    (new_id,) = reserve_numbers(tx, Counter.DELIVERY_IDS)
    values = {"kind": delivery.kind.value, "subscriber_id": delivery.subscriber.id, "digest_id": digest_id}
    values |= {"id": new_id, "message_id": message_id, "queued_at": now, "next_at": now}
    tx.execute(sa.insert(deliveries).values(values))
    return new_id


def count_due(tx: Transaction, *, now: datetime) -> int:
    """Return how many deliveries may be tried at `now`."""
    due = sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(due)).scalar_one()


def _requeue(tx: Transaction, condition: sa.ColumnElement[bool], *, now: datetime) -> list[int]:
    # The five days of retrying begin again, at a new `queued_at`. Requested mails keep the old one: a mail may be sent
    # despite a suppression only if it was requested after it.
    requested = deliveries.c.kind.in_(_REQUESTED)
    queued = (
        sa.update(deliveries)
        .where(condition)
        .values(
            state=DeliveryState.QUEUED.value,
            queued_at=sa.case((requested, deliveries.c.queued_at), else_=now),
            next_at=now,
            attempts=0,
            finished_at=None,
        )
    )
    return sorted(tx.execute(queued.returning(deliveries.c.id)).scalars())


def _leased_by(worker: str) -> sa.ColumnElement[bool]:
    # `leased_by` alone would do, but the index begins with the state.
    in_progress = sa.or_(*(deliveries.c.state == state for state in _IN_PROGRESS))
    return sa.and_(in_progress, deliveries.c.leased_by == worker)


def _failed(reason: str, now: datetime) -> dict[str, Any]:
    return _NO_LEASE | {"state": DeliveryState.FAILED.value, "reply": f"{NOT_SENT}{reason}", "finished_at": now}


def _due_mail(row: sa.Row[*tuple[Any, ...]]) -> DueMail:
    kind = read_member(MailKind, row.kind, MailKind.DIGEST)
    return DueMail(
        id=row.id,
        kind=kind,
        queued_at=row.queued_at,
        address=row.new_email if kind is MailKind.ADDRESS else row.email,
        subscriber_state=read_member(SubscriberState, row.state, SubscriberState.PAUSED),
        epoch=row.epoch,
    )


def new_worker_name() -> str:
    """Return a name for a run of this process: "host/pid/start/run"."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{next(_RUNS)}"


def is_local(worker: str) -> bool:
    """Return True if `worker` is, or was, a process of this host."""
    return worker.partition("/")[0] == socket.gethostname()


def is_dead(worker: str) -> bool:
    """Return True if `worker` is a process of this host that no longer runs."""
    _, pid, started, *_ = worker.split("/")
    return is_local(worker) and _started(int(pid)) != started


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since boot, or "" if it does not run.

    Without /proc, all running processes seem to have started at 0. A new process with the number of a dead one then
    keeps the dead one's lease until it expires.
    """
    if not _PROC.is_dir():
        try:
            with suppress(PermissionError):  # it runs under another user
                os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        return "0"
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if state == "Z" else rest[18]  # proc(5), fields 3 and 22; a zombie has ended

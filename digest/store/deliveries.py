"""Deliveries as they are stored: one, a subscriber's, and pages of very many. The outbox module changes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError
from digest.models import NOT_SENT, Delivery, DeliveryState, Digest, MailKind, Subscriber
from digest.store import digests, subscribers
from digest.store.database import Transaction
from digest.store.schema import bounces, deliveries, read_member

_MAX_SCANNED = 200_000  # deliveries that are searched for one page


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Selects deliveries by state, by kind and by subscriber ids. None selects all."""

    state: DeliveryState | None = None
    kind: MailKind | None = None
    subscriber_ids: Collection[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """Deliveries, newest first, without their digests. The next page has ids below `before`; 0 if there is none."""

    deliveries: Sequence[Delivery]
    before: int


def list_page(tx: Transaction, wanted: DeliveryFilter, *, before: int = 0, limit: int) -> DeliveryPage:
    """Return the newest deliveries that a filter selects; with `before`, those with a lower id.

    Where no index helps, only some hundred thousand are searched for a page, so it may be short although more follow.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state is DeliveryState.SENT:
        # Nearly all are sent. Written so, the query reads them by id, and does not sort the whole index of states.
        others = [state.value for state in DeliveryState if state is not wanted.state]
        conditions.append(deliveries.c.state.not_in(others))
    elif wanted.state is not None:
        conditions.append(deliveries.c.state == wanted.state.value)
    if wanted.kind is not None:
        conditions.append(deliveries.c.kind == wanted.kind.value)
    if wanted.subscriber_ids is not None:
        conditions.append(deliveries.c.subscriber_id.in_(wanted.subscriber_ids))
    scanned_to = 0
    if conditions and wanted.subscriber_ids is None and wanted.state in {None, DeliveryState.SENT}:
        # No index finds these, since most deliveries are digests, and most were sent.
        last = tx.scalar(sa.select(sa.func.max(deliveries.c.id))) or 0
        scanned_to = max(0, (min(before - 1, last) if before else last) - _MAX_SCANNED)
        conditions.append(deliveries.c.id > scanned_to)
    if before:
        conditions.append(deliveries.c.id < before)
    newest = sa.select(deliveries.c.id).where(*conditions).order_by(deliveries.c.id.desc()).limit(limit + 1)
    ids = tx.scalars(newest).all()
    next_before = ids[limit - 1] if len(ids) > limit else scanned_to + 1 if scanned_to else 0
    return DeliveryPage(deliveries=_list(tx, deliveries.c.id.in_(ids[:limit])), before=next_before)


def last_queued_at(tx: Transaction, subscriber_id: int, kind: MailKind) -> datetime | None:
    """Return when a subscriber's newest mail of a kind was queued, in any state, or None."""
    own = sa.and_(deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == kind.value)
    last: datetime | None = tx.scalar(sa.select(sa.func.max(deliveries.c.queued_at)).where(own))
    return last


def list_newest(
    tx: Transaction, *, state: DeliveryState | None = None, subscriber_id: int | None = None, limit: int = 100
) -> list[Delivery]:
    """Return the newest deliveries, newest first, without their digests: of one state and subscriber, or of all."""
    in_state = sa.true() if state is None else deliveries.c.state == state.value
    own = sa.true() if subscriber_id is None else deliveries.c.subscriber_id == subscriber_id
    return _list(tx, sa.and_(in_state, own), limit=limit)


def find(tx: Transaction, delivery_id: int) -> Delivery | None:
    """Return a delivery without its digest, or None."""
    return next(iter(_list(tx, deliveries.c.id == delivery_id)), None)


def get(tx: Transaction, delivery_id: int) -> Delivery:
    """Return a delivery with its digest. Raises NotFoundError."""
    found = list_with_digests(tx, deliveries.c.id == delivery_id)
    if not found:
        raise NotFoundError("delivery", str(delivery_id), listed_by="digest outbox list")
    return found[0]


def find_sent_at(tx: Transaction, delivery_id: int) -> datetime | None:
    """Return when the mail server accepted a delivery; None if it did not, or that was not recorded."""
    sent = sa.and_(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.SENT.value)
    return tx.scalar(sa.select(deliveries.c.finished_at).where(sent))


def count_handed_over(tx: Transaction, day: date) -> int:
    """Return how many mails the server accepted or refused for good on a date (UTC)."""
    begin = datetime.combine(day, time.min, UTC)
    finished = sa.and_(deliveries.c.finished_at >= begin, deliveries.c.finished_at < begin + timedelta(days=1))
    # The index holds `queued_at`. A mail is given up five days later, unless a hold kept it, and with it those that
    # bounced on that date. The state is not asked for: SQLite might read all mails ever sent, by an index that begins
    # with it. Only those that were sent or failed have finished.
    bounced = sa.select(bounces.c.delivery_id).where(bounces.c.bounced_at >= begin)
    first = tx.scalar(sa.select(sa.func.min(deliveries.c.queued_at)).where(deliveries.c.id.in_(bounced), finished))
    week = begin - timedelta(days=7)
    recent = deliveries.c.queued_at.between(min(first or week, week), begin + timedelta(days=2))
    return _count(tx, sa.and_(recent, finished, sa.not_(deliveries.c.reply.startswith(NOT_SENT))))


def find_finished_at(tx: Transaction, delivery_id: int) -> datetime | None:
    """Return when a delivery was sent or failed; None if it waits, or does not exist."""
    return tx.scalar(sa.select(deliveries.c.finished_at).where(deliveries.c.id == delivery_id))


def list_by_subscriber(tx: Transaction, subscriber_id: int) -> list[Delivery]:
    """Return a subscriber's deliveries with their digests, oldest first."""
    return list_with_digests(tx, deliveries.c.subscriber_id == subscriber_id, deliveries.c.id)


def list_with_papers(tx: Transaction, subscriber_id: int, paper_ids: Collection[str]) -> list[Delivery]:
    """Return a subscriber's deliveries whose digests show or mention one of these papers, with the digests."""
    with_papers = deliveries.c.digest_id.in_(digests.select_with_papers(tx, subscriber_id, paper_ids))
    return list_with_digests(tx, sa.and_(deliveries.c.subscriber_id == subscriber_id, with_papers))


def list_queued(tx: Transaction) -> list[Delivery]:
    """Return the queued deliveries with their digests, oldest first."""
    return list_with_digests(tx, deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.id)


def count_queued_since(tx: Transaction, subscriber_id: int, kind: MailKind, after: datetime) -> int:
    """Return how many mails of a kind were queued for a subscriber after `after`, in any state."""
    own = sa.and_(deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == kind.value)
    return _count(tx, sa.and_(own, deliveries.c.queued_at > after))


def count_in_doubt(tx: Transaction) -> int:
    """Return how many deliveries wait for an admin's decision."""
    return _count(tx, deliveries.c.state == DeliveryState.IN_DOUBT.value)


def list_with_digests(
    tx: Transaction, condition: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]
) -> list[Delivery]:
    """Return the deliveries that fulfil `condition`, with their digests."""
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(*order)).all()
    people = subscribers.find_by_ids(tx, [row.subscriber_id for row in rows])
    message_ids = {row.digest_id: row.message_id for row in rows if row.digest_id is not None}
    found = digests.find_by_row_ids(tx, message_ids, people)
    return [_delivery(row, people[row.subscriber_id], found.get(row.digest_id)) for row in rows]


def _list(tx: Transaction, condition: sa.ColumnElement[bool], *, limit: int | None = None) -> list[Delivery]:
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(deliveries.c.id.desc()).limit(limit)).all()
    people = subscribers.find_by_ids(tx, [row.subscriber_id for row in rows])
    return [_delivery(row, people[row.subscriber_id]) for row in rows]


def _count(tx: Transaction, condition: sa.ColumnElement[bool]) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(condition)).scalar_one()


def _delivery(row: sa.Row[Any], subscriber: Subscriber, digest: Digest | None = None) -> Delivery:
    if row.kind == MailKind.ADDRESS.value and subscriber.new_email:
        # Without the name: its owner could otherwise send any text to people who never asked for mail.
        subscriber = replace(subscriber, email=subscriber.new_email, name="")
    return Delivery(
        id=row.id,
        kind=read_member(MailKind, row.kind, MailKind.DIGEST),
        subscriber=subscriber,
        message_id=row.message_id,
        state=read_member(DeliveryState, row.state, DeliveryState.FAILED),
        attempts=row.attempts,
        queued_at=row.queued_at,
        next_at=row.next_at,
        reply=row.reply,
        digest=digest,
    )

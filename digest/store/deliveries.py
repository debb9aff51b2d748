"""Deliveries as they are written down: one, somebody's, and pages of very many. How they go on is the outbox's."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError
from digest.models import Delivery, DeliveryState, Digest, MailKind, Subscriber
from digest.store import digests, subscribers
from digest.store.database import Transaction
from digest.store.schema import deliveries

_NEAR = 200_000  # deliveries that are gone through for a page


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries: in a state, of a kind, to some subscribers (by id). None is all."""

    state: DeliveryState | None = None
    kind: MailKind | None = None
    subscriber_ids: Collection[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """Deliveries, newest first, without their digests. Older ones are `before` that number; 0 where there are none."""

    deliveries: Sequence[Delivery]
    before: int


def list_page(tx: Transaction, sought: DeliveryFilter, *, before: int = 0, limit: int) -> DeliveryPage:
    """The newest that are sought, of those numbered less than `before` if it is given.

    What has no index is looked for among some hundred thousand: a page may hold few, and older ones all the same.
    """
    beyond = _walked_to(tx, before) if _is_walked(sought) else 0
    these = [*_conditions(sought), deliveries.c.id > beyond]
    if before:
        these.append(deliveries.c.id < before)
    asked = sa.select(deliveries.c.id).where(*these).order_by(deliveries.c.id.desc()).limit(limit + 1)
    ids = list(tx.scalars(asked))
    older = ids[limit - 1] if len(ids) > limit else beyond + 1 if beyond else 0
    return DeliveryPage(deliveries=list_by_ids(tx, ids[:limit]), before=older)


def last_queued_at(tx: Transaction, subscriber_id: int, kind: MailKind) -> datetime | None:
    """When the newest mail of a kind to somebody was queued, whatever became of it, or None."""
    theirs = sa.and_(deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == kind.value)
    last: datetime | None = tx.execute(sa.select(sa.func.max(deliveries.c.queued_at)).where(theirs)).scalar()
    return last


def list_newest(tx: Transaction, *, state: DeliveryState | None = None, limit: int = 100) -> list[Delivery]:
    """The newest deliveries, newest first, without their digests' content."""
    condition = sa.true() if state is None else deliveries.c.state == state.value
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(deliveries.c.id.desc()).limit(limit)).all()
    people = subscribers.find_by_ids(tx, [row.subscriber_id for row in rows])
    return [_delivery(row, people[row.subscriber_id]) for row in rows]


def find(tx: Transaction, delivery_id: int) -> Delivery | None:
    """A delivery without its digest's content, or None."""
    row = tx.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else _delivery(row, subscribers.find_by_ids(tx, [row.subscriber_id])[row.subscriber_id])


def get(tx: Transaction, delivery_id: int) -> Delivery:
    """A delivery with its digest. Raises NotFoundError."""
    found = list_with_digests(tx, deliveries.c.id == delivery_id)
    if not found:
        raise NotFoundError("delivery", str(delivery_id), listed_by="digest outbox list")
    return found[0]


def list_by_ids(tx: Transaction, delivery_ids: Collection[int]) -> list[Delivery]:
    """Some deliveries, newest first, without their digests' content."""
    these = deliveries.c.id.in_(delivery_ids)
    rows = tx.execute(sa.select(deliveries).where(these).order_by(deliveries.c.id.desc())).all()
    people = subscribers.find_by_ids(tx, [row.subscriber_id for row in rows])
    return [_delivery(row, people[row.subscriber_id]) for row in rows]


def find_sent_at(tx: Transaction, delivery_id: int) -> datetime | None:
    """When the mail server took a delivery; None where it has not, or that is not written down."""
    sent = sa.and_(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.SENT.value)
    sent_at: datetime | None = tx.execute(sa.select(deliveries.c.finished_at).where(sent)).scalar_one_or_none()
    return sent_at


def list_by_subscriber(tx: Transaction, subscriber_id: int) -> list[Delivery]:
    """One subscriber's deliveries in the order in which they were queued, with their digests."""
    return list_with_digests(tx, deliveries.c.subscriber_id == subscriber_id, deliveries.c.id)


def list_recent(tx: Transaction, subscriber: Subscriber, *, limit: int) -> list[Delivery]:
    """One subscriber's last deliveries, newest first, without their digests' content."""
    theirs = sa.select(deliveries).where(deliveries.c.subscriber_id == subscriber.id)
    return [_delivery(row, subscriber) for row in tx.execute(theirs.order_by(deliveries.c.id.desc()).limit(limit))]


def list_with_papers(tx: Transaction, subscriber_id: int, paper_ids: Collection[str]) -> list[Delivery]:
    """One subscriber's deliveries whose digests name one of these papers, as they were queued, with their digests."""
    naming = digests.select_with_papers(tx, subscriber_id, paper_ids)
    return list_with_digests(
        tx, sa.and_(deliveries.c.subscriber_id == subscriber_id, deliveries.c.digest_id.in_(naming))
    )


def list_queued(tx: Transaction) -> list[Delivery]:
    """The deliveries that were never tried, oldest first, with their digests."""
    return list_with_digests(tx, deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.id)


def count_queued_since(tx: Transaction, subscriber_id: int, kind: MailKind, after: datetime) -> int:
    """How many mails of a kind were queued for somebody after a moment, whatever became of them."""
    these = sa.and_(
        deliveries.c.subscriber_id == subscriber_id, deliveries.c.kind == kind.value, deliveries.c.queued_at > after
    )
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(these)).scalar_one()


def count_in_doubt(tx: Transaction) -> int:
    """How many deliveries wait for an admin's word."""
    in_doubt = deliveries.c.state == DeliveryState.IN_DOUBT.value
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(in_doubt)).scalar_one()


def list_with_digests(
    tx: Transaction, condition: sa.ColumnElement[bool], *order: sa.ColumnElement[Any]
) -> list[Delivery]:
    """Deliveries of which something holds, in some order, with their digests."""
    rows = tx.execute(sa.select(deliveries).where(condition).order_by(*order)).all()
    people = subscribers.find_by_ids(tx, [row.subscriber_id for row in rows])
    message_ids = {row.digest_id: row.message_id for row in rows if row.digest_id is not None}
    frozen = digests.find_by_row_ids(tx, message_ids, people)
    return [_delivery(row, people[row.subscriber_id], frozen.get(row.digest_id)) for row in rows]


def _is_walked(sought: DeliveryFilter) -> bool:
    """Whether the deliveries are gone through one by one: most are digests, and were sent."""
    found_by_state = sought.state not in {None, DeliveryState.SENT}
    return sought.subscriber_ids is None and not found_by_state and (sought.kind, sought.state) != (None, None)


def _walked_to(tx: Transaction, before: int) -> int:
    """The number down to which they are gone through; 0 for all."""
    last = tx.scalar(sa.select(sa.func.max(deliveries.c.id))) or 0
    return max(0, (min(before, last + 1) if before else last + 1) - 1 - _NEAR)


def _conditions(sought: DeliveryFilter) -> list[sa.ColumnElement[bool]]:
    these: list[sa.ColumnElement[bool]] = []
    if sought.state is DeliveryState.SENT:  # nearly all: in their own order, and not by the index of states
        these.append(deliveries.c.state.not_in([state.value for state in DeliveryState if state is not sought.state]))
    elif sought.state is not None:
        these.append(deliveries.c.state == sought.state.value)
    if sought.kind is not None:
        these.append(deliveries.c.kind == sought.kind.value)
    if sought.subscriber_ids is not None:
        these.append(deliveries.c.subscriber_id.in_(sought.subscriber_ids))
    return these


def _delivery(row: sa.Row[Any], subscriber: Subscriber, digest: Digest | None = None) -> Delivery:
    if row.kind == MailKind.ADDRESS.value and subscriber.new_email:
        # Without the name: whoever chose it could write anything to people who never asked for mail.
        subscriber = replace(subscriber, email=subscriber.new_email, name="")
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

"""Bounces: mails that came back, or were refused by the mail server at once. Addresses are stored as pseudonyms."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Bounce, BounceKind
from digest.store.database import Transaction, backend, batches
from digest.store.schema import bounces, deliveries, read_member


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBounce:
    """A bounce as it is stored."""

    id: int
    pseudonym: str
    kind: BounceKind
    status: str
    reply: str
    bounced_at: datetime
    delivery_id: int | None  # None where the bounce names no delivery, or it was deleted


_COLUMNS = [bounces.c[field.name] for field in fields(StoredBounce)]


def add(
    tx: Transaction, bounce: Bounce, *, pseudonym: str, delivery_id: int | None, fingerprint: str, now: datetime
) -> bool:
    """Store a bounce. Returns False if one with its `fingerprint` is stored already."""
    # The delivery may have been deleted with its subscriber.
    existing_id = sa.select(deliveries.c.id).where(deliveries.c.id == delivery_id).scalar_subquery()
    values = {
        "pseudonym": pseudonym,
        "delivery_id": existing_id,
        "kind": bounce.kind.value,
        "status": bounce.status,
        "reply": bounce.reply,
        "bounced_at": now,
        "fingerprint": fingerprint,
    }
    new = backend(tx).insert_or_ignore(bounces).values(values).returning(bounces.c.id)
    return tx.execute(new).first() is not None


def list_of_deliveries(tx: Transaction, delivery_ids: Collection[int]) -> list[StoredBounce]:
    """Return the bounces of several deliveries, oldest first."""
    return _list(tx, sa.select(*_COLUMNS).where(bounces.c.delivery_id.in_(delivery_ids)).order_by(bounces.c.id))


def list_of_day(tx: Transaction, day: date) -> list[StoredBounce]:
    """Return the bounces of the mails that were handed over on a date (UTC), oldest first.

    A bounce that names no delivery belongs to the date when it came.
    """
    begin = datetime.combine(day, time.min, UTC)
    handed_over_at = sa.func.coalesce(deliveries.c.finished_at, bounces.c.bounced_at)
    rows = (
        sa.select(*_COLUMNS)
        .select_from(bounces.outerjoin(deliveries, deliveries.c.id == bounces.c.delivery_id))
        .where(bounces.c.bounced_at >= begin, handed_over_at >= begin, handed_over_at < begin + timedelta(days=1))
        .order_by(bounces.c.id)
    )
    return _list(tx, rows)


def withdraw(tx: Transaction, bounce_ids: Collection[int]) -> None:
    """Let bounces count no more: they turned out not to be about their readers."""
    counted = bounces.c.kind.in_([BounceKind.HARD.value, BounceKind.SOFT.value])
    for batch in batches(bounce_ids):
        tx.execute(sa.update(bounces).where(bounces.c.id.in_(batch), counted).values(kind=BounceKind.OTHER.value))


def count_soft_days(tx: Transaction, pseudonym: str, *, within: timedelta, now: datetime) -> int:
    """Return on how many dates (UTC), in the time before `now`, mail to an address bounced softly."""
    soft = sa.and_(bounces.c.pseudonym == pseudonym, bounces.c.kind == BounceKind.SOFT.value)
    days = sa.func.count(sa.distinct(sa.func.date(bounces.c.bounced_at)))
    return tx.execute(sa.select(days).where(soft, bounces.c.bounced_at > now - within)).scalar_one()


def list_by_address(tx: Transaction, pseudonym: str) -> list[StoredBounce]:
    """Return the bounces of one address, oldest first."""
    return _list(tx, sa.select(*_COLUMNS).where(bounces.c.pseudonym == pseudonym).order_by(bounces.c.id))


def list_by_delivery(tx: Transaction, delivery_id: int) -> list[StoredBounce]:
    """Return the bounces of one delivery, oldest first."""
    return _list(tx, sa.select(*_COLUMNS).where(bounces.c.delivery_id == delivery_id).order_by(bounces.c.id))


def list_newest(tx: Transaction, *, kind: BounceKind | None = None, before: int = 0, limit: int) -> list[StoredBounce]:
    """Return the newest bounces, newest first: of one kind or of all; with `before`, those with a lower id."""
    conditions = [] if kind is None else [bounces.c.kind == kind.value]
    conditions += [bounces.c.id < before] if before else []
    return _list(tx, sa.select(*_COLUMNS).where(*conditions).order_by(bounces.c.id.desc()).limit(limit))


def delete(tx: Transaction, pseudonym: str, *, kinds: Collection[BounceKind] = tuple(BounceKind)) -> None:
    """Delete the bounces of an address."""
    selected = bounces.c.kind.in_([kind.value for kind in kinds])
    tx.execute(sa.delete(bounces).where(bounces.c.pseudonym == pseudonym, selected))


def _list(tx: Transaction, selected: sa.Select[Any]) -> list[StoredBounce]:
    rows = tx.execute(selected).mappings()
    return [StoredBounce(**{**row, "kind": read_member(BounceKind, row["kind"], BounceKind.OTHER)}) for row in rows]

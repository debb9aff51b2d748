"""Bounces: what came back from an address, and what a mail server said of it at once. Kept as evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Bounce, BounceKind
from digest.store.database import Transaction, backend
from digest.store.schema import bounces, deliveries

_SOFT = bounces.c.kind == BounceKind.SOFT.value


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBounce:
    """A bounce as it is kept: of whom only by a pseudonym."""

    id: int
    pseudonym: str
    kind: BounceKind
    status: str
    reply: str
    bounced_at: datetime
    delivery_id: int | None  # None where no delivery is told, or it is gone


def add(
    tx: Transaction,
    bounce: Bounce,
    *,
    pseudonym: str,
    delivery_id: int | None,
    fingerprint: str,
    now: datetime,
) -> bool:
    """Keep a bounce. False if one with its `fingerprint` is known: it was read before.

    Its delivery may be gone by now, with its subscriber.
    """
    still_there = sa.select(deliveries.c.id).where(deliveries.c.id == delivery_id).scalar_subquery()
    values = {
        "pseudonym": pseudonym,
        "delivery_id": still_there,
        "kind": bounce.kind.value,
        "status": bounce.status,
        "reply": bounce.reply,
        "bounced_at": now,
        "fingerprint": fingerprint,
    }
    new = backend(tx).insert_or_ignore(bounces).values(values).returning(bounces.c.id)
    return tx.execute(new).first() is not None


def count_soft_days(tx: Transaction, pseudonym: str, *, within: timedelta, now: datetime) -> int:
    """On how many dates (UTC) of the time before `now` mail to an address bounced softly."""
    recent = sa.and_(bounces.c.pseudonym == pseudonym, _SOFT, bounces.c.bounced_at > now - within)
    days = sa.func.count(sa.distinct(sa.func.date(bounces.c.bounced_at)))
    return tx.execute(sa.select(days).where(recent)).scalar_one()


def list_by_address(tx: Transaction, pseudonym: str) -> list[dict[str, Any]]:
    """What is kept of one address, oldest first."""
    rows = tx.execute(sa.select(bounces).where(bounces.c.pseudonym == pseudonym).order_by(bounces.c.id))
    return [_shown(row) for row in rows]


def list_by_delivery(tx: Transaction, delivery_id: int) -> list[dict[str, Any]]:
    """What came back of one delivery, oldest first, as `list_of` has it."""
    rows = tx.execute(sa.select(bounces).where(bounces.c.delivery_id == delivery_id).order_by(bounces.c.id))
    return [_shown(row) for row in rows]


def list_newest(
    tx: Transaction, *, kind: BounceKind | None = None, before: int = 0, limit: int
) -> Sequence[StoredBounce]:
    """What came back last, of all addresses, newest first: of a kind, if one is given, and behind `before`, an id."""
    these = [] if kind is None else [bounces.c.kind == kind.value]
    these += [bounces.c.id < before] if before else []
    rows = tx.execute(sa.select(bounces).where(*these).order_by(bounces.c.id.desc()).limit(limit))
    return [_kept(row) for row in rows]


def delete_soft(tx: Transaction, pseudonym: str) -> None:
    """Begin to count anew."""
    tx.execute(sa.delete(bounces).where(bounces.c.pseudonym == pseudonym, _SOFT))


def delete_by_address(tx: Transaction, pseudonym: str) -> None:
    """Keep nothing of an address."""
    tx.execute(sa.delete(bounces).where(bounces.c.pseudonym == pseudonym))


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {"kind": row.kind, "status": row.status, "reply": row.reply, "bounced_at": row.bounced_at}


def _kept(row: sa.Row[Any]) -> StoredBounce:
    return StoredBounce(
        id=row.id,
        pseudonym=row.pseudonym,
        kind=BounceKind(row.kind),
        status=row.status,
        reply=row.reply,
        bounced_at=row.bounced_at,
        delivery_id=row.delivery_id,
    )

"""Suppressions: who must not be mailed. They stand by themselves, under a pseudonym, with or without a subscriber."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from digest.models import Suppression, SuppressionReason
from digest.store.database import Transaction, backend
from digest.store.schema import secrets, suppressions


def find(tx: Transaction, pseudonym: str) -> Suppression | None:
    """What stands against mailing the address of this pseudonym, or None."""
    return find_all(tx, [pseudonym]).get(pseudonym)


def find_all(tx: Transaction, pseudonyms: Collection[str]) -> dict[str, Suppression]:
    """The suppressions among these pseudonyms."""
    rows = tx.execute(sa.select(suppressions).where(suppressions.c.pseudonym.in_(pseudonyms)))
    return {row.pseudonym: _suppression(row) for row in rows}


def list_all(tx: Transaction, *, skip: int = 0, limit: int | None = None) -> list[Suppression]:
    """Suppressions, newest first: all, or some behind the first `skip`."""
    newest = (suppressions.c.suppressed_at.desc(), suppressions.c.pseudonym)
    rows = tx.execute(sa.select(suppressions).order_by(*newest).offset(skip).limit(limit))
    return [_suppression(row) for row in rows]


def has_any(tx: Transaction) -> bool:
    """Whether there is one."""
    return tx.execute(sa.select(suppressions.c.pseudonym).limit(1)).first() is not None


def add(tx: Transaction, new: Suppression) -> Suppression:
    """Suppress, from now on; the one that stands, which is the old one where its reason weighs as much or more."""
    old = find(tx, new.pseudonym)
    if old is not None and old.reason.weight >= new.reason.weight:
        return old
    values = {
        "pseudonym": new.pseudonym,
        "reason": new.reason.value,
        "suppressed_at": new.suppressed_at,
        "evidence": new.evidence,
    }
    tx.execute(backend(tx).upsert(suppressions, values, key=["pseudonym"]))
    return new


def remove(tx: Transaction, pseudonym: str) -> None:
    """They may be mailed again."""
    tx.execute(sa.delete(suppressions).where(suppressions.c.pseudonym == pseudonym))


def list_after(tx: Transaction, pseudonym: str, *, limit: int) -> list[Suppression]:
    """The next `limit` suppressions behind a pseudonym ("": from the beginning), by pseudonym."""
    behind = sa.select(suppressions).where(suppressions.c.pseudonym > pseudonym)
    return [_suppression(row) for row in tx.execute(behind.order_by(suppressions.c.pseudonym).limit(limit))]


def erase_evidence(tx: Transaction, pseudonym: str) -> None:
    """Keep that they are suppressed, and not what was said."""
    tx.execute(sa.update(suppressions).where(suppressions.c.pseudonym == pseudonym).values(evidence=""))


def find_pseudonym_key(tx: Transaction) -> str | None:
    """Which secret the pseudonyms are made with; None before the first."""
    return tx.execute(sa.select(secrets.c.key_id)).scalar_one_or_none()


def store_pseudonym_key(tx: Transaction, key_id: str) -> None:
    """From now on pseudonyms are made with this one."""
    tx.execute(backend(tx).insert_or_ignore(secrets).values(key_id=key_id))


def _suppression(row: sa.Row[Any]) -> Suppression:
    return Suppression(
        pseudonym=row.pseudonym,
        reason=SuppressionReason(row.reason),
        suppressed_at=row.suppressed_at,
        evidence=row.evidence,
    )

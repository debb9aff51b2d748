"""Suppressions: addresses that must not be mailed, as pseudonyms, with or without a subscriber."""

from collections.abc import Collection
from dataclasses import replace

import sqlalchemy as sa

from digest.models import SubscriberState, Suppression, SuppressionReason
from digest.store.database import Counter, Transaction, backend, reserve_numbers
from digest.store.schema import read_member, secrets, suppressions


def find(tx: Transaction, pseudonym: str) -> Suppression | None:
    """Return the suppression of an address, or None."""
    return find_all(tx, [pseudonym]).get(pseudonym)


def find_all(tx: Transaction, pseudonyms: Collection[str]) -> dict[str, Suppression]:
    """Return the suppressions of these addresses, by pseudonym."""
    rows = tx.execute(sa.select(suppressions).where(suppressions.c.pseudonym.in_(pseudonyms)))
    return {row["pseudonym"]: _suppression(row) for row in rows.mappings()}


def list_all(tx: Transaction, *, skip: int = 0, limit: int | None = None) -> list[Suppression]:
    """Return suppressions, newest first, after the first `skip`."""
    newest = (suppressions.c.suppressed_at.desc(), suppressions.c.pseudonym)
    rows = tx.execute(sa.select(suppressions).order_by(*newest).offset(skip).limit(limit))
    return [_suppression(row) for row in rows.mappings()]


def list_after(tx: Transaction, pseudonym: str, *, limit: int) -> list[Suppression]:
    """Return the next `limit` suppressions after a pseudonym ("": from the beginning), by pseudonym."""
    after = sa.select(suppressions).where(suppressions.c.pseudonym > pseudonym)
    return [_suppression(row) for row in tx.execute(after.order_by(suppressions.c.pseudonym).limit(limit)).mappings()]


def has_any(tx: Transaction) -> bool:
    """Return True if at least one address is suppressed."""
    return tx.execute(sa.select(suppressions.c.pseudonym).limit(1)).first() is not None


def add(tx: Transaction, new: Suppression) -> Suppression:
    """Suppress an address, unless it is already for a reason of the same or more weight. Returns what holds now."""
    old = find(tx, new.pseudonym)
    if old is not None and old.reason.weight >= new.reason.weight:
        return old
    if old is not None:
        new = replace(new, subscriber_state=old.subscriber_state)
    values = {
        "pseudonym": new.pseudonym,
        "reason": new.reason.value,
        "suppressed_at": new.suppressed_at,
        "evidence": new.evidence,
        "subscriber_state": new.subscriber_state or "",
    }
    tx.execute(backend(tx).upsert(suppressions, values, key=["pseudonym"]))
    reserve_numbers(tx, Counter.RECIPIENTS_VERSION)
    return new


def remove(tx: Transaction, pseudonym: str) -> None:
    """End the suppression of an address."""
    tx.execute(sa.delete(suppressions).where(suppressions.c.pseudonym == pseudonym))


def erase_evidence(tx: Transaction, pseudonym: str) -> None:
    """Erase what was said when an address was suppressed. It stays suppressed."""
    tx.execute(sa.update(suppressions).where(suppressions.c.pseudonym == pseudonym).values(evidence=""))


def find_pseudonym_key(tx: Transaction) -> str | None:
    """Return the id of the secret that pseudonyms are made with, or None before the first one."""
    return tx.execute(sa.select(secrets.c.key_id)).scalar_one_or_none()


def store_pseudonym_key(tx: Transaction, key_id: str) -> None:
    """Record which secret pseudonyms are made with, unless that is recorded already."""
    tx.execute(backend(tx).insert_or_ignore(secrets).values(key_id=key_id))


def _suppression(row: sa.RowMapping) -> Suppression:
    stored, reason = row["subscriber_state"], read_member(SuppressionReason, row["reason"], SuppressionReason.ADMIN)
    state = read_member(SubscriberState, stored, SubscriberState.PAUSED) if stored else None
    return Suppression(**{**row, "reason": reason, "subscriber_state": state})

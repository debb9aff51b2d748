"""The consent log: what a subscriber agreed to or withdrew, when and from where.

Entries are never changed, except that network addresses are erased from their origins.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from digest.models import Consent, ConsentEvent, Wording
from digest.store.database import Transaction, backend
from digest.store.schema import consents, read_member, wordings


def record(tx: Transaction, entries: Sequence[tuple[int, str, Consent]]) -> None:
    """Add an entry for each (subscriber id, pseudonym, consent). Their wordings have to be stored already."""
    rows = [
        {
            "subscriber_id": subscriber_id,
            "pseudonym": pseudonym,
            "event": consent.event.value,
            "at": consent.at,
            "origin": consent.origin,
            "wording": consent.wording or None,
        }
        for subscriber_id, pseudonym, consent in entries
    ]
    tx.execute(sa.insert(consents), rows)


def last_asked_at(tx: Transaction, pseudonyms: Collection[str]) -> dict[str, datetime]:
    """Return when each of these addresses was last sent a confirmation mail. Those that never were are left out."""
    asked = sa.and_(consents.c.pseudonym.in_(pseudonyms), consents.c.event == ConsentEvent.ASKED.value)
    last = sa.func.max(consents.c.at).label("at")
    rows = tx.execute(sa.select(consents.c.pseudonym, last).where(asked).group_by(consents.c.pseudonym))
    return {row.pseudonym: row.at for row in rows}


def add_wording(tx: Transaction, wording: Wording) -> None:
    """Store what subscribers are asked to agree to, unless it is stored already."""
    values = {"version": wording.version, "language": wording.language, "text": wording.text}
    tx.execute(backend(tx).insert_or_ignore(wordings).values(values))


def find_wording(tx: Transaction, version: str) -> Wording | None:
    """Return the wording of a version, or None."""
    row = tx.execute(sa.select(wordings).where(wordings.c.version == version)).one_or_none()
    return None if row is None else Wording(language=row.language, text=row.text)


def list_by_address(tx: Transaction, pseudonym: str) -> list[Consent]:
    """Return all entries of one address, oldest first."""
    return _list(tx, consents.c.pseudonym == pseudonym)


def find_last(tx: Transaction, subscriber_id: int, event: ConsentEvent) -> Consent | None:
    """Return a subscriber's last entry of a kind, at any address, or None."""
    entries = _list(tx, sa.and_(consents.c.subscriber_id == subscriber_id, consents.c.event == event.value))
    return entries[-1] if entries else None


def list_previous_pseudonyms(tx: Transaction, subscriber_id: int) -> list[str]:
    """Return the pseudonyms of a subscriber's previous addresses."""
    moved = sa.and_(consents.c.subscriber_id == subscriber_id, consents.c.event == ConsentEvent.MOVED.value)
    return list(tx.scalars(sa.select(consents.c.pseudonym).where(moved).distinct()))


def list_at_previous_addresses(tx: Transaction, subscriber_id: int) -> list[Consent]:
    """Return a subscriber's entries at their previous addresses, oldest first. Other subscribers' are left out."""
    previous = consents.c.pseudonym.in_(list_previous_pseudonyms(tx, subscriber_id))
    return _list(tx, sa.and_(consents.c.subscriber_id == subscriber_id, previous))


def list_subscriber_ids(tx: Transaction, pseudonyms: Collection[str]) -> list[int]:
    """Return the ids of the subscribers who have, or had, one of these addresses."""
    ids = sa.select(consents.c.subscriber_id).where(consents.c.pseudonym.in_(pseudonyms))
    return list(tx.scalars(ids.distinct()))


def erase_origins(tx: Transaction, pseudonym: str, subscriber_id: int | None) -> None:
    """Erase network addresses ("page from 192.0.2.7" becomes "page") of an address and of a subscriber."""
    condition = consents.c.pseudonym == pseudonym
    if subscriber_id is not None:
        condition = sa.or_(condition, consents.c.subscriber_id == subscriber_id)
    for row in tx.execute(sa.select(consents.c.id, consents.c.origin).where(condition)).all():
        tx.execute(sa.update(consents).where(consents.c.id == row.id).values(origin=row.origin.partition(" from ")[0]))


def _list(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[Consent]:
    rows = tx.execute(sa.select(consents).where(condition).order_by(consents.c.id))
    return [
        Consent(
            event=read_member(ConsentEvent, row.event, ConsentEvent.ASKED),
            at=row.at,
            origin=row.origin,
            wording=row.wording or "",
        )
        for row in rows
    ]

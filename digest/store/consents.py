"""The consent log: what was agreed to and taken back, when, from where. Nothing in it is ever changed but origins."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.models import Consent, ConsentEvent, Wording
from digest.store.database import Transaction, backend
from digest.store.schema import consents, wordings


def record(tx: Transaction, subscriber_id: int, pseudonym: str, happened: Consent) -> None:
    """Write down what happened. A wording that it names has to be kept already."""
    record_all(tx, [(subscriber_id, pseudonym, happened)])


def record_all(tx: Transaction, happened: Sequence[tuple[int, str, Consent]]) -> None:
    """The same of several (subscriber's id, pseudonym, what happened)."""
    rows = [
        {
            "subscriber_id": subscriber_id,
            "pseudonym": pseudonym,
            "event": consent.event.value,
            "at": consent.at,
            "origin": consent.origin,
            "wording": consent.wording or None,
        }
        for subscriber_id, pseudonym, consent in happened
    ]
    tx.execute(sa.insert(consents), rows)


def last_asked_at(tx: Transaction, pseudonyms: Collection[str]) -> dict[str, datetime]:
    """When each of these addresses was last asked whether it wants the digest, if it was."""
    asked = sa.and_(consents.c.pseudonym.in_(pseudonyms), consents.c.event == ConsentEvent.ASKED.value)
    last = sa.func.max(consents.c.at).label("at")
    rows = tx.execute(sa.select(consents.c.pseudonym, last).where(asked).group_by(consents.c.pseudonym))
    return {row.pseudonym: row.at for row in rows}


def add_wording(tx: Transaction, wording: Wording) -> None:
    """Keep what somebody is asked to agree to."""
    values = {"version": wording.version, "language": wording.language, "text": wording.text}
    tx.execute(backend(tx).insert_or_ignore(wordings).values(values))


def list_by_address(tx: Transaction, pseudonym: str) -> list[Consent]:
    """All that happened with one address, oldest first."""
    rows = tx.execute(sa.select(consents).where(consents.c.pseudonym == pseudonym).order_by(consents.c.id))
    return [_consent(row) for row in rows]


def find_last(tx: Transaction, subscriber_id: int, event: ConsentEvent) -> Consent | None:
    """The last time that something happened with a subscriber, at whatever address, or None."""
    these = sa.and_(consents.c.subscriber_id == subscriber_id, consents.c.event == event.value)
    row = tx.execute(sa.select(consents).where(these).order_by(consents.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _consent(row)


def find_wording(tx: Transaction, version: str) -> Wording | None:
    """The words of a version, or None."""
    row = tx.execute(sa.select(wordings).where(wordings.c.version == version)).one_or_none()
    return None if row is None else Wording(language=row.language, text=row.text)


def list_previous_pseudonyms(tx: Transaction, subscriber_id: int) -> list[str]:
    """The pseudonyms of the addresses that a subscriber had before."""
    these = sa.and_(consents.c.subscriber_id == subscriber_id, consents.c.event == ConsentEvent.MOVED.value)
    return list(tx.execute(sa.select(consents.c.pseudonym).where(these).distinct()).scalars())


def list_subscriber_ids(tx: Transaction, pseudonyms: Collection[str]) -> list[int]:
    """The numbers of those who have, or had, one of these addresses."""
    whose = sa.select(consents.c.subscriber_id).where(consents.c.pseudonym.in_(pseudonyms))
    return list(tx.scalars(whose.distinct()))


def list_at_previous_addresses(tx: Transaction, subscriber_id: int) -> list[Consent]:
    """What happened with a subscriber at those addresses, oldest first; not what others did there since."""
    there = consents.c.pseudonym.in_(list_previous_pseudonyms(tx, subscriber_id))
    theirs = sa.and_(consents.c.subscriber_id == subscriber_id, there)
    return [_consent(row) for row in tx.execute(sa.select(consents).where(theirs).order_by(consents.c.id))]


def erase_origins(tx: Transaction, pseudonym: str, subscriber_id: int | None) -> None:
    """Keep what happened and when, and of where only the way: "page", not the network address.

    That is forgotten of an address, and of a subscriber also at addresses that they had before, or asked for.
    """
    these = consents.c.pseudonym == pseudonym
    if subscriber_id is not None:
        these = sa.or_(these, consents.c.subscriber_id == subscriber_id)
    for row in tx.execute(sa.select(consents.c.id, consents.c.origin).where(these)).all():
        tx.execute(sa.update(consents).where(consents.c.id == row.id).values(origin=row.origin.partition(" from ")[0]))


def _consent(row: sa.Row[Any]) -> Consent:
    return Consent(event=ConsentEvent(row.event), at=row.at, origin=row.origin, wording=row.wording or "")

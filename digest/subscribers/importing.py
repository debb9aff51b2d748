"""Importing subscribers from CSV: what happens to each row, and doing it. A preview decides by the same rules.

Rows are looked up and stored in batches: one at a time, each row would cost a dozen statements.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from digest.models import SubscriberState
from digest.security import addresses
from digest.store import Store, Transaction, consents, subscribers, suppressions
from digest.store.database import batches
from digest.subscribers.fields import CsvRow
from digest.subscribers.membership import Membership, reason_not_to_ask

_TRANSACTION = 1000  # rows, which take a sixth of a second
_MAX_WAIT = 0.25  # seconds that other writers get between two transactions


class RowStatus(StrEnum):
    """What happens to a row."""

    ADDED = "added"
    ASKED = "asked"  # added as pending, with a confirmation mail
    KNOWN = "known"  # a subscriber already, who stays as they are
    DUPLICATE = "duplicate"  # left out: an earlier row has the same address
    SUPPRESSED = "suppressed"  # left out
    BAD = "bad"  # left out

    @property
    def is_new(self) -> bool:
        """True if a subscriber is added."""
        return self in {RowStatus.ADDED, RowStatus.ASKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """A row and what happens to it, with the reason where that is not obvious."""

    row: CsvRow
    fate: RowStatus
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """Return values for JSON."""
        row = {"line": self.row.line, "email": self.row.email, "fate": self.fate.value}
        return row | {"column": self.row.column, "reason": self.reason}


def preview_import(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, now: datetime
) -> Iterator[RowOutcome]:
    """Yield what an import would do to each row. Writes nothing."""
    lines: dict[str, int] = {}
    for batch in batches(rows):
        yield from _decide_batch(tx, membership, batch, lines, now=now)


def import_rows(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, origin: str, now: datetime
) -> Iterator[RowOutcome]:
    """Store new subscribers and queue confirmation mails. Yields each row's outcome once it is written."""
    lines: dict[str, int] = {}
    for batch in batches(rows):
        yield from _import_batch(tx, membership, batch, lines, origin=origin, now=now)


def import_rows_in_batches(
    store: Store, membership: Membership, rows: Iterable[CsvRow], *, origin: str, now: datetime
) -> Generator[list[RowOutcome]]:
    """Import with one transaction for each thousand rows, so that others can write in between.

    If it is stopped half way, the stored rows stay, and a second import adds only the rest.
    """
    lines: dict[str, int] = {}
    for batch in batches(rows, _TRANSACTION):
        with store.write() as tx:
            outcomes = _import_batch(tx, membership, batch, lines, origin=origin, now=now)
        yield outcomes
        store.yield_to_writers(_MAX_WAIT)


def _import_batch(
    tx: Transaction, membership: Membership, rows: list[CsvRow], lines: dict[str, int], *, origin: str, now: datetime
) -> list[RowOutcome]:
    outcomes = _decide_batch(tx, membership, rows, lines, now=now)
    new = [outcome.row.subscriber for outcome in outcomes if outcome.row.subscriber and outcome.fate.is_new]
    membership.add_all(tx, new, origin=origin, now=now)
    return outcomes


def _decide_batch(
    tx: Transaction, membership: Membership, rows: list[CsvRow], lines: dict[str, int], *, now: datetime
) -> list[RowOutcome]:
    """Decide rows. Only the first row with an address counts: `lines` has its line, by address key."""
    pseudonyms = [membership.pseudonyms.of(row.email) if row.subscriber else "" for row in rows]
    known_keys = subscribers.existing_keys(tx, [addresses.key(row.email) for row in rows if row.subscriber])
    suppressed = suppressions.find_all(tx, pseudonyms)
    asked_at = consents.last_asked_at(tx, pseudonyms)
    outcomes = []
    for row, pseudonym in zip(rows, pseudonyms, strict=True):
        key = addresses.key(row.email)
        if row.subscriber is None:
            fate, reason = RowStatus.BAD, row.reason
        elif key in lines:
            fate, reason = RowStatus.DUPLICATE, f"already in line {lines[key]}"
        elif key in known_keys:
            fate, reason = RowStatus.KNOWN, ""
        elif suppression := suppressed.get(pseudonym):
            fate, reason = RowStatus.SUPPRESSED, f"{row.email} is {suppression}; an import cannot lift that"
        elif row.subscriber.state is not SubscriberState.PENDING:
            fate, reason = RowStatus.ADDED, ""
        elif too_soon := reason_not_to_ask(row.email, asked_at.get(pseudonym), now=now):
            fate, reason = RowStatus.BAD, too_soon
        else:
            fate, reason = RowStatus.ASKED, ""
        if row.subscriber is not None:
            lines.setdefault(key, row.line)
        outcomes.append(RowOutcome(row=row, fate=fate, reason=reason))
    return outcomes

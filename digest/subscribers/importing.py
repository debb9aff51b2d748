"""Many subscribers at once: what becomes of each row of a file, and doing it. A rehearsal decides by the same rules.

Rows are looked up and stored by the hundred: one at a time, each would cost a dozen statements.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from digest.models import Subscriber, SubscriberState, Suppression
from digest.security import addresses
from digest.store import Store, Transaction, consents, subscribers, suppressions
from digest.subscribers.fields import CsvRow
from digest.subscribers.membership import Membership, reason_not_to_ask

_TOGETHER = 500
_PIECE = 1000  # rows: a sixth of a second
_LONGEST_WAY = 0.25  # seconds


class RowStatus(StrEnum):
    """What becomes of a row."""

    ADDED = "added"
    ASKED = "asked"  # added too; a mail asks for their yes
    KNOWN = "known"  # a subscriber already, who stays as they are
    SUPPRESSED = "suppressed"  # not to be mailed, so left out
    BAD = "bad"  # left out

    @property
    def is_new(self) -> bool:
        """Whether there is a subscriber more."""
        return self in {RowStatus.ADDED, RowStatus.ASKED}

    @property
    def is_refused(self) -> bool:
        """Whether the row is left out and somebody should know."""
        return self in {RowStatus.SUPPRESSED, RowStatus.BAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutcome:
    """A row, what becomes of it, and why where that is not plain."""

    row: CsvRow
    fate: RowStatus
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """As plain values."""
        row = {"line": self.row.line, "email": self.row.email, "fate": self.fate.value}
        return row | {"column": self.row.column, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAddresses:
    """What is known of some addresses: subscribers by key; what stands against mailing, and the last time asked."""

    keys: Collection[str]
    stands: Mapping[str, Suppression]  # by pseudonym
    asked_at: Mapping[str, datetime]


def decide(row: CsvRow, known: KnownAddresses, pseudonym: str, *, now: datetime) -> RowOutcome:
    """What becomes of a row. `pseudonym` is that of its address."""
    if row.subscriber is None:
        return RowOutcome(row=row, fate=RowStatus.BAD, reason=row.reason)
    if addresses.key(row.email) in known.keys:
        return RowOutcome(row=row, fate=RowStatus.KNOWN)
    if barred := known.stands.get(pseudonym):
        why = f"{row.email} is {barred}; nobody is asked or mailed by an import"
        return RowOutcome(row=row, fate=RowStatus.SUPPRESSED, reason=why)
    if row.subscriber.state is not SubscriberState.PENDING:
        return RowOutcome(row=row, fate=RowStatus.ADDED)
    if why := reason_not_to_ask(row.email, known.asked_at.get(pseudonym), now=now):
        return RowOutcome(row=row, fate=RowStatus.BAD, reason=why)
    return RowOutcome(row=row, fate=RowStatus.ASKED)


def preview_import(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, now: datetime
) -> Iterator[RowOutcome]:
    """What an import would do, in the order of the rows. Writes nothing."""
    for some in _decided(tx, membership, rows, now=now):
        yield from some


def import_rows(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, origin: str, now: datetime
) -> Iterator[RowOutcome]:
    """Store whom these rows add, and queue the mails that ask. Each row's outcome, once it is written down."""
    for some in _decided(tx, membership, rows, now=now):
        _enrol(tx, membership, some, origin=origin, now=now)
        yield from some


def import_rows_in_batches(
    store: Store, membership: Membership, rows: Iterable[CsvRow], *, origin: str, now: datetime
) -> Generator[list[RowOutcome]]:
    """The same, each thousand rows in a transaction of their own: others write in between.

    Where it ends half way what was stored stays; who is stored is known, and done again it adds those who are left.
    """
    first_line: dict[str, int] = {}
    for some in _together(rows, _PIECE):
        with store.write() as tx:
            decided = _decide(tx, membership, some, first_line, now=now)
            _enrol(tx, membership, decided, origin=origin, now=now)
        yield decided
        store.yield_to_writers(_LONGEST_WAY)


def _enrol(
    tx: Transaction, membership: Membership, decided: Iterable[RowOutcome], *, origin: str, now: datetime
) -> None:
    membership.add_all(tx, [new for o in decided if (new := _new(o)) is not None], origin=origin, now=now)


def _new(decided: RowOutcome) -> Subscriber | None:
    return decided.row.subscriber if decided.fate.is_new else None


def _decided(
    tx: Transaction, membership: Membership, rows: Iterable[CsvRow], *, now: datetime
) -> Iterator[list[RowOutcome]]:
    first_line: dict[str, int] = {}
    for some in _together(rows, _TOGETHER):
        yield _decide(tx, membership, some, first_line, now=now)


def _together(rows: Iterable[CsvRow], most: int) -> Iterator[list[CsvRow]]:
    left = iter(rows)
    while some := list(islice(left, most)):
        yield some


def _decide(
    tx: Transaction, membership: Membership, rows: list[CsvRow], first_line: dict[str, int], *, now: datetime
) -> list[RowOutcome]:
    """`first_line`: where everybody stands who is new, of all rows so far."""
    pseudonyms = [membership.pseudonyms.of(row.email) if row.subscriber else "" for row in rows]
    known = _known(tx, rows, pseudonyms)
    decided = [decide(row, known, pseudonym, now=now) for row, pseudonym in zip(rows, pseudonyms, strict=True)]
    return [_first(one, first_line) for one in decided]


def _first(decided: RowOutcome, first_line: dict[str, int]) -> RowOutcome:
    """Of two rows with one address the first counts, whether it is stored by now or only would be."""
    key = addresses.key(decided.row.email)
    if decided.row.subscriber is not None and key in first_line:
        return RowOutcome(row=decided.row, fate=RowStatus.KNOWN, reason=f"stands in line {first_line[key]} already")
    if decided.fate.is_new:
        first_line[key] = decided.row.line
    return decided


def _known(tx: Transaction, rows: Iterable[CsvRow], pseudonyms: Collection[str]) -> KnownAddresses:
    return KnownAddresses(
        keys=subscribers.existing_keys(tx, [addresses.key(row.email) for row in rows if row.subscriber]),
        stands=suppressions.find_all(tx, pseudonyms),
        asked_at=consents.last_asked_at(tx, pseudonyms),
    )

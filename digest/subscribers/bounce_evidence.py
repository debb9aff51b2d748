"""Which bounces are evidence that an address does not work."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from digest.models import BounceKind, SuppressionReason
from digest.store import Transaction, bounces, deliveries
from digest.store.bounces import StoredBounce

SUPPRESS_AT_ONCE = {BounceKind.HARD: SuppressionReason.HARD_BOUNCE, BounceKind.COMPLAINT: SuppressionReason.COMPLAINT}
SOFT_WITHIN = timedelta(days=30)
MAX_SOFT_DATES = 5  # a full mailbox may be emptied, but a week of bounces means that it is not read

_MIN_MAILS = 10  # of fewer, more than half may well be to addresses that do not work
_FAILURES = {BounceKind.HARD, BounceKind.SOFT, BounceKind.OTHER}  # OTHER: about us, or withdrawn


@dataclass(slots=True)
class _Day:
    mails: int  # that were handed over
    bounced: set[str]  # pseudonyms

    @property
    def is_evidence(self) -> bool:
        return self.mails < _MIN_MAILS or 2 * len(self.bounced) <= self.mails


@dataclass(slots=True)
class BouncingDays:
    """How many mails of each date bounced. If more than half of at least ten did, that is not about their readers.

    Used for one run or transaction. Counting reads the mails of a week, so the mails of a date are counted again only
    when more than half of those known seem to have bounced.
    """

    _days: dict[date, _Day] = field(default_factory=dict)

    def add(self, tx: Transaction, day: date, pseudonym: str) -> list[StoredBounce]:
        """Count a bounce that was stored, of a mail of a date (UTC). Returns the bounces to withdraw because of it.

        These are all of a date that turns out to be no evidence, or the new one.
        """
        known = self._days.get(day)
        if known is None or known.mails < _MIN_MAILS:
            return self.review(tx, day)
        if not known.is_evidence:
            return bounces.list_by_address(tx, pseudonym)[-1:]
        known.bounced.add(pseudonym)
        return [] if known.is_evidence else self.review(tx, day)

    def review(self, tx: Transaction, day: date) -> list[StoredBounce]:
        """Count a date (UTC) in the database. Returns its bounces if they are to be withdrawn."""
        stored = bounces.list_of_day(tx, day)
        bounced = {bounce.pseudonym for bounce in stored if bounce.kind in _FAILURES}
        known = self._days[day] = _Day(deliveries.count_handed_over(tx, day) if bounced else 0, bounced)
        return [] if known.is_evidence else stored

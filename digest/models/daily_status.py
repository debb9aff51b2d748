"""The newsletter's numbers of one day, and the most urgent problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.models.mails import DeliveryState, Hold

_SOURCE_SILENT = timedelta(days=4)  # longer than a weekend with a holiday
_OVERDUE = timedelta(hours=1)


class Trouble(StrEnum):
    """A problem that an admin has to solve, the most urgent first."""

    HOLD = "hold"  # nothing is sent
    IN_DOUBT = "in-doubt"  # mails wait for an admin's decision
    OVERDUE = "overdue"  # mails are late: `digest serve` or the mail server may be down
    FAILED = "failed"  # mails were refused permanently
    SOURCES = "sources"  # none could be fetched
    SOURCE = "source"  # one could not be fetched for days


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """The state of one source."""

    name: str
    succeeded_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStatus:
    """The newsletter's numbers of one day."""

    now: datetime
    papers: int  # in today's edition
    digests: int  # with papers, decided today
    deliveries: Mapping[DeliveryState, int]  # queued today, or unfinished
    overdue_since: datetime | None  # since when the oldest due mail waits
    hold: Hold | None
    sources: Sequence[SourceStatus]

    @property
    def trouble(self) -> Trouble | None:
        """The most urgent problem, or None."""
        failing = [source for source in self.sources if source.failure]
        found = {
            Trouble.HOLD: self.hold is not None,
            Trouble.IN_DOUBT: bool(self.deliveries.get(DeliveryState.IN_DOUBT)),
            Trouble.OVERDUE: self.overdue_since is not None and self.now - self.overdue_since > _OVERDUE,
            Trouble.FAILED: bool(self.deliveries.get(DeliveryState.FAILED)),
            Trouble.SOURCES: bool(self.sources) and len(failing) == len(self.sources),
            Trouble.SOURCE: any(
                source.succeeded_at is None or self.now - source.succeeded_at > _SOURCE_SILENT for source in failing
            ),
        }
        return next((trouble for trouble in Trouble if found[trouble]), None)

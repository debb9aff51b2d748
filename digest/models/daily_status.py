"""How the newsletter does today, in numbers, and the one thing to do about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from digest.models.mails import DeliveryState, Hold

_SILENT = timedelta(days=4)  # longer than a weekend with a holiday, when feeds are empty and answer all the same
_OVERDUE = timedelta(hours=1)


class Trouble(StrEnum):
    """What somebody has to do something about, the most urgent first."""

    HOLD = "hold"  # nothing is sent
    IN_DOUBT = "in-doubt"  # mails wait for an admin's word
    OVERDUE = "overdue"  # mails wait that should be gone: is `digest serve` running, is the mail server there?
    FAILED = "failed"  # mails were refused for good
    SOURCES = "sources"  # none could be read
    SOURCE = "source"  # one could not be read for days


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source did."""

    name: str
    succeeded_at: datetime | None
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStatus:
    """The newsletter's day."""

    now: datetime
    papers: int  # of today's edition
    digests: int  # decided today that have papers
    deliveries: Mapping[DeliveryState, int]  # queued today, or not settled
    overdue_since: datetime | None  # of the mail that may be sent and has waited longest
    hold: Hold | None
    sources: Sequence[SourceStatus]

    @property
    def trouble(self) -> Trouble | None:
        """What is to be done first; None where all is well."""
        return next((trouble for trouble in Trouble if self._has(trouble)), None)

    def _has(self, trouble: Trouble) -> bool:
        match trouble:
            case Trouble.HOLD:
                return self.hold is not None
            case Trouble.IN_DOUBT:
                return bool(self.deliveries.get(DeliveryState.IN_DOUBT))
            case Trouble.OVERDUE:
                return self.overdue_since is not None and self.now - self.overdue_since > _OVERDUE
            case Trouble.FAILED:
                return bool(self.deliveries.get(DeliveryState.FAILED))
            case Trouble.SOURCES:
                return bool(self.sources) and all(source.failure for source in self.sources)
            case Trouble.SOURCE:
                return any(source.failure and self._is_silent(source) for source in self.sources)

    def _is_silent(self, source: SourceStatus) -> bool:
        return source.succeeded_at is None or self.now - source.succeeded_at > _SILENT

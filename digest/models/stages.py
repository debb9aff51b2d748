"""The stages that `digest serve` runs regularly, and how their last runs ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_SILENT_INTERVALS = 3
_SILENT = timedelta(hours=1)


class Stage(StrEnum):
    """A part of the daily work that runs by itself."""

    INGEST = "ingest"
    PUBLISH = "publish"
    DELIVER = "deliver"
    BOUNCE = "bounce"


class StageState(StrEnum):
    """Whether a stage does its work."""

    WORKING = "working"
    FAILING = "failing"  # its last run could not do its work
    SILENT = "silent"  # it has shown no sign of life for long: it hangs, or `digest serve` is stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """The last run of a stage, its last success, and its last error."""

    stage: Stage
    started_at: datetime
    active_at: datetime  # the last sign of life: a start, some progress, or an end
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""  # the last error, kept after a success
    failures: int = 0  # runs that failed since the last success

    def state(self, *, interval: timedelta, now: datetime) -> StageState:
        """Return whether the stage does its work, if it should run every `interval`."""
        if self.failures:
            return StageState.FAILING
        if now - self.active_at > max(_SILENT_INTERVALS * interval, _SILENT):
            return StageState.SILENT
        return StageState.WORKING


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStatus:
    """What is known about a stage that should run regularly."""

    record: StageRecord
    state: StageState

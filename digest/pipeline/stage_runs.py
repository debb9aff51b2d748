"""Runs a stage and records how the run ended, for commands, `digest serve` and the admin pages."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from traceback import format_tb
from typing import Protocol, TypeVar

import structlog

from digest.errors import DigestError, StageError, StoreError
from digest.models import Stage, StageRecord, StageStatus
from digest.store import Store, Transaction, outbox, stages

log = structlog.get_logger()

_SIGN_OF_LIFE_SECONDS = 60.0

Progress = Callable[[int], None]


class StageReport(Protocol):
    """What one run of a stage did."""

    @property
    def failure(self) -> str:
        """Why the stage failed, or "" if it succeeded."""


Report = TypeVar("Report", bound=StageReport)


@dataclass(frozen=True, slots=True)
class _Failure:
    at: datetime
    reason: str


@dataclass(slots=True)
class StageRuns:
    """Runs stages and records how each run ended. Safe to share between threads.

    An error that cannot be recorded, as when the disk is full, is kept in memory until the stage's next start.
    """

    _unrecorded: dict[Stage, _Failure] = field(default_factory=dict)

    def run(
        self,
        store: Store,
        stage: Stage,
        work: Callable[[Progress], Report],
        *,
        now: datetime,
        progress: Progress = lambda _: None,
        on_report: Callable[[Report], object] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Run a stage that begins at `now`, and return its report.

        `work` gets a function to call with each step of progress; it calls `progress`. `on_report` gets the report, and
        what it raises is a failure of the stage, too. A run that ends because `stopping` returns True is neither a
        success nor a failure. Raises the DigestError that `work` or `on_report` raises, and StageError for any other
        exception.
        """
        worker, begun = outbox.new_worker_name(), monotonic()

        def clock() -> datetime:
            return now + timedelta(seconds=monotonic() - begun)

        try:
            self._record_start(store, stage, worker=worker, now=now)
            report = work(_with_signs_of_life(store, stage, progress, clock))
            on_report(report)
            if not report.failure:
                record = stages.record_end if stopping() else stages.record_success
                with store.write() as tx:
                    record(tx, stage, worker=worker, now=clock())
        except DigestError as error:
            self._record_failure(store, stage, str(error), worker=worker, now=clock())
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            # Only the places in the code: local variables may be tokens and addresses.
            log.error("internal error", stage=stage.value, reason=reason, stack="".join(format_tb(error.__traceback__)))
            self._record_failure(store, stage, reason, worker=worker, now=clock())
            raise StageError(stage, f"internal error: {reason}") from error
        except BaseException:  # Ctrl-C
            with suppress(StoreError), store.write() as tx:
                stages.record_end(tx, stage, worker=worker, now=clock())
            raise
        if report.failure:
            self._record_failure(store, stage, report.failure, worker=worker, now=clock())
        return report

    def list_statuses(
        self, tx: Transaction, intervals: Mapping[Stage, timedelta], *, now: datetime
    ) -> list[StageStatus]:
        """Return the status of each stage that should run every so often and ran before."""
        records = stages.list_records(tx)
        for stage, failure in self._unrecorded.copy().items():
            record = records.get(stage) or StageRecord(stage=stage, started_at=failure.at, active_at=failure.at)
            records[stage] = replace(
                record, active_at=failure.at, failed_at=failure.at, failure=failure.reason, failures=record.failures + 1
            )
        return [
            StageStatus(record=record, state=record.state(interval=intervals[stage], now=now))
            for stage, record in sorted(records.items(), key=lambda pair: list(Stage).index(pair[0]))
            if stage in intervals
        ]

    def _record_start(self, store: Store, stage: Stage, *, worker: str, now: datetime) -> None:
        unrecorded = self._unrecorded.get(stage)
        with store.write() as tx:
            if unrecorded is not None:
                stages.record_failure(tx, stage, unrecorded.reason, worker="", now=unrecorded.at)
            stages.record_start(tx, stage, worker=worker, now=now)
        self._unrecorded.pop(stage, None)

    def _record_failure(self, store: Store, stage: Stage, reason: str, *, worker: str, now: datetime) -> None:
        try:
            with store.write() as tx:
                stages.record_failure(tx, stage, reason, worker=worker, now=now)
        except Exception:  # noqa: BLE001  (whatever keeps it from being recorded, the failure itself is what matters)
            self._unrecorded[stage] = _Failure(now, reason)


def _with_signs_of_life(store: Store, stage: Stage, progress: Progress, clock: Callable[[], datetime]) -> Progress:
    """Return `progress`, which now and then also records that the stage is at work."""
    recorded_at = monotonic()

    def advance(count: int) -> None:
        nonlocal recorded_at
        progress(count)
        if monotonic() - recorded_at >= _SIGN_OF_LIFE_SECONDS:
            recorded_at = monotonic()
            with suppress(StoreError), store.write() as tx:
                stages.record_progress(tx, stage, now=clock())

    return advance

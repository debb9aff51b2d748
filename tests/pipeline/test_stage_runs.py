"""How the runs of the stages are recorded, and what Today shows of them."""

import errno
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from digest.errors import StageError, StoreError, TransportError
from digest.models import Stage, StageState, StageStatus
from digest.pipeline.ingest import IngestReport
from digest.pipeline.stage_runs import Progress, StageRuns
from digest.store import Store, stages
from tests.builders import NOW

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def status(store: Store, runs: StageRuns, *, now: datetime = NOW) -> StageStatus:
    with store.read() as tx:
        (only,) = runs.list_statuses(tx, {Stage.PUBLISH: MINUTE}, now=now)
    return only


def run(store: Store, runs: StageRuns, work: Callable[[Progress], Any] = lambda _: IngestReport(), **rest: Any) -> Any:
    return runs.run(store, Stage.PUBLISH, work, **({"now": NOW} | rest))


def fails(error: BaseException) -> Callable[[Progress], None]:
    def work(_: Progress) -> None:
        raise error

    return work


def test_a_run_that_succeeds_is_recorded(store: Store) -> None:
    runs = StageRuns()
    assert run(store, runs, lambda _: IngestReport(entries=1)) == IngestReport(entries=1)
    found = status(store, runs)
    assert found.state is StageState.WORKING
    assert found.record.started_at == NOW
    assert found.record.succeeded_at is not None
    assert NOW <= found.record.succeeded_at < NOW + MINUTE
    assert found.record.failed_at is None


@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [
        (TransportError("the server is gone"), TransportError, "the server is gone"),
        (KeyError("x"), StageError, "KeyError: 'x'"),
        (OSError(errno.ENOSPC, "No space left"), StageError, "OSError: [Errno 28] No space left"),
    ],
)
def test_an_error_is_kept_until_and_after_the_next_success(
    store: Store, error: Exception, raised: type[Exception], reason: str
) -> None:
    runs = StageRuns()
    run(store, runs)
    with pytest.raises(raised):
        run(store, runs, fails(error), now=NOW + HOUR)
    found = status(store, runs, now=NOW + HOUR)
    assert found.state is StageState.FAILING
    assert found.record.failure == reason
    assert found.record.succeeded_at is not None
    assert found.record.succeeded_at < NOW + HOUR
    run(store, runs, now=NOW + HOUR + MINUTE)
    found = status(store, runs, now=NOW + HOUR + MINUTE)
    assert found.state is StageState.WORKING
    assert found.record.failure == reason


def test_a_failure_that_is_seen_after_a_clock_was_ahead_ends_with_the_next_success(store: Store) -> None:
    runs = StageRuns()
    with pytest.raises(StageError):
        run(store, runs, fails(KeyError()), now=NOW + timedelta(days=400))
    run(store, runs)
    assert status(store, runs).state is StageState.WORKING


def test_a_report_can_say_that_the_stage_failed(store: Store) -> None:
    runs = StageRuns()
    report = IngestReport(sources=1, failures=(("arxiv", "HTTP 500"),))
    assert run(store, runs, lambda _: report) == report
    assert (status(store, runs).state, status(store, runs).record.failure) == (StageState.FAILING, report.failure)


def test_the_log_has_the_stack_of_an_internal_error(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def broken_function(_: Progress) -> None:
        secret = "".join(["token", "-of-a-reader"])  # a local variable
        raise KeyError(len(secret))

    with pytest.raises(StageError, match="publish: internal error: KeyError: 17"):
        run(store, StageRuns(), broken_function)
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "token-of-a-reader" not in said
    assert "in broken_function" in said
    assert "KeyError: 17" in said


def test_an_error_that_cannot_be_recorded_is_shown_and_recorded_at_the_next_start(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = StageRuns()
    run(store, runs)
    with store.read() as tx, monkeypatch.context() as full:
        full.setattr(Store, "write", lambda _: (_ for _ in ()).throw(StoreError("the disk is full")))
        with pytest.raises(StoreError):
            run(store, runs, now=NOW + HOUR)
        (found,) = runs.list_statuses(tx, {Stage.PUBLISH: MINUTE}, now=NOW + HOUR)
        assert (found.state, found.record.failure) == (StageState.FAILING, "the disk is full")
    run(store, runs, now=NOW + HOUR + MINUTE)
    found = status(store, runs, now=NOW + HOUR + MINUTE)
    assert (found.state, found.record.failure) == (StageState.WORKING, "the disk is full")
    assert found.record.failed_at is not None
    assert found.record.failed_at >= NOW + HOUR


def test_an_error_in_reporting_is_the_stages_failure_even_if_nothing_can_record_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    runs = StageRuns()
    run(store, runs)
    monkeypatch.setattr(stages, "record_failure", broken)
    with pytest.raises(StageError):
        run(store, runs, now=NOW + HOUR, on_report=broken)
    found = status(store, runs, now=NOW + HOUR)
    assert (found.state, found.record.failure) == (StageState.FAILING, "OperationalError: disk I/O error")
    assert found.record.failures == 1


def test_a_process_that_died_during_a_run_has_failed(store: Store) -> None:
    runs = StageRuns()
    run(store, runs)
    script = "from digest.store.outbox import new_worker_name; print(new_worker_name())"
    dead = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    with store.write() as tx:
        stages.record_start(tx, Stage.PUBLISH, worker=dead, now=NOW + MINUTE)
    assert status(store, runs).state is StageState.WORKING

    def work(_: Progress) -> IngestReport:
        assert status(store, runs).state is StageState.FAILING
        assert "the process ended during the run" in status(store, runs).record.failure
        return IngestReport()

    run(store, runs, work, now=NOW + 2 * MINUTE)
    assert status(store, runs).state is StageState.WORKING


def test_ctrl_c_is_no_failure(store: Store) -> None:
    runs = StageRuns()
    with pytest.raises(KeyboardInterrupt):
        run(store, runs, fails(KeyboardInterrupt()))
    run(store, runs)
    assert status(store, runs).record.failed_at is None


def test_a_run_that_was_told_to_stop_is_neither_a_success_nor_a_failure(store: Store) -> None:
    runs = StageRuns()
    run(store, runs)
    before = status(store, runs).record
    run(store, runs, now=NOW + HOUR, stopping=lambda: True)
    record = status(store, runs).record
    assert record.started_at == NOW + HOUR
    assert (record.succeeded_at, record.failed_at) == (before.succeeded_at, None)


@pytest.mark.parametrize(
    ("interval", "after", "state"),
    [
        (MINUTE, timedelta(minutes=59), StageState.WORKING),
        (MINUTE, timedelta(minutes=61), StageState.SILENT),
        (HOUR, timedelta(minutes=179), StageState.WORKING),
        (HOUR, timedelta(minutes=181), StageState.SILENT),
    ],
)
def test_a_stage_that_has_not_run_for_long_is_silent(
    store: Store, interval: timedelta, after: timedelta, state: StageState
) -> None:
    runs = StageRuns()
    run(store, runs)
    with store.read() as tx:
        (found,) = runs.list_statuses(tx, {Stage.PUBLISH: interval}, now=NOW + after)
        assert found.state is state
        assert runs.list_statuses(tx, {}, now=NOW + after) == []  # it is not expected to run


def test_a_long_run_that_makes_progress_is_not_silent(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = StageRuns()
    passed = [0.0]
    monkeypatch.setattr("digest.pipeline.stage_runs.monotonic", lambda: passed[0])
    steps: list[int] = []

    def work(progress: Progress) -> IngestReport:
        passed[0] += 7200
        assert status(store, runs, now=NOW + 2 * HOUR).state is StageState.SILENT
        progress(5)
        assert status(store, runs, now=NOW + 2 * HOUR).state is StageState.WORKING
        return IngestReport()

    run(store, runs, work, progress=steps.append)
    assert steps == [5]

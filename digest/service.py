"""`digest serve`: the web pages, and each stage at its own interval, until SIGTERM, SIGHUP or Ctrl-C.

APScheduler only ticks. What is due is derived from the store each time, so a tick that was missed or comes twice
changes nothing: the next one catches up.
"""

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from types import FrameType

import structlog
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from digest.app import App
from digest.errors import DigestError
from digest.models import Stage
from digest.pipeline.bounces import BounceReport
from digest.pipeline.deliver import DeliveryReport
from digest.pipeline.ingest import IngestReport
from digest.pipeline.publish import PublishReport
from digest.pipeline.stage_runs import Report
from digest.store import subscribers
from digest.web.server import listen, serving, url_of

log = structlog.get_logger()

# The first digests should have the papers that came meanwhile, but a source that hangs delays them no longer than this.
_WAIT_FOR_SOURCES = timedelta(minutes=5)

_STOP_SECONDS = 7.0  # that running stages and responses have to end; systemd and Docker kill after ten or more
_END_SECONDS = 9.0  # after a signal; a server that does not answer, or a locked database, would take a minute


def serve(app: App, *, stop: threading.Event, listener: socket.socket | None = None, inbox: Path | None = None) -> None:
    """Serve the pages and run the stages until `stop` is set, then let running stages finish.

    Listens on `listener`, or else on the configured address. `inbox` is a folder whose mails a page shows. Raises
    DigestError before serving if a template is invalid or the port is in use, and afterwards if the web server failed.
    """
    from digest.web.app import create_app  # noqa: PLC0415  (FastAPI takes long to import, and other commands need none)

    for file, reason in app.composer.slow_templates.items():
        log.warning("template is rendered again for every email", file=file, reason=reason)
    web_server_failed = threading.Event()

    def on_loss() -> None:
        web_server_failed.set()
        stop.set()

    new_mail = threading.Event()
    runner = _DaemonThreads()
    scheduler = _create_scheduler(app, stop, new_mail, runner)

    def deliver_now() -> None:
        new_mail.set()
        _run_now(scheduler, "deliver")

    asgi = create_app(app, changed=deliver_now, ask_sources=lambda: _run_now(scheduler, "ingest"), inbox=inbox)
    listener = listener or listen(app.config.web.host, app.config.web.port)
    with serving(asgi, listener, on_loss=on_loss, trusted=app.config.web.proxies):
        scheduler.start()
        intervals = {job.id: f"every {job.trigger.interval_length / 60:.0f} min" for job in scheduler.get_jobs()}
        log.info("serving", url=url_of(listener), config=str(app.config.file), **intervals)
        stop.wait()
        stops_by = monotonic() + _STOP_SECONDS
        log.info("stopping")
        scheduler.shutdown(wait=False)  # no stage begins any more; those that run are told by `stop`
    for stage in runner.wait(stops_by):
        log.warning("stage did not stop in time", stage=stage)  # what it has not committed is not lost, but not done
    log.info("stopped")
    if web_server_failed.is_set():
        raise DigestError("the web server stopped unexpectedly; the log above says why")


class _DaemonThreads(BaseExecutor):  # type: ignore[misc]
    """Runs each job in a daemon thread: one that hangs does not keep the program from ending, as a pool's would."""

    def __init__(self) -> None:
        super().__init__()
        self._threads: dict[str, threading.Thread] = {}  # the last one of each job

    def wait(self, until: float) -> list[str]:
        """Wait for the jobs that run, until a moment of the monotonic clock. Return the ids of those that still run."""
        for thread in self._threads.values():
            thread.join(max(0.0, until - monotonic()))
        return [job for job, thread in self._threads.items() if thread.is_alive()]

    def _do_submit_job(self, job: Job, run_times: list[datetime]) -> None:
        def run() -> None:
            self._run_job_success(job.id, run_job(job, "default", run_times, self._logger.name))

        thread = threading.Thread(target=run, name=job.id, daemon=True)
        self._threads[job.id] = thread
        thread.start()


def _create_scheduler(
    app: App, stop: threading.Event, new_mail: threading.Event, runner: BaseExecutor
) -> BackgroundScheduler:
    """Return a scheduler that runs each stage now, and then at its interval; publishing once the sources were read."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each tick that finds a stage still running
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": runner},
        # coalesce: a machine that slept catches up with one run. max_instances: a stage never runs twice at once.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    sources_were_read = threading.Event()

    def logs(stage: Stage, details: Callable[[App, Report], None]) -> Callable[[Report], None]:
        return partial(_log_run, app, stage, details)

    def ingest() -> None:
        try:
            app.ingest(now=datetime.now(UTC), on_report=logs(Stage.INGEST, _report_ingest), stopping=stop.is_set)
        finally:
            if not (sources_were_read.is_set() or stop.is_set()):
                sources_were_read.set()
                _run_now(scheduler, Stage.PUBLISH.value)

    def deliver() -> None:
        while True:  # again if mail was queued meanwhile, which the last run may not have seen
            new_mail.clear()
            app.deliver(now=datetime.now(UTC), on_report=logs(Stage.DELIVER, _report_deliver), stopping=stop.is_set)
            if stop.is_set() or not new_mail.is_set():
                return

    def process_inbox() -> None:
        app.process_inbox(now=datetime.now(UTC), on_report=logs(Stage.BOUNCE, _report_inbox), stopping=stop.is_set)

    work: dict[Stage, Callable[[], object]] = {
        Stage.INGEST: ingest,
        Stage.PUBLISH: lambda: app.publish(now=datetime.now(UTC), on_report=logs(Stage.PUBLISH, _report_publish)),
        Stage.DELIVER: deliver,
        Stage.BOUNCE: process_inbox,
    }
    for stage, interval in app.config.stage_intervals.items():
        trigger = IntervalTrigger(seconds=int(interval.total_seconds()))
        first_at = datetime.now(UTC) + (_WAIT_FOR_SOURCES if stage is Stage.PUBLISH else timedelta())
        scheduler.add_job(_run_stage, trigger, (stage, work[stage]), id=stage.value, next_run_time=first_at)
    return scheduler


def _run_now(scheduler: BackgroundScheduler, stage: str) -> None:
    """Run a stage before its next tick. If it is running, it runs again afterwards."""
    with suppress(JobLookupError):  # the scheduler is shut down
        scheduler.modify_job(stage, next_run_time=datetime.now(UTC))


@contextmanager
def stop_on_first_signal() -> Iterator[threading.Event]:
    """Yield an event that the first SIGTERM, SIGHUP or Ctrl-C sets. A second one ends the program at once.

    If the `with` block does not end soon after, the program ends as if it was killed: what was not recorded is done
    again by the next run. Must be called from the main thread.
    """
    stop, ended = threading.Event(), threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:  # nohup: the program goes on when its terminal is closed
        del before[signal.SIGHUP]

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    # Handlers do not run while the main thread is in C code, as when SQLite waits for a lock. A socket is told at once.
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def watch() -> None:
        while number := receiver.recv(1):
            if number[0] in before:
                stop.set()
                if not ended.wait(_END_SECONDS):
                    os.write(2, b"error: did not stop in time; the next run does again what was not recorded\n")
                    os._exit(1)
                return

    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    previous = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        ended.set()
        restore()
        signal.set_wakeup_fd(previous)
        sender.close()
        watcher.join()
        receiver.close()


def _run_stage(stage: Stage, work: Callable[[], object]) -> None:
    """Run a stage and log its error, which the run has recorded. The other stages and its next run are not affected."""
    try:
        work()
    except DigestError as error:
        log.error("stage failed", stage=stage.value, reason=str(error))


def _log_run(app: App, stage: Stage, details: Callable[[App, Report], None], report: Report) -> None:
    """Log what one run of a stage did; `details` logs what only this stage does."""
    if report.failure:
        log.error("stage failed", stage=stage.value, reason=report.failure)
    details(app, report)


def _report_ingest(app: App, report: IngestReport) -> None:
    for source, reason in report.failures:
        log.warning("source failed", source=source, reason=reason)
    log.info("ingested", sources=report.sources, entries=report.entries, papers_new=report.papers_new)
    app.recent_papers.load(now=datetime.now(UTC))


def _report_publish(app: App, report: PublishReport) -> None:
    for owner, reason in report.invalid_rules:
        log.warning("invalid rules", owner=owner, reason=reason)
    numbers = _numbers(app, [email for email, _ in report.empty_reasons])
    for email, reason in report.empty_reasons:
        log.info("no mail", subscriber=numbers.get(email), reason=reason)
    if report.digests:
        log.info("published", digests=report.digests)


def _report_deliver(app: App, report: DeliveryReport) -> None:
    if report.hold is not None and report.waiting:
        hold = report.hold
        log.warning("sending is on hold", since=hold.held_at, reason=hold.reason, waiting=report.waiting)
    if report.in_doubt:
        log.warning("mails are in doubt", count=report.in_doubt)
    numbers = _numbers(app, [email for email, _ in report.refused])
    for email, reply in report.refused:
        log.warning("not delivered", subscriber=numbers.get(email), reply=reply)
    if report.sent:
        log.info("delivered", sent=report.sent)


def _report_inbox(app: App, report: BounceReport) -> None:
    numbers = _numbers(app, [*report.unsubscribed, *(email for email, _ in report.suppressed)])
    for email in report.unsubscribed:
        log.info("unsubscribed by mail", subscriber=numbers.get(email))
    for email, suppression in report.suppressed:
        log.warning("suppressed", subscriber=numbers.get(email), reason=suppression)
    for name, reason in report.failures:
        log.warning("returned mail cannot be read yet", message=name, reason=reason)
    for name, refusal in report.not_counted:
        log.warning("bounce not about a reader", message=name, said=_without_addresses(refusal.reply))
    for name, claim in report.unproven:
        log.warning("bounce without proof", message=name, kind=claim.kind.value, said=_without_addresses(claim.reply))
    if report.read:
        log.info("processed returned mail", messages=report.read)


def _without_addresses(said: str) -> str:
    return re.sub(r"\S*@\S*", "…", said)


def _numbers(app: App, emails: list[str]) -> dict[str, int]:
    """Return the numbers of subscribers: the log names no addresses."""
    with app.store.read() as tx:
        return subscribers.find_ids(tx, emails)

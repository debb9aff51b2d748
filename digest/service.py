"""`digest serve`: the pages, and the three stages, each on its own beat, until SIGTERM.

APScheduler is only a ticker. What is due is derived from the store each time, so a tick that was missed, or that comes
twice, changes nothing: the next one catches up.
"""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from digest.app import App
from digest.errors import DigestError
from digest.web.server import listen, serving, url_of

log = structlog.get_logger()


def serve(
    app: App,
    *,
    stop: threading.Event,
    listener: socket.socket | None = None,
    inbox: Path | None = None,
) -> None:
    """Serve the pages and run the stages until `stop` is set, then let what is under way finish.

    On `listener` where one is given, else where the configuration says. `inbox`: a folder whose mails a page shows.
    Raises DigestError at once where it cannot begin (a template is faulty, the port is taken), and at the end if the
    pages stopped by themselves.
    """
    from digest.web.app import create_app  # noqa: PLC0415  (FastAPI takes long to import, and other commands need none)

    for file, why in app.composer.slow_templates.items():
        log.warning("template is rendered anew for every mail", file=file, reason=why)
    lost = threading.Event()

    def on_loss() -> None:
        lost.set()
        stop.set()

    mail_came = threading.Event()
    scheduler = _scheduler(app, stop, mail_came)
    asgi = create_app(
        app,
        changed=lambda: _hurry(scheduler, mail_came),
        ask_sources=lambda: _ask_now(scheduler),
        inbox=inbox,
    )
    listener = listener or listen(app.config.web.host, app.config.web.port)
    with serving(asgi, listener, on_loss=on_loss):
        scheduler.start()
        beats = {job.id: f"every {job.trigger.interval_length / 60:.0f} min" for job in scheduler.get_jobs()}
        log.info("serving", url=url_of(listener), config=str(app.config.file), **beats)
        stop.wait()
        log.info("stopping")
    scheduler.shutdown(wait=True)
    log.info("stopped")
    if lost.is_set():
        raise DigestError("the pages stopped by themselves; what was logged before says why")


def _scheduler(app: App, stop: threading.Event, mail_came: threading.Event) -> BackgroundScheduler:
    """The stages, each due now and then at its beat."""
    logging.getLogger("apscheduler").setLevel(
        logging.ERROR
    )  # it warns of each beat at which a slow run is not overtaken
    scheduler = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(4)},
        # coalesce: a machine that slept catches up with one run. max_instances: a slow run is not overtaken.
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    beats = app.config.serve
    stages: list[tuple[str, Callable[[], None], int]] = [
        ("ingest", lambda: _ingest(app), beats.ingest_minutes),
        ("publish", lambda: _publish(app), beats.publish_minutes),
        ("deliver", lambda: _deliver_all(app, stop, mail_came), beats.deliver_minutes),
    ]
    if app.config.bounces.has_inbox:
        stages.append(("bounce", lambda: _bounce(app, stop), beats.bounce_minutes))
    for name, stage, minutes in stages:
        first_at = datetime.now(UTC)
        scheduler.add_job(_guarded(name, stage), IntervalTrigger(minutes=minutes), id=name, next_run_time=first_at)
    return scheduler


def _hurry(scheduler: BackgroundScheduler, mail_came: threading.Event) -> None:
    """Deliver now: somebody at a page may wait for a mail. A run that is under way finds it, or another follows."""
    mail_came.set()
    with suppress(JobLookupError):  # the program stops
        scheduler.modify_job("deliver", next_run_time=datetime.now(UTC))


def _ask_now(scheduler: BackgroundScheduler) -> None:
    """Ask the sources now, and not at their next beat. A run that is under way is not overtaken."""
    with suppress(JobLookupError):
        scheduler.modify_job("ingest", next_run_time=datetime.now(UTC))


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM and on Ctrl-C. To be called from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


@contextmanager
def stop_on_first_signal() -> Iterator[threading.Event]:
    """An event that the first SIGTERM or Ctrl-C sets; the second does what it always did. For the main thread."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def first(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        restore()


def _guarded(name: str, stage: Callable[[], None]) -> Callable[[], None]:
    """A stage that fails is logged and tried again at its next beat."""

    def run() -> None:
        try:
            stage()
        except DigestError as error:
            log.error("stage failed", stage=name, reason=str(error))
        except Exception as error:  # noqa: BLE001 the other stages, and this one's next beat, go on
            log.error("stage failed, and should not have", stage=name, reason=f"{type(error).__name__}: {error}")

    return run


def _ingest(app: App) -> None:
    report = app.ingest(now=datetime.now(UTC))
    for source, reason in report.failures:
        log.warning("source failed", source=source, reason=reason)
    log.info("ingested", sources=report.sources, entries=report.entries, papers_new=report.papers_new)
    app.recent_papers.load(now=datetime.now(UTC))


def _publish(app: App) -> None:
    report = app.publish(now=datetime.now(UTC))
    for whose, reason in report.invalid_rules:
        log.warning("rules cannot be read", whose=whose, reason=reason)
    for email, reason in report.empty_reasons:
        log.info("no mail", subscriber=email, reason=reason)
    if report.digests:
        log.info("published", digests=report.digests)


def _deliver_all(app: App, stop: threading.Event, mail_came: threading.Event) -> None:
    """Deliver, and again if mail came meanwhile: a run may have ended before, and sends no digest that is newer."""
    while True:
        mail_came.clear()
        _deliver(app, stop)
        if stop.is_set() or not mail_came.is_set():
            return


def _deliver(app: App, stop: threading.Event) -> None:
    report = app.deliver(now=datetime.now(UTC), stopping=stop.is_set)
    if report.hold is not None and report.waiting:
        log.warning("sending is on hold", since=report.hold.held_at, reason=report.hold.reason, waiting=report.waiting)
    if report.in_doubt:
        log.warning("mails are in doubt", count=report.in_doubt)
    if report.failure:
        log.error("cannot deliver", reason=report.failure)
    for email, reply in report.refused:
        log.warning("not delivered", subscriber=email, reply=reply)
    if report.sent:
        log.info("delivered", sent=report.sent)


def _bounce(app: App, stop: threading.Event) -> None:
    report = app.process_inbox(now=datetime.now(UTC), stopping=stop.is_set)
    for email in report.unsubscribed:
        log.info("unsubscribed by mail", subscriber=email)
    for email, suppression in report.suppressed:
        log.warning("suppressed", subscriber=email, reason=suppression)
    for name, reason in report.unreadable:
        log.error("mail cannot be read", message=name, reason=reason)
    for name, claim in report.unproven:
        log.warning("bounce without proof", message=name, kind=claim.kind.value, said=claim.reply)
    if report.read:
        log.info("read what came back", messages=report.read)

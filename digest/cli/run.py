"""digest run, ingest, publish, deliver, serve: the stages, once or until stopped."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from digest.app import App
from digest.cli.options import ConfigOption, JsonOption, NowOption, moment, open_app
from digest.cli.output import (
    complain,
    described,
    print_json,
    progress,
    say,
    warn,
    warn_of_templates,
    warn_of_unreadable,
)
from digest.errors import DigestError, UsageError
from digest.pipeline.deliver import DeliveryReport
from digest.pipeline.ingest import IngestReport
from digest.pipeline.publish import PublishReport, next_publish_at
from digest.service import serve as serve_until
from digest.service import stop_on_first_signal
from digest.text import listed

Report = TypeVar("Report")

_MAX_NAMED = 3  # addresses with the same reason

EveryoneOption = Annotated[bool, typer.Option("--everyone", help="All active subscribers, due or not.")]


def run(
    everyone: EveryoneOption = False, now: NowOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Ingest, publish and deliver once, for subscribers who are due. A stage that fails does not stop the others."""
    at = moment(now)
    errors: list[DigestError] = []
    with _open_to_send(config) as app:
        ingested = _attempt(lambda: _ingest(app, at), errors)
        published = _attempt(lambda: _publish(app, at, everyone=everyone), errors)
        delivered = _attempt(lambda: _deliver(app, at), errors)
        done: dict[str, dict[str, Any]] = {}
        if ingested:
            done["ingest"] = _ingest_record(ingested)
        if published:
            done["publish"] = _publish_record(published)
        if delivered:
            done["deliver"] = _deliver_record(delivered)
        _report(as_json, done)
        if published and not as_json:
            _tell_next(app, published, at)
    if errors:
        raise typer.Exit(2 if isinstance(errors[0], UsageError) else 1)
    if (ingested and ingested.failure) or (published and published.failures) or (delivered and delivered.failure):
        raise typer.Exit(1)


def ingest(now: NowOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Read the sources and store new papers."""
    with open_app(config) as app:
        report = _ingest(app, moment(now))
    _report(as_json, {"ingest": _ingest_record(report)})
    if report.failure:
        raise typer.Exit(1)


def publish(
    everyone: EveryoneOption = False, now: NowOption = None, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Select papers for subscribers who are due."""
    at = moment(now)
    with open_app(config) as app:
        report = _publish(app, at, everyone=everyone)
        _report(as_json, {"publish": _publish_record(report)})
        if not as_json:
            _tell_next(app, report, at)
    if report.failures:
        raise typer.Exit(1)


def deliver(now: NowOption = None, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Send queued emails."""
    with _open_to_send(config) as app:
        report = _deliver(app, moment(now))
    _report(as_json, {"deliver": _deliver_record(report)})
    if report.failure:
        raise typer.Exit(1)


def serve(config: ConfigOption = None) -> None:
    """Serve the web pages and run the stages regularly, until SIGTERM, SIGHUP or Ctrl-C."""
    with stop_on_first_signal() as stop, _open_to_send(config) as app:
        app.composer.check()
        serve_until(app, stop=stop)


def _attempt(run_stage: Callable[[], Report], errors: list[DigestError]) -> Report | None:
    """Return the report of a stage; or print its error, once for all stages, and return None."""
    try:
        return run_stage()
    except DigestError as error:
        if str(error) not in map(str, errors):
            complain(str(error))
        errors.append(error)
        return None


@contextmanager
def _open_to_send(config: Path | None) -> Iterator[App]:
    """Open the installation. Raises ConfigError, before anything is done, if its emails could not be sent."""
    with open_app(config) as app:
        app.config.check_own_values()
        yield app


def _ingest(app: App, at: datetime) -> IngestReport:
    with progress("reading sources", len(app.config.source)) as advance:
        report = app.ingest(now=at, progress=advance)
    for source, reason in report.failures:
        warn(f"source {source}: {reason}")
    if not app.config.source:
        warn(f"no sources; add a [[source]] to {app.config.file}")
    return report


def _publish(app: App, at: datetime, *, everyone: bool) -> PublishReport:
    with progress("selecting papers") as advance:
        report = app.publish(now=at, everyone=everyone, progress=advance)
    warn_of_unreadable(report.invalid_rules)
    for email, reason in report.failures:
        warn(f"no digest for {email}: {reason}; the log has the details, and the others are not affected")
    without: dict[str, list[str]] = {}
    for email, reason in report.empty_reasons:
        without.setdefault(reason, []).append(email)
    for reason, emails in without.items():
        say(f"no email for {listed(emails, _MAX_NAMED)}: {reason}")
    return report


def _deliver(app: App, at: datetime) -> DeliveryReport:
    with progress("sending") as advance, stop_on_first_signal() as stop:
        report = app.deliver(now=at, progress=advance, stopping=stop.is_set)
    if stop.is_set() and report.waiting:
        report = replace(report, failure="stopped")
    warn_of_templates(app)
    for email, reply in report.refused:
        warn(f"not delivered to {email}: {reply}")
    if report.hold is not None:
        warn(f"{described(report.hold)}; {report.waiting} emails are waiting")
    if report.in_doubt:
        warn(f"{report.in_doubt} emails are in doubt; see `digest outbox list --state in-doubt` and `outbox resolve`")
    if report.failure:
        complain(f"{report.failure}; {report.waiting} emails stay queued; `digest deliver` tries again")
    return report


def _tell_next(app: App, report: PublishReport, at: datetime) -> None:
    if report.digests or report.empty or report.failures:
        return
    next_at = next_publish_at(app.store, now=at)
    say(
        "no digests are due; "
        + (f"the next digest is due at {next_at:%Y-%m-%d %H:%M} UTC" if next_at else "there are no active subscribers")
    )


def _report(as_json: bool, stages: Mapping[str, Mapping[str, Any]]) -> None:
    if as_json:
        print_json(stages)
    else:
        for stage, record in stages.items():
            counts = (f"{value} {key.replace('_', ' ')}" for key, value in record.items() if isinstance(value, int))
            print(f"{stage}: {', '.join(counts)}")


def _ingest_record(report: IngestReport) -> dict[str, Any]:
    return {
        "sources": report.sources,
        "entries": report.entries,
        "papers_new": report.papers_new,
        "failed": len(report.failures),
        "failures": [{"source": source, "reason": reason} for source, reason in report.failures],
    }


def _publish_record(report: PublishReport) -> dict[str, Any]:
    record = {
        "digests": report.digests,
        "empty": report.empty,
        "reasons": [{"email": email, "reason": reason} for email, reason in report.empty_reasons],
    }
    failures = [{"email": email, "reason": reason} for email, reason in report.failures]
    return record | ({"failed": len(failures), "failures": failures} if failures else {})


def _deliver_record(report: DeliveryReport) -> dict[str, Any]:
    return {"sent": report.sent, "deferred": report.deferred, "failed": report.failed}

"""digest bounce: process returned mail."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.cli.options import ConfigOption, JsonOption, moment, open_app
from digest.cli.output import print_json, say, warn
from digest.errors import UsageError
from digest.models import BounceKind
from digest.pipeline.bounces import BounceReport
from digest.transport.inbound import InboundMail
from digest.transport.inbound.files import read_path

_NAMED = 20  # unproven bounces


def bounce(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]…", help="Files, mboxes, Maildirs; without any, the configured mailbox."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Process returned mails and suppress the addresses they prove wrong. A mail that is read twice counts once."""
    now = moment(None)
    missing = [path for path in paths or () if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or folder; nothing was read")
    with open_app(config) as app:
        report = app.process_bounces(_all_of(paths), now=now) if paths else app.process_inbox(now=now)
    _tell(report)
    if as_json:
        print_json({"bounce": _record(report)})
    else:
        print("bounce: " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in _record(report).items()))


def _all_of(paths: list[Path]) -> Iterator[InboundMail]:
    for path in paths:
        yield from read_path(path)


def _tell(report: BounceReport) -> None:
    for email in report.unsubscribed:
        say(f"{email} unsubscribed by mail")
    for email, suppression in report.suppressed:
        say(f"{email} is {suppression}")
    for name, reason in report.unreadable:
        warn(f"{name}: cannot be read, please report it: {reason}")
    for name, claim in report.unproven[:_NAMED]:
        warn(f"{name}: not counted, because it does not prove that it is about our mail: {claim.kind} {claim.reply}")
    if len(report.unproven) > _NAMED:
        warn(f"and {len(report.unproven) - _NAMED} more without proof")


def _record(report: BounceReport) -> dict[str, Any]:
    return {
        "read": report.read,
        **{kind.value.replace("-", "_"): report.kinds[kind] for kind in BounceKind},
        "unreadable": len(report.unreadable),
        "unproven": len(report.unproven),
        "suppressed": len(report.suppressed),
        "unsubscribed": len(report.unsubscribed),
    }

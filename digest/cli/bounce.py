"""digest bounce: process returned mail."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import ConfigOption, JsonOption, moment, open_app
from digest.cli.output import print_json, say, warn
from digest.errors import UsageError
from digest.models import BounceKind
from digest.transport.inbound import read_path

_MAX_NAMED = 20  # unproven bounces


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
        if paths:
            report = app.process_bounces(chain.from_iterable(map(read_path, paths)), now=now)
        else:
            report = app.process_inbox(now=now)
    for email in report.unsubscribed:
        say(f"{email} unsubscribed by mail")
    for email, suppression in report.suppressed:
        say(f"{email} is {suppression}")
    for name, reason in report.unreadable:
        warn(f"{name}: cannot be read; please report this: {reason}")
    for name, claim in report.unproven[:_MAX_NAMED]:
        warn(f"{name}: not counted, because it does not prove that it is about our mail: {claim.kind} {claim.reply}")
    if len(report.unproven) > _MAX_NAMED:
        warn(f"and {len(report.unproven) - _MAX_NAMED} more without proof")
    record = {
        "read": report.read,
        **{kind.value.replace("-", "_"): report.kinds[kind] for kind in BounceKind},
        "unreadable": len(report.unreadable),
        "unproven": len(report.unproven),
        "suppressed": len(report.suppressed),
        "unsubscribed": len(report.unsubscribed),
    }
    if as_json:
        print_json({"bounce": record})
    else:
        print("bounce: " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in record.items()))

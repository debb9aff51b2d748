"""digest bounce: process returned mail; digest suppression …: addresses that must not be mailed, and why."""

from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from digest.admin import subscriber_actions
from digest.cli.options import ConfigOption, EmailArgument, JsonOption, moment, new_group, open_app, signed
from digest.cli.output import print_json, print_records, say, warn
from digest.errors import UsageError
from digest.models import BounceKind
from digest.pipeline.bounces import BounceReport, ClassifiedMail
from digest.security import addresses
from digest.store import subscribers, suppressions
from digest.subscribers.fields import one_line
from digest.transport.inbound import read_path

_MAX_NAMED = 20  # unproven bounces


def bounce(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]…", help="Files, mboxes or Maildirs (by default the configured mailbox)."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what each email is taken for, and record nothing.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Process returned emails and suppress invalid addresses. An email that is read twice counts once."""
    now = moment(None)
    missing = [path for path in paths or () if not path.exists()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or folder; nothing was read")
    messages = chain.from_iterable(map(read_path, paths or ()))
    with open_app(config) as app:
        if dry_run:
            failed: list[tuple[str, str]] = []
            with nullcontext() if paths else app.inbox() as inbox:
                read = messages if inbox is None else inbox.unread()
                mails = app.classify_bounces(read, failed=lambda name, reason: failed.append((name, reason)))
                records = [record for mail in mails for record in _records(mail)]
            print_records(records, as_json=as_json, empty="no emails")
            for name, reason in failed:
                warn(f"{name}: {reason}")
            if failed:
                raise typer.Exit(1)
            return
        report = app.process_bounces(messages, now=now) if paths else app.process_inbox(now=now)
    _tell(report)
    kinds = dict(report.kinds)
    kinds[BounceKind.OTHER] += kinds.pop(BounceKind.UNSUBSCRIBE)  # counted as unsubscribed
    record = {
        "read": report.read,
        **{kind.value.replace("-", "_"): count for kind, count in kinds.items()},
        "unreadable": len(report.unreadable) + len(report.failures),
        "unproven": len(report.unproven),
        "suppressed": len(report.suppressed),
        "unsubscribed": len(report.unsubscribed),
    }
    if as_json:
        print_json({"bounce": record})
    else:
        print("bounce: " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in record.items()))


def _tell(report: BounceReport) -> None:
    for email in report.unsubscribed:
        say(f"{email} unsubscribed by email")
    for email, suppression in report.suppressed:
        say(f"{email} is {suppression}")
    for name, reason in report.unreadable:
        warn(f"{name}: cannot be read; please report this: {reason}")
    for name, reason in report.failures:
        warn(f"{name}: {reason}")
    for name, refusal in report.not_counted[:_MAX_NAMED]:
        warn(f"{name}: not counted, as it is not about the reader: {refusal.reply}")
    for name, claim in report.unproven[:_MAX_NAMED]:
        warn(f"{name}: not counted, as it does not prove that it is about our email: {claim.kind} {claim.reply}")
    if len(report.unproven) > _MAX_NAMED:
        warn(f"and {len(report.unproven) - _MAX_NAMED} more without proof")


def _records(mail: ClassifiedMail) -> list[dict[str, Any]]:
    return [
        {
            "file": mail.name,
            "kind": bounce.kind.value,
            "recipient": bounce.recipient,
            "status": bounce.status,
            "proven": mail.is_proven,
        }
        for bounce in mail.found
    ]


suppression_commands = new_group("Suppressions: addresses that must not get email.")


@suppression_commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List suppressions, newest first. Only addresses of subscribers are shown; the others are pseudonyms."""
    with open_app(config) as app, app.store.read() as tx:
        found = suppressions.list_all(tx)
        names = {app.membership.pseudonyms.of(s.email): s.email for s in subscribers.list_all(tx)} if found else {}
    records = [
        {
            "email": names.get(s.pseudonym, ""),
            "pseudonym": s.pseudonym,
            "reason": s.reason.value,
            "since": s.suppressed_at,
            "evidence": s.evidence,
        }
        for s in found
    ]
    print_records(records, as_json=as_json, empty="no suppressed addresses")


@suppression_commands.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address; it need not be a subscriber's.")],
    why: Annotated[str, typer.Option("--reason", help="Reason (shown to other admins).")] = "",
    config: ConfigOption = None,
) -> None:
    """Suppress an address. Confirming does not lift this; only `digest suppression lift` does."""
    address = addresses.normalize(email)
    with open_app(config) as app, app.store.write() as tx:
        suppression = subscriber_actions.suppress(tx, app.membership, address, one_line(why), **signed())
    say(f"{address} is {suppression}")


@suppression_commands.command()
def lift(email: EmailArgument, config: ConfigOption = None) -> None:
    """Undo `add`. The subscriber has to confirm again; people who had unsubscribed stay unsubscribed."""
    with open_app(config) as app, app.store.write() as tx:
        suppression = subscriber_actions.lift(tx, app.membership, email, **signed())
    say(f"{email} is {suppression}" if suppression else f"{email} can get email again")

"""digest outbox …: list, hold, release, retry, resolve and resend deliveries."""

from collections.abc import Sequence
from typing import Annotated

import typer

from digest.admin import outbox_actions
from digest.cli.options import MAX_NUMBER, ConfigOption, JsonOption, moment, new_group, open_app, signed
from digest.cli.output import described, print_records, say, warn
from digest.errors import UsageError
from digest.models import DeliveryState
from digest.store import deliveries, outbox
from digest.subscribers.fields import one_line

commands = new_group("The outbox: every email and its state.")


@commands.command("list")
def list_(
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_NUMBER, help="Maximum number of deliveries, newest first.")
    ] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the newest deliveries."""
    with open_app(config) as app, app.store.read() as tx:
        found = deliveries.list_newest(tx, state=state, limit=limit)
    records = []
    for delivery in found:
        record = outbox_actions.delivery_record(delivery)
        del record["subscriber_id"]
        records.append({"to" if key == "email" else key: value for key, value in record.items()})
    print_records(records, as_json=as_json, empty="no deliveries")


Ids = Annotated[
    list[int],
    typer.Argument(metavar="ID…", max=MAX_NUMBER, help="Numbers of deliveries, as `digest outbox list` shows them."),
]


@commands.command()
def hold(
    reason: Annotated[str, typer.Option("--reason", help="Reason (shown to other admins).")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop all sending, in every process, until `release`. Emails that are being sent are finished first."""
    with open_app(config) as app, app.store.write() as tx:
        outbox_actions.hold(tx, one_line(reason), **signed())
        held = outbox.find_hold(tx)
    say(described(held) if held else "")


@commands.command()
def release(config: ConfigOption = None) -> None:
    """Resume sending after `hold`."""
    with open_app(config) as app, app.store.write() as tx:
        was_held = outbox_actions.release(tx, **signed())
        waiting = outbox.count_due(tx, now=moment(None))
    say(f"sending resumes; {waiting} emails are waiting" if was_held else "sending was not on hold")


@commands.command()
def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]…", max=MAX_NUMBER, help="Numbers of deliveries, or use --all.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All deferred and failed deliveries.")] = False,
    config: ConfigOption = None,
) -> None:
    """Send deferred and failed emails again at the next `deliver`."""
    if bool(ids) == all_:
        raise UsageError("give numbers of deliveries, or --all")
    with open_app(config) as app, app.store.write() as tx:
        queued = outbox_actions.retry(tx, ids or [], **signed())
    _tell(ids or [], queued, "queued again", "not deferred or failed")


@commands.command()
def resolve(
    ids: Ids,
    arrived: Annotated[
        bool | None,
        typer.Option("--arrived/--again", help="Mark the emails as delivered, or send them again.", show_default=False),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Resolve emails in doubt: a process stopped while sending them, so they may or may not have arrived."""
    if arrived is None:
        raise UsageError("give --arrived if the emails were delivered, or --again to send them again")
    with open_app(config) as app, app.store.write() as tx:
        resolved = outbox_actions.resolve(tx, ids, arrived=arrived, **signed())
    _tell(ids, resolved, "marked as sent" if arrived else "queued again", "not in doubt")


@commands.command()
def resend(ids: Ids, config: ConfigOption = None) -> None:
    """Send digests that never arrived again, each as a new email, at the next `deliver`."""
    queued = 0
    with open_app(config) as app, app.store.write() as tx:
        for number in ids:
            try:
                outbox_actions.resend(tx, app.membership, number, **signed())
                queued += 1
            except UsageError as error:
                warn(f"not sent again: {error}")
    say(f"queued as new emails: {queued}")


def _tell(asked: Sequence[int], done: Sequence[int], what: str, reason: str) -> None:
    others = [number for number in asked if number not in done]
    if others:
        warn(f"unchanged, because {reason}: {', '.join(map(str, others))}")
    say(f"{what}: {len(done)}")

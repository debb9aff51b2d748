"""digest outbox …: deliveries and what became of them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from digest.admin import outbox_actions
from digest.cli.options import ORIGIN, ConfigOption, JsonOption, moment, open_app
from digest.cli.output import described, print_records, say, warn
from digest.errors import UsageError
from digest.models import DeliveryState
from digest.store import deliveries, outbox
from digest.subscribers.fields import one_line

commands = typer.Typer(help="The outbox: every mail that was decided, and what became of it.", no_args_is_help=True)


@commands.command("list")
def list_(
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the newest deliveries."""
    with open_app(config) as app, app.store.read() as tx:
        found = deliveries.list_newest(tx, state=state, limit=limit)
    records = [
        {
            "id": d.id,
            "kind": d.kind.value,
            "to": d.subscriber.email,
            "state": d.state.value,
            "attempts": d.attempts,
            "queued_at": d.queued_at,
            "next_at": d.next_at if d.state is DeliveryState.DEFERRED else None,
            "reply": d.reply,
        }
        for d in found
    ]
    print_records(records, as_json=as_json, empty="no deliveries")


Ids = Annotated[list[int], typer.Argument(metavar="ID…", help="Numbers of deliveries, as `digest outbox list` shows.")]


@commands.command()
def hold(
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever looks at it later.")] = "",
    config: ConfigOption = None,
) -> None:
    """Stop all sending at once, in every process, until `release`. What is decided stays queued."""
    with open_app(config) as app, app.store.write() as tx:
        outbox_actions.hold(tx, one_line(reason), by=ORIGIN, now=moment(None))
        held = outbox.find_hold(tx)
    say(described(held) if held else "")


@commands.command()
def release(config: ConfigOption = None) -> None:
    """Let sending go on after `hold`."""
    with open_app(config) as app, app.store.write() as tx:
        was_held = outbox_actions.release(tx, by=ORIGIN, now=moment(None))
        waiting = outbox.count_due(tx, now=moment(None))
    say(f"sending goes on; {waiting} mails wait" if was_held else "sending was not on hold")


@commands.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]…", help="Which; without any, see --all.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All that were deferred or have failed.")] = False,
    config: ConfigOption = None,
) -> None:
    """Try deferred and failed mails again at the next `deliver`, as if they had just been queued."""
    if bool(ids) == all_:
        raise UsageError("give the numbers of some deliveries, or --all")
    with open_app(config) as app, app.store.write() as tx:
        queued = outbox_actions.retry(tx, ids or [], by=ORIGIN, now=moment(None))
    _tell(ids or [], queued, "queued again", "neither deferred nor failed")


@commands.command()
def resolve(
    ids: Ids,
    arrived: Annotated[
        bool,
        typer.Option("--arrived/--again", help="They arrived, or the same mails are sent again.", show_default=False),
    ],
    config: ConfigOption = None,
) -> None:
    """Decide what became of mails in doubt: handed over when a process died, so that nobody knows."""
    with open_app(config) as app, app.store.write() as tx:
        resolved = outbox_actions.resolve(tx, ids, arrived=arrived, by=ORIGIN, now=moment(None))
    _tell(ids, resolved, "marked as sent" if arrived else "queued again", "not in doubt")


@commands.command()
def resend(ids: Ids, config: ConfigOption = None) -> None:
    """Send digests once more that were sent and never came: each as a mail of its own, at the next `deliver`."""
    queued = 0
    with open_app(config) as app, app.store.write() as tx:
        for number in ids:
            try:
                outbox_actions.resend(tx, app.membership, number, by=ORIGIN, now=moment(None))
                queued += 1
            except UsageError as error:
                warn(f"not sent again: {error}")
    say(f"queued as new mails: {queued}")


def _tell(asked: Sequence[int], done: Sequence[int], what: str, not_sent_because: str) -> None:
    others = [number for number in asked if number not in done]
    if others:
        warn(f"left as they are, being {not_sent_because}: {', '.join(map(str, others))}")
    say(f"{what}: {len(done)}")

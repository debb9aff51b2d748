"""digest outbox …: deliveries and what became of them."""

from typing import Annotated

import typer

from digest.cli.options import ConfigOption, JsonOption, installation
from digest.cli.output import print_records
from digest.models import DeliveryState
from digest.store import outbox

app = typer.Typer(help="The outbox: every mail that was decided, and what became of it.", no_args_is_help=True)


@app.command("list")
def list_(
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the newest deliveries."""
    with installation(config) as here, here.store.read() as tx:
        found = outbox.list_deliveries(tx, state=state, limit=limit)
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

"""digest suppression …: addresses that must not be mailed, and why."""

from typing import Annotated

import typer

from digest.admin import subscriber_actions
from digest.cli.options import ConfigOption, EmailArgument, JsonOption, open_app, signed
from digest.cli.output import print_records, say
from digest.security import addresses
from digest.store import subscribers, suppressions
from digest.subscribers.fields import one_line

commands = typer.Typer(help="Suppressions: addresses that must not be mailed.", no_args_is_help=True)


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List suppressions, newest first. Only subscribers' addresses are known; others have a pseudonym."""
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


@commands.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address, whether a subscriber's or not.")],
    why: Annotated[str, typer.Option("--reason", help="Reason (shown to other admins).")] = "",
    config: ConfigOption = None,
) -> None:
    """Suppress an address. Confirming does not lift this; only `digest suppression lift` does."""
    address = addresses.normalize(email)
    with open_app(config) as app, app.store.write() as tx:
        suppression = subscriber_actions.suppress(tx, app.membership, address, one_line(why), **signed())
    say(f"{address} is {suppression}")


@commands.command()
def lift(email: EmailArgument, config: ConfigOption = None) -> None:
    """Undo `add`. The subscriber has to confirm again; people who had unsubscribed stay unsubscribed."""
    with open_app(config) as app, app.store.write() as tx:
        suppression = subscriber_actions.lift(tx, app.membership, email, **signed())
    say(f"{email} is {suppression}" if suppression else f"{email} may be mailed again")

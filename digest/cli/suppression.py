"""digest suppression …: who must not be mailed, and why."""

from typing import Annotated

import typer

from digest.admin import subscriber_actions
from digest.cli.options import ORIGIN, ConfigOption, EmailArgument, JsonOption, moment, open_app
from digest.cli.output import print_records, say
from digest.security import addresses
from digest.store import subscribers, suppressions
from digest.subscribers.fields import one_line

commands = typer.Typer(
    help="Suppressions: who must not be mailed, whatever else is known of them.", no_args_is_help=True
)


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List them, newest first. Who is no subscriber any more is known by a pseudonym only."""
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
    print_records(records, as_json=as_json, empty="nobody is suppressed")


@commands.command()
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address, of a subscriber or not.")],
    why: Annotated[str, typer.Option("--reason", help="Why, for whoever looks at it later.")] = "",
    config: ConfigOption = None,
) -> None:
    """Never mail an address, whoever says yes for it; `digest suppression lift` takes it back."""
    address = addresses.normalize(email)
    with open_app(config) as app, app.store.write() as tx:
        stands = subscriber_actions.suppress(tx, app.membership, address, one_line(why), by=ORIGIN, now=moment(None))
    say(f"{address} is {stands}")


@commands.command()
def lift(email: EmailArgument, config: ConfigOption = None) -> None:
    """Take back what `add` did. A subscriber has to be confirmed again; who left by themselves stays off the list."""
    with open_app(config) as app, app.store.write() as tx:
        stands = subscriber_actions.lift(tx, app.membership, email, by=ORIGIN, now=moment(None))
    say(f"{email} is {stands}" if stands else f"{email} may be mailed again")

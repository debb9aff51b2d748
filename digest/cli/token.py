"""digest token …: what opens the API."""

from typing import Annotated

import typer

from digest.admin import token_actions
from digest.cli.options import ORIGIN, ConfigOption, JsonOption, moment, open_app
from digest.cli.output import print_records, print_text, say
from digest.models import TokenScope
from digest.store import admins, tokens

commands = typer.Typer(help="Tokens: what opens the API, for programs of yours.", no_args_is_help=True)


@commands.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called, such as the program that gets it.")],
    admin: Annotated[str, typer.Option("--admin", metavar="EMAIL", help="Whose it is: it can do no more than they.")],
    scopes: Annotated[list[TokenScope], typer.Option("--scope", help="What it is good for; may be repeated.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=token_actions.MAX_DAYS, help="How long it lasts.")
    ] = token_actions.DEFAULT_DAYS,
    config: ConfigOption = None,
) -> None:
    """Make a token and print it, once: nobody can look it up again."""
    with open_app(config) as app, app.store.write() as tx:
        owner = admins.get(tx, admin)
        added, token = token_actions.add(tx, owner, name, scopes, days=days, by=ORIGIN, now=moment(None))
    print_text(token)
    say(f"made {added}, good until {added.expires_at:%Y-%m-%d}; it is shown this once")


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List them, without the tokens themselves."""
    with open_app(config) as app, app.store.read() as tx:
        found = tokens.list_all(tx)
    records = [
        {
            "id": t.id,
            "name": t.name,
            "admin": t.owner.email,
            "opens": [scope.value for scope in TokenScope if scope in t.active_scopes],
            "created_at": t.created_at,
            "expires_at": t.expires_at,
        }
        for t in found
    ]
    print_records(records, as_json=as_json, empty="no tokens; `digest token add` makes one")


@commands.command()
def revoke(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its number; `digest token list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Let a token open nothing any more."""
    with open_app(config) as app, app.store.write() as tx:
        gone = token_actions.revoke(tx, number, by=ORIGIN, now=moment(None))
    say(f"revoked {gone}")

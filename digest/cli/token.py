"""digest token …: tokens for the API."""

from typing import Annotated

import typer

from digest.admin import admin_actions
from digest.cli.options import ConfigOption, JsonOption, open_app, signed
from digest.cli.output import print_records, print_text, say
from digest.models import TokenScope
from digest.store import admins

commands = typer.Typer(help="Tokens: access to the API, for your programs.", no_args_is_help=True)


@commands.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as the program that uses it.")],
    admin: Annotated[str, typer.Option("--admin", metavar="EMAIL", help="Its owner. It can do no more than they can.")],
    scopes: Annotated[list[TokenScope], typer.Option("--scope", help="What it gives access to; can be repeated.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=admin_actions.MAX_TOKEN_DAYS, help="How long it is valid.")
    ] = admin_actions.DEFAULT_TOKEN_DAYS,
    config: ConfigOption = None,
) -> None:
    """Make a token and print it. It cannot be shown again."""
    with open_app(config) as app, app.store.write() as tx:
        owner = admins.get(tx, admin)
        added, token = admin_actions.add_token(tx, owner, name, scopes, days=days, **signed())
    print_text(token)
    say(f"made {added}, valid until {added.expires_at:%Y-%m-%d}; it cannot be shown again")


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List tokens, without their secrets."""
    with open_app(config) as app, app.store.read() as tx:
        found = admins.list_tokens(tx)
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
    """Revoke a token."""
    with open_app(config) as app, app.store.write() as tx:
        gone = admin_actions.revoke_token(tx, number, **signed())
    say(f"revoked {gone}")

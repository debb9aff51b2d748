"""digest admin …: who may look after this installation on the web."""

import sys
from typing import Annotated

import typer

from digest.admin import admin_actions
from digest.cli.options import ORIGIN, ConfigOption, JsonOption, moment, open_app
from digest.cli.output import print_records, say
from digest.models import Role
from digest.security import addresses, passwords
from digest.store import admins, audit

commands = typer.Typer(help="Admins: who may look after this installation on the web.", no_args_is_help=True)

AdminArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The admin's address.")]
RoleOption = Annotated[Role, typer.Option("--role", help="admin: everything; editor: keyword profiles only.")]


@commands.command()
def add(email: AdminArgument, role: RoleOption = Role.ADMIN, config: ConfigOption = None) -> None:
    """Add somebody, with a password that is asked for, or read from stdin."""
    address = addresses.normalize(email)
    with open_app(config) as app:
        hashed = passwords.hash_password(_asked_password())
        with app.store.write() as tx:
            admin_actions.add(tx, address, role, hashed, by=ORIGIN, now=moment(None))
        url = app.config.newsletter.base_url
    say(f"added {address} as {role.value}; they sign in at {url}/admin")


@commands.command()
def edit(
    email: AdminArgument,
    role: Annotated[Role | None, typer.Option("--role", help="admin: everything; editor: profiles only.")] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a new password, or read it from stdin.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Change somebody's role or password. Where they are signed in they have to sign in again."""
    with open_app(config) as app:
        hashed = passwords.hash_password(_asked_password()) if password else None
        with app.store.write() as tx:
            after = admin_actions.edit(tx, email, role=role, hashed=hashed, by=ORIGIN, now=moment(None))
    say(f"{after.email} is {after.role.value}{', with a new password' if password else ''}")


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List them."""
    with open_app(config) as app, app.store.read() as tx:
        found = admins.list_all(tx)
    records = [{"email": a.email, "role": a.role.value, "created_at": a.created_at} for a in found]
    print_records(records, as_json=as_json, empty="no admins; `digest admin add` adds one")


@commands.command()
def remove(email: AdminArgument, config: ConfigOption = None) -> None:
    """Remove somebody; where they are signed in, that ends."""
    with open_app(config) as app, app.store.write() as tx:
        gone = admin_actions.remove(tx, email, by=ORIGIN, now=moment(None))
    say(f"removed {gone.email}")


@commands.command()
def log(
    who: Annotated[str, typer.Option(help="Only by these: a part of an address, or 'command line'.")] = "",
    what: Annotated[str, typer.Option(help="Only what begins so, such as 'profile' or 'outbox retry'.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print what admins changed, here, at the desk or by the API: the audit log."""
    with open_app(config) as app, app.store.read() as tx:
        found = audit.list_changes(tx, audit.AuditFilter(who=who, what=what), limit=limit)
    records = [{"at": c.at, "who": c.who, "what": c.what, "subject": c.subject} for c in found]
    empty = "nothing of that kind was changed" if who or what else "nothing was changed"
    print_records(records, as_json=as_json, empty=empty)


def _asked_password() -> str:
    """From the terminal, unseen and twice; else the first line of stdin."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")

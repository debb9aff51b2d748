"""digest admin …: people who can sign in on the web, and the audit log; digest token …: access to the API."""

import sys
from typing import Annotated

import typer

from digest.admin import admin_actions
from digest.cli.options import MAX_NUMBER, ConfigOption, JsonOption, new_group, open_app, signed
from digest.cli.output import print_records, say
from digest.errors import UsageError, reason_unreadable
from digest.models import Role, TokenScope
from digest.security import addresses, passwords
from digest.store import admins, audit

admin_commands = new_group("Admins: people who can sign in on the web, and what they changed.")

AdminArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The admin's address.")]
RoleOption = Annotated[Role, typer.Option("--role", help="admin: everything; editor: only keyword profiles.")]


@admin_commands.command("add")
def add_admin(email: AdminArgument, role: RoleOption = Role.ADMIN, config: ConfigOption = None) -> None:
    """Add an admin. The password is asked for, or read from stdin."""
    address = addresses.normalize(email)
    with open_app(config) as app:
        hashed = passwords.hash_password(_asked_password())
        with app.store.write() as tx:
            admin_actions.add(tx, address, role, hashed, **signed())
        url = app.config.newsletter.base_url
    say(f"added {address} as {role.value}; they sign in at {url}/admin")


@admin_commands.command("edit")
def edit_admin(
    email: AdminArgument,
    role: Annotated[Role | None, typer.Option("--role", help="admin: everything; editor: only profiles.")] = None,
    password: Annotated[
        bool,
        typer.Option(
            "--password", help="Ask for a new password, or read it from stdin. Revokes the admin's API tokens."
        ),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Change an admin's role or password. They have to sign in again, and a new password revokes their API tokens."""
    with open_app(config) as app:
        hashed = passwords.hash_password(_asked_password()) if password else None
        with app.store.write() as tx:
            owned = admins.list_tokens(tx, owner=admins.get(tx, email)) if password else []
            after = admin_actions.edit(tx, email, role=role, hashed=hashed, **signed())
    say(f"{after.email} is {after.role.value}{', with a new password' if password else ''}")
    if owned:
        names = ", ".join(token.name for token in owned)
        say(f"revoked their API tokens: {names}; make new ones with `digest token add`")


@admin_commands.command("list")
def list_admins(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the admins."""
    with open_app(config) as app, app.store.read() as tx:
        found = admins.list_all(tx)
    records = [{"email": a.email, "role": a.role.value, "created_at": a.created_at} for a in found]
    print_records(records, as_json=as_json, empty="no admins; `digest admin add` adds one")


@admin_commands.command("remove")
def remove_admin(email: AdminArgument, config: ConfigOption = None) -> None:
    """Remove an admin and end their sessions."""
    with open_app(config) as app, app.store.write() as tx:
        gone = admin_actions.remove(tx, email, **signed())
    say(f"removed {gone.email}")


@admin_commands.command("log")
def print_log(
    who: Annotated[str, typer.Option(help="Only changes by this admin: part of an address, or 'command line'.")] = "",
    what: Annotated[
        str, typer.Option(help="Only actions that start with this, such as 'profile' or 'outbox retry'.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=MAX_NUMBER, help="Maximum number of lines, newest first.")] = 100,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print the audit log: what was changed by commands, on the web and over the API."""
    with open_app(config) as app, app.store.read() as tx:
        found = audit.list_changes(tx, audit.AuditFilter(who=who, what=what), limit=limit)
    records = [{"at": c.at, "who": c.who, "what": c.what, "subject": c.subject} for c in found]
    empty = "no matching changes" if who or what else "no changes yet"
    print_records(records, as_json=as_json, empty=empty)


def _asked_password() -> str:
    """Ask for a password on the terminal, hidden and twice; otherwise read the first line of stdin."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return sys.stdin.readline().rstrip("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin: the password cannot be read: {reason_unreadable(error)}") from None


token_commands = new_group("Tokens: access to the API, for your programs.")


@token_commands.command("add")
def add_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, for example the program's.")],
    admin: Annotated[
        str, typer.Option("--admin", metavar="EMAIL", help="The owner; the token can do no more than they can.")
    ],
    scopes: Annotated[list[TokenScope], typer.Option("--scope", help="What the token can access; can be repeated.")],
    days: Annotated[
        int, typer.Option("--days", min=1, max=admin_actions.MAX_TOKEN_DAYS, help="Days until it expires.")
    ] = admin_actions.DEFAULT_TOKEN_DAYS,
    config: ConfigOption = None,
) -> None:
    """Create a token and print it. It cannot be shown again."""
    with open_app(config) as app, app.store.write() as tx:
        owner = admins.get(tx, admin)
        added, token = admin_actions.add_token(tx, owner, name, scopes, days=days, **signed())
    print(token)
    say(f"made {added}, valid until {added.expires_at:%Y-%m-%d}; it cannot be shown again")


@token_commands.command("list")
def list_tokens(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List tokens, without their secrets."""
    with open_app(config) as app, app.store.read() as tx:
        found = admins.list_tokens(tx)
    records = [
        {
            "id": t.id,
            "name": t.name,
            "admin": t.owner.email,
            "opens": [scope.value for scope in t.active_scopes],
            "created_at": t.created_at,
            "expires_at": t.expires_at,
        }
        for t in found
    ]
    print_records(records, as_json=as_json, empty="no tokens; `digest token add` creates one")


@token_commands.command("revoke")
def revoke_token(
    number: Annotated[int, typer.Argument(metavar="ID", max=MAX_NUMBER, help="A number from `digest token list`.")],
    config: ConfigOption = None,
) -> None:
    """Revoke a token."""
    with open_app(config) as app, app.store.write() as tx:
        gone = admin_actions.revoke_token(tx, number, **signed())
    say(f"revoked {gone}")

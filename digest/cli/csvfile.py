"""digest subscriber import, export: many subscribers at once, as CSV; and all that is kept about one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from digest import roster
from digest.cli.options import ORIGIN, ConfigOption, ConfirmedOption, JsonOption, installation, moment
from digest.cli.output import print_json, print_records, print_text, progress, say, warn
from digest.disclosure import disclose
from digest.errors import UsageError
from digest.installation import Installation
from digest.store import Transaction, profiles, subscribers

app = typer.Typer()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"Columns: {','.join(roster.COLUMNS)}.")],
    confirmed: ConfirmedOption = False,
    config: ConfigOption = None,
) -> None:
    """Add the subscribers in a CSV file. Who is there already stays as they are; bad rows are named and left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None
    with installation(config) as here:
        try:
            added, known, bad = _import(here, text, confirmed=confirmed)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None
    say(f"added {added}, {known} there already, {bad} bad rows")
    if bad:
        raise typer.Exit(1)


@app.command()
def export(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="Whose; without one, all subscribers as CSV.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print who is on the list as CSV, for `digest subscriber import`; or, as JSON, all that is kept about one."""
    with installation(config) as here, here.store.read() as tx:
        if email is None:
            people = subscribers.list_all(tx)
            on_list = [s for s in people if s.state.is_on_the_list]
            if as_json:
                print_records([roster.record(s) for s in on_list], as_json=True, empty="")
            else:
                print_text(roster.write(on_list).rstrip("\n"))
            if len(on_list) < len(people):
                warn(f"{len(people) - len(on_list)} are left out: they have not confirmed, or must not be mailed")
        else:
            print_json(disclose(tx, here.membership, email))


def _import(here: Installation, text: str, *, confirmed: bool) -> tuple[int, int, int]:
    added = known = bad = 0
    now = moment(None)
    with here.store.write() as tx, progress("importing", text.count("\n")) as advance:
        for row in _rows(here, tx, text, confirmed=confirmed):
            try:
                if row.subscriber is None:
                    raise UsageError(row.reason)
                if subscribers.find(tx, row.subscriber.email) is not None:
                    known += 1
                elif barred := here.membership.find_suppression(tx, row.subscriber.email):
                    raise UsageError(f"{row.subscriber.email} is {barred}; nobody is asked or mailed by an import")
                else:
                    here.membership.enrol(tx, row.subscriber, origin=f"import by {ORIGIN}", now=now)
                    added += 1
            except UsageError as error:
                warn(f"line {row.line}: {error}")
                bad += 1
            advance(1)
    return added, known, bad


def _rows(here: Installation, tx: Transaction, text: str, *, confirmed: bool) -> Iterator[roster.Row]:
    newsletter = here.config.newsletter
    return roster.read(
        text,
        defaults=roster.Defaults(newsletter.timezone, newsletter.language),
        known_profiles={p.name for p in profiles.list_shared(tx)},
        languages=here.templates.languages,
        confirmed=confirmed,
    )

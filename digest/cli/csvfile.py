"""digest subscriber import, export: many subscribers at once, as CSV; and all that is kept about one."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from digest.cli.options import ORIGIN, ConfigOption, ConfirmedOption, JsonOption, installation, moment, why_unreadable
from digest.cli.output import print_json, print_records, print_text, progress, say, warn
from digest.desk.people import enlist_all
from digest.errors import UsageError
from digest.installation import Installation
from digest.people import roster
from digest.people.disclosure import disclose
from digest.people.importing import Fate, Outcome, rehearse
from digest.store import subscribers

app = typer.Typer()


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"Columns: {','.join(roster.COLUMNS)}.")],
    confirmed: ConfirmedOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would become of each row; write nothing.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Add the subscribers in a CSV file. Who is there already stays as they are; bad rows are named and left out.

    The good rows are added all at once at the end, or none of them where something stops it before.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {why_unreadable(error)}") from None
    with installation(config) as here:
        try:
            outcomes = _outcomes(here, text, confirmed=confirmed, dry_run=dry_run)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None
    if dry_run or as_json:
        print_records([o.record() for o in outcomes], as_json=as_json, empty="no rows")
    else:
        for refused in (o for o in outcomes if o.fate.is_refused):
            warn(f"line {refused.row.line}: {refused.reason}")
    counts = Counter(o.fate for o in outcomes)
    added, bad = counts[Fate.ADDED] + counts[Fate.ASKED], counts[Fate.BAD] + counts[Fate.SUPPRESSED]
    rest = f"{counts[Fate.KNOWN]} there already, {bad} bad rows"
    say(f"would add {added}, {rest}; nothing was written" if dry_run else f"added {added}, {rest}")
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


def _outcomes(here: Installation, text: str, *, confirmed: bool, dry_run: bool) -> list[Outcome]:
    now = moment(None)
    outcomes: list[Outcome] = []
    with here.store.read() if dry_run else here.store.write() as tx:
        rows = here.rows_of(tx, text, confirmed=confirmed)
        if dry_run:
            decided = rehearse(tx, here.membership, rows, now=now)
        else:
            decided = enlist_all(tx, here.membership, rows, by=ORIGIN, now=now)
        with progress("checking" if dry_run else "importing", text.count("\n")) as advance:
            for outcome in decided:
                outcomes.append(outcome)
                advance(1)
    return outcomes

"""digest subscriber import, export: many subscribers at once, as CSV; and all that is kept about one."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from digest.admin.subscriber_actions import import_rows
from digest.app import App
from digest.cli.options import ORIGIN, ConfigOption, ConfirmedOption, JsonOption, moment, open_app, why_unreadable
from digest.cli.output import print_json, print_records, print_text, progress, say, warn
from digest.errors import UsageError
from digest.store import subscribers
from digest.subscribers import fields
from digest.subscribers.data_export import export_personal_data
from digest.subscribers.importing import RowOutcome, RowStatus, preview_import

commands = typer.Typer()


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"Columns: {','.join(fields.COLUMNS)}.")],
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
    with open_app(config) as app:
        try:
            outcomes = _outcomes(app, text, confirmed=confirmed, dry_run=dry_run)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from None
    if dry_run or as_json:
        print_records([o.record() for o in outcomes], as_json=as_json, empty="no rows")
    else:
        for refused in (o for o in outcomes if o.fate.is_refused):
            warn(f"line {refused.row.line}: {refused.reason}")
    counts = Counter(o.fate for o in outcomes)
    added, bad = counts[RowStatus.ADDED] + counts[RowStatus.ASKED], counts[RowStatus.BAD] + counts[RowStatus.SUPPRESSED]
    rest = f"{counts[RowStatus.KNOWN]} there already, {bad} bad rows"
    say(f"would add {added}, {rest}; nothing was written" if dry_run else f"added {added}, {rest}")
    if bad:
        raise typer.Exit(1)


@commands.command()
def export(
    email: Annotated[
        str | None, typer.Argument(metavar="[EMAIL]", help="Whose; without one, all subscribers as CSV.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Print who is on the list as CSV, for `digest subscriber import`; or, as JSON, all that is kept about one."""
    with open_app(config) as app, app.store.read() as tx:
        if email is None:
            people = subscribers.list_all(tx)
            on_list = [s for s in people if s.state.is_subscribed]
            if as_json:
                print_records([fields.record(s) for s in on_list], as_json=True, empty="")
            else:
                print_text(fields.to_csv(on_list).rstrip("\n"))
            if len(on_list) < len(people):
                warn(f"{len(people) - len(on_list)} are left out: they have not confirmed, or must not be mailed")
        else:
            print_json(export_personal_data(tx, app.membership, email))


def _outcomes(app: App, text: str, *, confirmed: bool, dry_run: bool) -> list[RowOutcome]:
    now = moment(None)
    outcomes: list[RowOutcome] = []
    with app.store.read() if dry_run else app.store.write() as tx:
        rows = app.read_subscriber_rows(tx, text, confirmed=confirmed)
        if dry_run:
            decided = preview_import(tx, app.membership, rows, now=now)
        else:
            decided = import_rows(tx, app.membership, rows, by=ORIGIN, now=now)
        with progress("checking" if dry_run else "importing", text.count("\n")) as advance:
            for outcome in decided:
                outcomes.append(outcome)
                advance(1)
    return outcomes

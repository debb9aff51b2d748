"""digest db …: the database."""

from pathlib import Path

import typer

from digest.cli.options import ConfigOption
from digest.cli.output import say, warn_of_unreadable
from digest.config import DEFAULT_FILE, load
from digest.pipeline.compiled_profiles import compile_outdated
from digest.store import Store, subscribers

commands = typer.Typer(help="The database.", no_args_is_help=True)


@commands.command()
def upgrade(config: ConfigOption = None) -> None:
    """Bring an older database up to date."""
    file = load(config or Path(DEFAULT_FILE)).database_file
    with Store(file) as store:
        before = store.version()
        store.upgrade()
        say(f"{file}: from {before or 'nothing'} to {store.version()}")
        unreadable = compile_outdated(store)
        with store.read() as tx:
            people = subscribers.find_by_ids(tx, [p.owner_id for p, _ in unreadable if p.owner_id is not None])
    warn_of_unreadable(
        (f"the keywords of {people[p.owner_id].email}" if p.owner_id else f"profile {p.name!r}", str(error))
        for p, error in unreadable
    )

"""digest db …: the database."""

from pathlib import Path

import typer

from digest.cli.options import ConfigOption
from digest.cli.output import say
from digest.config import DEFAULT_FILE, load
from digest.store import Store

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigOption = None) -> None:
    """Bring an older database up to date."""
    file = load(config or Path(DEFAULT_FILE)).database_file
    with Store(file) as store:
        before = store.version()
        store.upgrade()
        say(f"{file}: from {before or 'nothing'} to {store.version()}")

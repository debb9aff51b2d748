"""digest source …: the sources of papers and their last checks."""

import typer

from digest.cli.options import ConfigOption, JsonOption, open_app
from digest.cli.output import print_records
from digest.store import sources

commands = typer.Typer(help="Sources: where papers come from.", no_args_is_help=True)


@commands.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the sources and the result of their last check."""
    with open_app(config) as app, app.store.read() as tx:
        states = sources.list_states(tx)
        records = []
        for source in app.config.source:
            state = states.get(source.name)
            records.append(
                {
                    "name": source.name,
                    "kind": source.kind,
                    "state": "never asked" if state is None else state.failure or "ok",
                    "entries": None if state is None else state.entries,
                    "checked_at": None if state is None else state.checked_at,
                    "succeeded_at": None if state is None else state.succeeded_at,
                    "url": source.url,
                }
            )
    print_records(records, as_json=as_json, empty=f"no sources; add a [[source]] to {app.config.file}")

"""digest subscriber pause, resume: no digests for a while."""

from typing import Annotated

import typer

from digest.cli.options import ORIGIN, ConfigOption, EmailArgument, installation, moment
from digest.cli.output import say
from digest.desk import people
from digest.people.pauses import parse_until
from digest.store import subscribers

app = typer.Typer()


@app.command()
def pause(
    email: EmailArgument,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="When to begin again (2026-06-03); else at `resume`.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Send somebody no digests for a while. The first one afterwards has the best of what they missed."""
    with installation(config) as here, here.store.write() as tx:
        s, now = subscribers.get(tx, email), moment(None)
        people.pause(tx, s, parse_until(until, s.schedule, now), by=ORIGIN, now=now)
    say(f"{email} is paused until {until or 'resumed'}")


@app.command()
def resume(email: EmailArgument, config: ConfigOption = None) -> None:
    """Send somebody digests again."""
    with installation(config) as here, here.store.write() as tx:
        people.resume(tx, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"{email} gets digests again")

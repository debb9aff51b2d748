"""digest subscriber pause, resume: no digests for a while."""

from typing import Annotated

import typer

from digest.admin import subscriber_actions
from digest.cli.options import ORIGIN, ConfigOption, EmailArgument, moment, open_app
from digest.cli.output import say
from digest.store import subscribers
from digest.subscribers.pauses import parse_until

commands = typer.Typer()


@commands.command()
def pause(
    email: EmailArgument,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="When to begin again (2026-06-03); else at `resume`.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Send somebody no digests for a while. The first one afterwards has the best of what they missed."""
    with open_app(config) as app, app.store.write() as tx:
        s, now = subscribers.get(tx, email), moment(None)
        subscriber_actions.pause(tx, s, parse_until(until, s.schedule, now), by=ORIGIN, now=now)
    say(f"{email} is paused until {until or 'resumed'}")


@commands.command()
def resume(email: EmailArgument, config: ConfigOption = None) -> None:
    """Send somebody digests again."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.resume(tx, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"{email} gets digests again")

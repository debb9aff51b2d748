"""digest subscriber confirm, ask, unsubscribe, erase: what somebody agreed to, and takes back."""

import typer

from digest.admin import subscriber_actions
from digest.cli.options import ORIGIN, ConfigOption, EmailArgument, moment, open_app
from digest.cli.output import say
from digest.store import subscribers

commands = typer.Typer()


@commands.command()
def confirm(email: EmailArgument, config: ConfigOption = None) -> None:
    """Record that a subscriber has agreed: they are active from now on."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.confirm_by_admin(tx, app.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"confirmed {email}")


@commands.command()
def ask(email: EmailArgument, config: ConfigOption = None) -> None:
    """Send the mail again that asks whether they agree: once a day at most. Their yes lifts what a bounce barred."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.request_confirmation(
            tx, app.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None)
        )
    say(f"a confirmation mail to {email} is queued, `digest deliver` sends it")


@commands.command()
def unsubscribe(email: EmailArgument, config: ConfigOption = None) -> None:
    """Take somebody off the list at their word. They get a last mail with the way back; nobody else can undo it."""
    with open_app(config) as app, app.store.write() as tx:
        subscriber_actions.unsubscribe(tx, app.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"unsubscribed {email}")


@commands.command()
def erase(email: EmailArgument, config: ConfigOption = None) -> None:
    """Forget somebody at their word. What stays is a number that bars their address, and when they came and left."""
    with open_app(config) as app:
        with app.store.write() as tx:
            subscriber_actions.erase(tx, app.membership, email, by=ORIGIN, now=moment(None))
        app.store.erase_deleted_rows()
    say(f"erased {email}; copies of the database, mails that were sent and logs still know them")

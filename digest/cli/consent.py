"""digest subscriber confirm, ask, unsubscribe, erase: what somebody agreed to, and takes back."""

import typer

from digest.cli.options import ORIGIN, ConfigOption, EmailArgument, installation, moment
from digest.cli.output import say
from digest.desk import people
from digest.store import subscribers

app = typer.Typer()


@app.command()
def confirm(email: EmailArgument, config: ConfigOption = None) -> None:
    """Record that a subscriber has agreed: they are active from now on."""
    with installation(config) as here, here.store.write() as tx:
        people.vouch(tx, here.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"confirmed {email}")


@app.command()
def ask(email: EmailArgument, config: ConfigOption = None) -> None:
    """Send the mail again that asks whether they agree: once a day at most. Their yes lifts what a bounce barred."""
    with installation(config) as here, here.store.write() as tx:
        people.ask(tx, here.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"a confirmation mail to {email} is queued, `digest deliver` sends it")


@app.command()
def unsubscribe(email: EmailArgument, config: ConfigOption = None) -> None:
    """Take somebody off the list at their word. They get a last mail with the way back; nobody else can undo it."""
    with installation(config) as here, here.store.write() as tx:
        people.unsubscribe(tx, here.membership, subscribers.get(tx, email), by=ORIGIN, now=moment(None))
    say(f"unsubscribed {email}")


@app.command()
def erase(email: EmailArgument, config: ConfigOption = None) -> None:
    """Forget somebody at their word. What stays is a number that bars their address, and when they came and left."""
    with installation(config) as here:
        with here.store.write() as tx:
            people.erase(tx, here.membership, email, by=ORIGIN, now=moment(None))
        here.store.empty_log()
    say(f"erased {email}; copies of the database, mails that were sent and logs still know them")

"""digest preview: what a subscriber would get, sent to nobody."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from digest.cli.options import ConfigOption, NowOption, installation, moment
from digest.cli.output import print_text, say
from digest.publish import decide
from digest.store import subscribers


class Format(StrEnum):
    """How a preview is written."""

    HTML = "html"
    TEXT = "text"
    EML = "eml"


def preview(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")],
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the digest that a subscriber would get now. Nothing is sent and nothing is recorded."""
    at = moment(now)
    with installation(config) as here:
        with here.store.read() as tx:
            subscriber = subscribers.get(tx, email)
            (digest,) = decide(tx, [(subscriber, at)], here.publishing, now=at)
        if not digest.items:
            say(f"no mail for {subscriber.email}: {digest.empty_reason}")
            return
        if form is Format.EML:
            sys.stdout.buffer.write(here.composer.digest(digest).content)
            return
        rendered = here.composer.render(digest)
        print_text(rendered.html if form is Format.HTML else rendered.text)

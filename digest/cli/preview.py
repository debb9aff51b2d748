"""digest preview: what a subscriber would get, sent to nobody, or to an address for a look."""

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from digest import addresses
from digest.chooser import Chooser
from digest.cli.options import ConfigOption, NowOption, installation, moment
from digest.cli.output import described, print_text, say, warn_of_templates, warn_of_unreadable
from digest.desk import testmail
from digest.errors import UsageError
from digest.installation import Installation
from digest.models import Delivery, Digest, MailKind, Suppression
from digest.store import digests, subscribers


class Format(StrEnum):
    """How a preview is written."""

    HTML = "html"
    TEXT = "text"
    EML = "eml"


def preview(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")],
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    kind: Annotated[MailKind, typer.Option("--kind", help="Which mail.")] = MailKind.DIGEST,
    send_to: Annotated[
        str | None, typer.Option("--send-to", metavar="ADDRESS", help="Mail it there; its links open nothing.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The last digest they got, or that is queued for them.")] = False,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the digest (or another mail) that a subscriber would get now. Nothing is recorded."""
    if last and kind is not MailKind.DIGEST:
        raise UsageError("--last shows a digest; leave out --kind, or --last")
    with installation(config) as here:
        mail = _last(here, email, moment(now)) if last else _mail(here, email, kind, moment(now))
        if mail.kind is MailKind.DIGEST and mail.digest is not None and not mail.digest.items:
            say(f"no mail for {email}: {mail.digest.empty_reason} (--last shows the one before)")
        elif send_to is not None:
            _send(here, testmail.to_nobody(mail, _may_be_mailed(here, addresses.checked(send_to))))
        elif form is Format.EML:
            sys.stdout.buffer.write(here.composer.message(mail).content)
        else:
            rendered = here.composer.render(mail)
            print_text(rendered.readable_html if form is Format.HTML else rendered.readable_text)
        warn_of_templates(here)


def _mail(here: Installation, email: str, kind: MailKind, at: datetime) -> Delivery:
    """The mail as the outbox would hold it."""
    publishing = here.publishing.of_welcome if kind is MailKind.WELCOME else here.publishing
    digest: Digest | None = None
    with here.store.read() as tx:
        subscriber = subscribers.get(tx, email)
        if kind in {MailKind.DIGEST, MailKind.WELCOME}:
            chooser = Chooser(here.interests, publishing, now=at)
            (digest,) = chooser.decide(tx, [(subscriber, at)])
            warn_of_unreadable(chooser.unreadable.items())
    named = digest.message_id if digest else ""
    return testmail.delivery(kind, subscriber, digest, domain=here.domain, now=at, named=named)


def _last(here: Installation, email: str, at: datetime) -> Delivery:
    """The subscriber's newest digest, as it was frozen."""
    with here.store.read() as tx:
        subscriber = subscribers.get(tx, email)
        digest = digests.find_last(tx, subscriber.id)
    if digest is None:
        raise UsageError(f"{email} has had no digest yet; `digest preview {email} --kind welcome` shows a first one")
    return testmail.delivery(MailKind.DIGEST, subscriber, digest, domain=here.domain, now=at, named=digest.message_id)


def _may_be_mailed(here: Installation, address: str) -> str:
    """The address. Raises UsageError where it is suppressed, or nothing may be sent just now."""
    with here.store.read() as tx:
        obstacle = testmail.obstacle(tx, here.membership, address)
    if isinstance(obstacle, Suppression):
        raise UsageError(f"{address} is {obstacle}; send it to another address")
    if obstacle is not None:
        raise UsageError(described(obstacle))
    return address


def _send(here: Installation, mail: Delivery) -> None:
    with here.transport() as transport:
        testmail.send(transport, here.composer.message(mail))
    delivery = here.config.delivery
    if delivery.transport == "maildir":
        say(f"left in {here.config.path(delivery.maildir.path)}: the transport is maildir, which sends nothing")
    else:
        say(f"sent to {mail.subscriber.email}")

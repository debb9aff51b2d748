"""Test mails: sent to anyone who wants to see one, with links that do not work, and not recorded."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from digest.errors import DigestError
from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    Hold,
    MailKind,
    Message,
    Outcome,
    Profile,
    Subscriber,
    Suppression,
    message_id,
)
from digest.pipeline.recent_papers import RecentPapers
from digest.store import Transaction, audit, outbox
from digest.subscribers.membership import Membership
from digest.transport import Transport


def recent_digest(
    recent_papers: RecentPapers, wanted: Sequence[Profile], reader: Subscriber, *, days: int, now: datetime
) -> Digest:
    """Return what a new follower of these profiles would get from the papers of the last days. Raises RuleError.

    `reader` need not be stored. Papers that do not fit are only counted.
    """
    found = recent_papers.find_recent(wanted, days=days, now=now, limit=reader.max_papers)
    # The profile of the best paper comes first; within each profile the best paper does.
    place = {name: at for at, name in reversed(list(enumerate(item.profile for item in found.items)))}
    items = sorted(found.items, key=lambda item: place[item.profile])
    return Digest(
        subscriber=reader,
        slot_at=now,
        created_at=now,
        dated_on=now.astimezone(reader.schedule.zone).date(),
        message_id="",  # of the delivery, which is what is sent
        items=tuple(items),
        more=("",) * (found.count - len(found.items)),
    )


def make_delivery(
    kind: MailKind, reader: Subscriber, digest: Digest | None, *, domain: str, now: datetime, named: str = ""
) -> Delivery:
    """Return a mail as the outbox would hold it. Its Message-ID is `named`, or a new one."""
    return Delivery(
        id=0,
        kind=kind,
        subscriber=reader,
        message_id=named or message_id(kind, reader, now, domain),
        state=DeliveryState.QUEUED,
        attempts=0,
        queued_at=now,
        next_at=now,
        digest=digest,
    )


def copy_without_links(mail: Delivery, address: str) -> Delivery:
    """Return a copy of a mail to an address, with links that do not work: it must not unsubscribe the reader."""
    no_one = replace(mail.subscriber, id=0, email=address, new_email="")
    return replace(mail, subscriber=no_one, digest=mail.digest and replace(mail.digest, subscriber=no_one))


def find_obstacle(tx: Transaction, membership: Membership, address: str) -> Suppression | Hold | None:
    """Return the suppression or the hold that prevents sending a mail to an address now, or None."""
    return membership.find_suppression(tx, address) or outbox.find_hold(tx)


def send(transport: Transport, message: Message) -> None:
    """Send a mail. Raises DigestError with the server's reply if it is refused, or the server cannot be reached."""
    (receipt,) = transport.send(iter([message]))
    if receipt.outcome is not Outcome.SENT:
        raise DigestError(f"not sent to {message.recipient}: {receipt.reply}")


def record_sent(tx: Transaction, name: str, *, by: str, now: datetime) -> None:
    """Log that an admin sent a profile's test mail to themselves."""
    audit.record(tx, by, "profile test", name, now=now)

"""Mails for a look: sent to whoever wants to see one, with links that open nothing, and recorded nowhere."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from digest.errors import DigestError
from digest.matching.paper_collection import Findings
from digest.models import (
    Delivery,
    DeliveryState,
    Digest,
    DigestItem,
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
    """What somebody new who wants these profiles would get of the papers of the last days. Raises RuleError.

    `reader` need not be stored. The papers that did not fit are only counted.
    """
    found = recent_papers.find_recent(wanted, days=days, now=now, limit=reader.max_papers)
    return Digest(
        subscriber=reader,
        slot_at=now,
        created_at=now,
        dated_on=now.astimezone(ZoneInfo(reader.schedule.timezone)).date(),
        message_id="",  # of the delivery, which is what is sent
        items=_in_sections(found.items),
        more=_uncounted(found),
    )


def make_delivery(
    kind: MailKind, reader: Subscriber, digest: Digest | None, *, domain: str, now: datetime, named: str = ""
) -> Delivery:
    """A mail as the outbox would hold it; its Message-ID is `named`, or one like any other mail's."""
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
    """The same mail to an address, its links nobody's: whoever looks at it must not unsubscribe the reader."""
    nobody = replace(mail.subscriber, id=0, email=address, new_email="")
    return replace(mail, subscriber=nobody, digest=mail.digest and replace(mail.digest, subscriber=nobody))


def find_obstacle(tx: Transaction, membership: Membership, address: str) -> Suppression | Hold | None:
    """What stands against sending a mail there just now."""
    return membership.find_suppression(tx, address) or outbox.find_hold(tx)


def send(transport: Transport, message: Message) -> None:
    """Hand a mail over. Raises DigestError with what the server says where it refuses, or is not there."""
    (receipt,) = transport.send(iter([message]))
    if receipt.outcome is not Outcome.SENT:
        raise DigestError(f"not sent to {message.recipient}: {receipt.reply}")


def record_sent(tx: Transaction, name: str, *, by: str, now: datetime) -> None:
    """Write down that somebody had a profile's mail sent to themselves."""
    audit.record(tx, by, "profile test", name, now=now)


def _in_sections(items: Sequence[DigestItem]) -> tuple[DigestItem, ...]:
    """The profile of the best paper first, the best first within each."""
    place = {name: at for at, name in reversed(list(enumerate(item.profile for item in items)))}
    return tuple(sorted(items, key=lambda item: place[item.profile]))


def _uncounted(found: Findings) -> tuple[str, ...]:
    return ("",) * (found.count - len(found.items))

"""The stage behind the three: read what came back, believe what is proven, and mail no more whom that bars.

A bounce is a mail that anybody can write. It counts only if it holds something that we signed and that only whoever got
our mail can know: its return path, or the link in it that unsubscribes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from digest.errors import StoreError
from digest.models import Bounce, BounceKind, ConsentEvent, Delivery, MailKind, Subscriber
from digest.security.links import Links, Scope
from digest.security.return_paths import ReturnPaths
from digest.store import Store, Transaction, consents, deliveries, subscribers
from digest.subscribers.membership import Membership
from digest.transport import bounces
from digest.transport.inbound import InboundMail

_COUNT = {BounceKind.HARD, BounceKind.SOFT, BounceKind.COMPLAINT}


@dataclass(slots=True, kw_only=True)
class BounceReport:
    """What came back so far: how many of each kind, and what followed."""

    read: int = 0  # messages
    kinds: dict[BounceKind, int] = field(default_factory=lambda: dict.fromkeys(BounceKind, 0))
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (the message's name, what went wrong)
    unproven: list[tuple[str, Bounce]] = field(default_factory=list)  # (the message's name, what it claims)
    suppressed: list[tuple[str, str]] = field(default_factory=list)  # (address, by what)
    unsubscribed: list[str] = field(default_factory=list)  # addresses of those who wrote to leave


@dataclass(frozen=True, slots=True)
class BounceOrigin:
    """Whose mail came back, and which delivery's if that is told."""

    subscriber: Subscriber
    delivery_id: int | None
    former_address: bool  # it went to an address that they have left since


@dataclass(frozen=True, slots=True)
class BounceAuthenticator:
    """What tells that a message is about a mail of ours. `return_paths` is None where none are written."""

    links: Links
    return_paths: ReturnPaths | None

    def authenticate(self, tx: Transaction, content: bytes) -> BounceOrigin | None:
        """What a message proves; None without proof, and for what only asked at an address whether it is theirs."""
        for path in self.return_paths.find(content) if self.return_paths else ():
            delivery = deliveries.find(tx, path.delivery_id)
            if delivery is not None and path.matches(delivery.message_id):
                return None if delivery.kind is MailKind.ADDRESS else _of_delivery(tx, delivery)
        for token in self.links.find_tokens(Scope.UNSUBSCRIBE, content):
            subscriber = subscribers.find_by_id(tx, token.subscriber_id)
            if subscriber is not None:
                moved = consents.find_last(tx, subscriber.id, ConsentEvent.MOVED) is not None
                return BounceOrigin(subscriber, None, former_address=moved and token.epoch < subscriber.epoch)
        return None

    def find_unsubscriber(self, tx: Transaction, content: bytes) -> Subscriber | None:
        """Who wrote to the address that their mails name for leaving."""
        recipients = bounces.header_recipients(content).encode()
        subscriber_id = self.return_paths.find_unsubscriber_id(recipients) if self.return_paths else None
        return None if subscriber_id is None else subscribers.find_by_id(tx, subscriber_id)


def process_bounces(
    store: Store,
    membership: Membership,
    authenticator: BounceAuthenticator,
    messages: Iterable[InboundMail],
    *,
    now: datetime,
    done: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> BounceReport:
    """Write down what messages say, until there are no more or `stopping` says so. One that is read twice counts once.

    `done` is told the name of each message once that is safely kept.
    """
    report = BounceReport()
    for message in messages:
        report.read += 1
        try:
            _read_one(store, membership, authenticator, message, report, now=now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 one mail that nobody foresaw must not keep all others from being read
            report.unreadable.append((message.name, f"{type(error).__name__}: {error}"))
        done(message.name)
        if stopping():
            break
    return report


def _read_one(
    store: Store,
    membership: Membership,
    authenticator: BounceAuthenticator,
    message: InboundMail,
    report: BounceReport,
    *,
    now: datetime,
) -> None:
    found = bounces.parse(message.content)
    for bounce in found:
        report.kinds[bounce.kind] += 1
    counting = [bounce for bounce in found if bounce.kind in _COUNT]
    with store.read() as tx:  # whoever writes waits for nobody who only looks
        proven = authenticator.authenticate(tx, message.content) if counting else None
        leaving = authenticator.find_unsubscriber(tx, message.content) if found[0].kind is BounceKind.OTHER else None
    if counting and proven is None:
        report.unproven += [(message.name, bounce) for bounce in counting]
    if proven is not None or leaving is not None:
        fingerprint = hashlib.sha256(message.content).hexdigest()
        with store.write() as tx:
            if proven is not None:
                report.suppressed += _count(tx, membership, proven, counting, fingerprint, now=now)
            elif leaving is not None and membership.unsubscribe_by_mail(tx, leaving, fingerprint=fingerprint, now=now):
                report.unsubscribed.append(leaving.email)


def _of_delivery(tx: Transaction, delivery: Delivery) -> BounceOrigin:
    moved = consents.find_last(tx, delivery.subscriber.id, ConsentEvent.MOVED)
    sent_at = deliveries.find_sent_at(tx, delivery.id)
    former_address = moved is not None and sent_at is not None and sent_at <= moved.at
    return BounceOrigin(delivery.subscriber, delivery.id, former_address)


def _count(
    tx: Transaction,
    membership: Membership,
    proven: BounceOrigin,
    counting: Iterable[Bounce],
    fingerprint: str,
    *,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    """Hold bounces against whom they are proven to be about; our mails have one recipient each. Who is suppressed."""
    subscriber, delivery_id = proven.subscriber, proven.delivery_id
    for number, bounce in enumerate(counting):
        if proven.former_address and bounce.kind is not BounceKind.COMPLAINT:
            continue
        suppression = membership.record_bounce(
            tx, subscriber.email, bounce, delivery_id=delivery_id, fingerprint=f"{fingerprint}/{number}", now=now
        )
        if suppression is not None:
            yield subscriber.email, str(suppression)

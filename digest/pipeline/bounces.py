"""Process returned mail: accept only authenticated bounces, and suppress the addresses they name.

Anyone can write a bounce. One counts only if it contains something that we signed and that only a recipient of our mail
can know: the return path, or the unsubscribe link.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from digest.errors import StoreError, TransportError
from digest.models import Bounce, BounceKind, ConsentEvent, MailKind, Subscriber
from digest.pipeline.isolation import log_fault
from digest.security.links import Links, ReturnPaths, Scope
from digest.store import Store, Transaction, consents, deliveries, subscribers
from digest.subscribers.bounce_evidence import BouncingDays
from digest.subscribers.membership import Membership
from digest.text import printable_line
from digest.transport import bounces
from digest.transport.inbound import InboundMail

_BOUNCES = {BounceKind.HARD, BounceKind.SOFT, BounceKind.COMPLAINT}


@dataclass(slots=True, kw_only=True)
class BounceReport:
    """The returned mails that were read, and what was done about them."""

    read: int = 0  # mails
    kinds: dict[BounceKind, int] = field(default_factory=lambda: dict.fromkeys(BounceKind, 0))
    unreadable: list[tuple[str, str]] = field(default_factory=list)  # (the mail's name, our own error)
    failures: list[tuple[str, str]] = field(default_factory=list)  # the same, of the mailbox: they are tried again
    unproven: list[tuple[str, Bounce]] = field(default_factory=list)  # (the mail's name, what it claims)
    not_counted: list[tuple[str, Bounce]] = field(default_factory=list)  # (the mail's name, what is not about readers)
    suppressed: list[tuple[str, str]] = field(default_factory=list)  # (address, reason)
    unsubscribed: list[str] = field(default_factory=list)  # addresses of subscribers who left by mail
    failure: str = ""  # none: a mailbox that cannot be read is a TransportError


@dataclass(frozen=True, slots=True)
class BounceOrigin:
    """The subscriber whose mail came back."""

    subscriber: Subscriber
    delivery_id: int | None  # if known
    former_address: bool  # the mail went to an address that the subscriber has changed since


@dataclass(frozen=True, slots=True)
class BounceAuthenticator:
    """Finds out which of our mails a message is about. `return_paths` is None if mails carry none."""

    links: Links
    return_paths: ReturnPaths | None

    def authenticate(self, tx: Transaction, content: bytes) -> BounceOrigin | None:
        """Return the origin of a bounce, or None without proof.

        Also None for the mail that confirms a new address: its address belongs to no subscriber yet.
        """
        for searched in (content, bounces.decoded_text(content)):
            if origin := self._find_origin(tx, searched):
                return origin
        return None

    def _find_origin(self, tx: Transaction, content: bytes) -> BounceOrigin | None:
        for path in self.return_paths.find(content) if self.return_paths else ():
            delivery = deliveries.find(tx, path.delivery_id)
            if delivery is not None and path.matches(delivery.message_id):
                if delivery.kind is MailKind.ADDRESS:
                    return None
                moved = consents.find_last(tx, delivery.subscriber.id, ConsentEvent.MOVED)
                sent_at = deliveries.find_sent_at(tx, delivery.id)
                former_address = moved is not None and sent_at is not None and sent_at <= moved.at
                return BounceOrigin(delivery.subscriber, delivery.id, former_address)
        for token in self.links.find_tokens(Scope.UNSUBSCRIBE, content):
            subscriber = subscribers.find_by_id(tx, token.subscriber_id)
            if subscriber is not None:
                has_moved = consents.find_last(tx, subscriber.id, ConsentEvent.MOVED) is not None
                return BounceOrigin(subscriber, None, has_moved and token.epoch < subscriber.epoch)
        return None

    def find_unsubscriber(self, tx: Transaction, content: bytes) -> Subscriber | None:
        """Return the subscriber who wrote to the unsubscribe address of a mail, or None."""
        recipients = bounces.header_recipients(content).encode()
        subscriber_id = self.return_paths.find_unsubscriber_id(recipients) if self.return_paths else None
        return None if subscriber_id is None else subscribers.find_by_id(tx, subscriber_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedMail:
    """What a returned mail says, and the proof that it is about our mail."""

    name: str
    content: bytes
    found: tuple[Bounce, ...]  # at least one
    origin: BounceOrigin | None = None  # of bounces; None without proof
    leaving: Subscriber | None = None  # who asks to be unsubscribed, by the address in List-Unsubscribe

    @property
    def bounces(self) -> list[Bounce]:
        """The bounces, also those that are about us."""
        return [bounce for bounce in self.found if bounce.kind in _BOUNCES or not bounce.about_reader]

    @property
    def is_proven(self) -> bool:
        """Whether only someone who got our mail can have caused this one."""
        return self.origin is not None or self.leaving is not None


def _classify(store: Store, authenticator: BounceAuthenticator, message: InboundMail) -> ClassifiedMail:
    """Return what a returned mail says. Nothing is recorded. Raises StoreError."""
    found = bounces.parse(message.content)
    mail = ClassifiedMail(name=message.name, content=message.content, found=found)
    with store.read() as tx:  # most mails need no write, for which others would have to wait
        if mail.bounces:
            return replace(mail, origin=authenticator.authenticate(tx, message.content))
        if found[0].kind in {BounceKind.OTHER, BounceKind.UNSUBSCRIBE}:
            leaving = authenticator.find_unsubscriber(tx, message.content)
            if leaving is not None:
                request = Bounce(kind=BounceKind.UNSUBSCRIBE, recipient=leaving.email)
                return replace(mail, found=(request,), leaving=leaving)
    return mail


def classify_mails(
    store: Store,
    authenticator: BounceAuthenticator,
    messages: Iterable[InboundMail],
    *,
    failed: Callable[[str, str], object],
) -> Iterator[ClassifiedMail]:
    """Yield what each returned mail says. Nothing is recorded.

    Calls `failed` with the name of a mail that cannot be read, and the reason; the others go on. Raises StoreError.
    """
    for message in messages:
        if message.failure:
            failed(message.name, message.failure)
            continue
        try:
            mail = _classify(store, authenticator, message)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 one mail that causes an error must not stop the others
            failed(message.name, f"cannot be read; please report this: {_log_unreadable(message, error)}")
        else:
            yield mail


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
    """Record what these mails say, until there are no more or `stopping` returns True. One read twice counts once.

    Calls `done` with the name of each mail once its content is committed. Raises StoreError.
    """
    report = BounceReport()
    days = BouncingDays()
    for message in messages:
        report.read += 1
        if message.failure:  # not done: it is tried again the next time
            report.failures.append((message.name, message.failure))
            continue
        try:
            mail = _classify(store, authenticator, message)
            for bounce in mail.found:
                report.kinds[bounce.kind] += 1
            _record(store, membership, mail, report, days, now=now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 one mail that causes an error must not stop the others
            report.unreadable.append((message.name, _log_unreadable(message, error)))
        try:
            done(message.name)
        except TransportError as error:  # it is read again the next time, and counts once
            report.failures.append((message.name, str(error)))
        if stopping():
            break
    return report


def _log_unreadable(message: InboundMail, error: Exception) -> str:
    """Log our own error, and return it on one line."""
    log_fault("returned mail cannot be read", error, message=message.name)
    return printable_line(f"{type(error).__name__}: {error}")


def _record(
    store: Store,
    membership: Membership,
    mail: ClassifiedMail,
    report: BounceReport,
    days: BouncingDays,
    *,
    now: datetime,
) -> None:
    fingerprint = hashlib.sha256(mail.content).hexdigest()
    if mail.leaving is not None:
        with store.write() as tx:
            if membership.unsubscribe_by_mail(tx, mail.leaving, fingerprint=fingerprint, now=now):
                report.unsubscribed.append(mail.leaving.email)
    elif mail.origin is None:
        claims = [bounce for bounce in mail.found if bounce in mail.bounces or bounce.kind is BounceKind.UNSUBSCRIBE]
        report.unproven += [(mail.name, claim) for claim in claims]
    else:
        origin = mail.origin
        report.not_counted += [(mail.name, bounce) for bounce in mail.bounces if not bounce.about_reader]
        with store.write() as tx:
            for number, bounce in enumerate(mail.bounces):  # all are about one subscriber: our mails have one recipient
                if origin.former_address and bounce.kind is not BounceKind.COMPLAINT:
                    continue
                suppression = membership.record_bounce(
                    tx,
                    origin.subscriber.email,
                    bounce,
                    delivery_id=origin.delivery_id,
                    fingerprint=f"{fingerprint}/{number}",
                    now=now,
                    days=days,
                )
                if suppression is not None:
                    report.suppressed.append((origin.subscriber.email, str(suppression)))

"""What happens when an address is entered on a page, to subscribe or to sign in. Anyone can enter any address.

So a page never shows what is known of it. At most one mail is sent to the address, not often, and nothing else happens
until the owner of the address follows the link in it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from digest.models import CompiledRules, MailKind, Subscriber, SubscriberState, Suppression, SuppressionReason
from digest.store import Transaction, deliveries, profiles, subscribers
from digest.subscribers.membership import ASK_AGAIN_AFTER, Membership

_LEFT_ALONE = timedelta(days=30)  # people who unsubscribed, erased their data or complained
_SIGN_IN_AGAIN_AFTER = timedelta(minutes=10)


class SignUpMail(Enum):
    """The mail to an address that was entered on a page."""

    CONFIRMATION = auto()
    SIGN_IN = auto()  # a link to the subscriber's own pages
    NOTHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressStatus:
    """What is known of an address."""

    state: SubscriberState | None = None  # None: not a subscriber
    suppression: Suppression | None = None
    asked_at: datetime | None = None  # the last confirmation mail
    signed_in_at: datetime | None = None  # the last sign-in mail


def mail_for_join(known: AddressStatus, *, now: datetime) -> SignUpMail:
    """Return the mail to an address that was entered to subscribe.

    Unknown and pending addresses, and those suppressed because of bounces, get a confirmation mail, at most once a day.
    Addresses whose owner unsubscribed, erased their data or complained get one at most every thirty days, and not
    within thirty days of a complaint. Active and paused subscribers may have forgotten that they are, and get a sign-in
    mail, at most every ten minutes. Addresses suppressed by an admin get nothing.
    """
    asked_at, suppression = known.asked_at, known.suppression
    if suppression is not None and suppression.reason is SuppressionReason.ADMIN:
        return SignUpMail.NOTHING
    if known.state is not None and known.state.is_subscribed:
        recent = known.signed_in_at is not None and now - known.signed_in_at < _SIGN_IN_AGAIN_AFTER
        return SignUpMail.NOTHING if recent else SignUpMail.SIGN_IN
    if suppression is not None and suppression.reason is SuppressionReason.COMPLAINT:  # perhaps about such a mail
        asked_at = max(asked_at or suppression.suppressed_at, suppression.suppressed_at)
    if asked_at is None:
        return SignUpMail.CONFIRMATION
    unwanted = suppression is not None and not suppression.reason.is_bounce and asked_at >= suppression.suppressed_at
    recent = now - asked_at < (_LEFT_ALONE if unwanted else ASK_AGAIN_AFTER)
    return SignUpMail.NOTHING if recent else SignUpMail.CONFIRMATION


def mail_for_sign_in(known: AddressStatus, *, now: datetime) -> SignUpMail:
    """Return the mail to an address that was entered to sign in: only for active, paused and pending subscribers."""
    if known.state is not None and (known.state.is_subscribed or known.state is SubscriberState.PENDING):
        return mail_for_join(known, now=now)
    return SignUpMail.NOTHING


def join(
    tx: Transaction, membership: Membership, new: Subscriber, rules: CompiledRules, *, origin: str, now: datetime
) -> None:
    """Subscribe `new`, a pending subscriber who is not stored yet, with keywords of their own.

    The choices in the form are stored for an unknown address, and replace the choices of a subscriber who never
    confirmed. Other subscribers keep theirs, because a stranger may have filled in the form. Raises NotFoundError if a
    profile was removed.
    """
    known = subscribers.find(tx, new.email)
    mail = mail_for_join(_status(tx, membership, new.email, known), now=now)
    if known is None and mail is SignUpMail.NOTHING:
        return
    if known is None:
        known = subscribers.add(tx, new, now=now)
        profiles.set_personal(tx, known.id, rules, now=now)
    elif known.state is SubscriberState.PENDING and subscribers.get_dates(tx, known.id)["confirmed_at"] is None:
        schedule = replace(known.schedule, timezone=new.schedule.timezone)
        changed = replace(known, schedule=schedule, language=new.language, profiles=new.profiles)
        known = subscribers.save(tx, changed)
        profiles.set_personal(tx, known.id, rules, now=now)
    _send(tx, membership, mail, known, origin=origin, now=now)


def sign_in(tx: Transaction, membership: Membership, email: str, *, origin: str, now: datetime) -> None:
    """Mail a sign-in link, if the address is a subscriber's."""
    known = subscribers.find(tx, email)
    if known is not None:
        mail = mail_for_sign_in(_status(tx, membership, email, known), now=now)
        _send(tx, membership, mail, known, origin=origin, now=now)


def _status(tx: Transaction, membership: Membership, email: str, subscriber: Subscriber | None) -> AddressStatus:
    return AddressStatus(
        state=subscriber.state if subscriber else None,
        suppression=membership.find_suppression(tx, email),
        asked_at=membership.last_asked_at(tx, email),
        signed_in_at=deliveries.last_queued_at(tx, subscriber.id, MailKind.SIGN_IN) if subscriber else None,
    )


def _send(
    tx: Transaction, membership: Membership, mail: SignUpMail, to: Subscriber, *, origin: str, now: datetime
) -> None:
    if mail is SignUpMail.CONFIRMATION:
        membership.queue_confirmation(tx, to, origin=origin, now=now)
    elif mail is SignUpMail.SIGN_IN:
        membership.queue_mail(tx, MailKind.SIGN_IN, to, now=now)

"""Changing a subscriber's address: the new one counts once its owner has followed the link in a mail to it."""

from dataclasses import replace
from datetime import datetime

from digest.models import Cancellation, ConsentEvent, MailKind, Subscriber
from digest.security import addresses
from digest.store import Transaction, deliveries, outbox, subscribers
from digest.subscribers.membership import ASK_AGAIN_AFTER, Membership

_MAX_MAILS = 5  # to new addresses, that one subscriber can cause in a day


def request_address_change(tx: Transaction, subscriber: Subscriber, new_email: str, *, now: datetime) -> Subscriber:
    """Store the new address that a subscriber asks for, and cancel the mail to an earlier one. No mail is sent."""
    if addresses.key(new_email) != addresses.key(subscriber.new_email):
        outbox.cancel(tx, subscriber.id, Cancellation.REPLACED, kinds=[MailKind.ADDRESS], now=now)
    return subscribers.save(tx, replace(subscriber, new_email=new_email))


def queue_address_confirmation(
    tx: Transaction, membership: Membership, subscriber: Subscriber, new_email: str, *, origin: str, now: datetime
) -> None:
    """Store the new address that a subscriber asks for, and queue a mail to it with the link that confirms.

    Nothing is sent to an address that is taken, suppressed or was asked today, nor more than a few mails a day.
    Subscribers are not told, or they could find out who else is subscribed. For the same reason a mail that is not sent
    counts towards the limit: otherwise the limit would show which of several mails was not sent.
    """
    subscriber = request_address_change(tx, subscriber, new_email, now=now)
    today = deliveries.count_queued_since(tx, subscriber.id, MailKind.ADDRESS, now - ASK_AGAIN_AFTER)
    if today >= _MAX_MAILS:
        return
    asked_at = membership.last_asked_at(tx, new_email)
    asked_today = asked_at is not None and now - asked_at < ASK_AGAIN_AFTER
    may_ask = _may_change(tx, membership, subscriber, new_email) and not asked_today
    there = replace(subscriber, email=new_email)
    if may_ask:
        membership.log(tx, [there], ConsentEvent.ASKED, origin=origin, now=now)
    failure = "" if may_ask else Cancellation.UNAVAILABLE
    membership.queue_mail(tx, MailKind.ADDRESS, there, now=now, failure=failure)


def change_address(
    tx: Transaction, membership: Membership, subscriber: Subscriber, *, origin: str, now: datetime
) -> Subscriber | None:
    """Move a subscriber to the new address, which they have confirmed. Queued mails go there, too.

    Returns the changed subscriber, or None if the address is taken or suppressed by now. Links in earlier mails stop
    working, except the unsubscribe link.
    """
    new_email = subscriber.new_email
    if not new_email or not _may_change(tx, membership, subscriber, new_email):
        return None
    membership.log(tx, [subscriber], ConsentEvent.MOVED, origin=origin, now=now)
    moved = replace(subscriber, email=new_email, new_email="", epoch=subscriber.epoch + 1)
    membership.log(tx, [moved], ConsentEvent.CONFIRMED, origin=origin, now=now)
    outbox.cancel(tx, subscriber.id, Cancellation.CONFIRMED, kinds=[MailKind.ADDRESS], now=now)
    return subscribers.save(tx, moved)


def _may_change(tx: Transaction, membership: Membership, subscriber: Subscriber, new_email: str) -> bool:
    holder = subscribers.find(tx, new_email)
    is_free = holder is None or holder.id == subscriber.id
    return is_free and membership.find_suppression(tx, new_email) is None

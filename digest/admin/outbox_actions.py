"""Hold and release sending; retry, resolve and resend mails; process returned mail."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from digest.errors import UsageError
from digest.models import Delivery, DeliveryState, message_id
from digest.pipeline.bounces import BounceReport
from digest.store import Store, Transaction, audit, deliveries, outbox
from digest.subscribers.membership import Membership
from digest.text import listed

_MAX_NAMED = 20  # deliveries in a line of the log


def delivery_record(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as values for JSON."""
    return {
        "id": delivery.id,
        "kind": delivery.kind.value,
        "subscriber_id": delivery.subscriber.id,
        "email": delivery.subscriber.email,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at,
        "next_at": delivery.next_at if delivery.state is DeliveryState.DEFERRED else None,
        "reply": delivery.reply,
    }


def hold(tx: Transaction, reason: str, *, by: str, now: datetime) -> None:
    """Stop all sending, by every process. An existing hold stays as it is."""
    if outbox.find_hold(tx) is None:
        outbox.start_hold(tx, reason, now=now)
        audit.record(tx, by, "outbox hold", reason, now=now)


def release(tx: Transaction, *, by: str, now: datetime) -> bool:
    """Resume sending. Return True if it was on hold."""
    if not outbox.end_hold(tx):
        return False
    audit.record(tx, by, "outbox release", now=now)
    return True


def retry(tx: Transaction, ids: Sequence[int], *, by: str, now: datetime) -> list[int]:
    """Make deferred and failed deliveries due now: these, or all if `ids` is empty. Return their ids."""
    queued = outbox.retry(tx, ids, now=now)
    _record(tx, by, "outbox retry", queued, now)
    return queued


def resolve(tx: Transaction, ids: Sequence[int], *, arrived: bool, by: str, now: datetime) -> list[int]:
    """Settle deliveries in doubt: they arrived, or are sent again. Return the ids of those that were in doubt."""
    settled = outbox.resolve_doubt(tx, ids, arrived=arrived, now=now)
    _record(tx, by, f"outbox resolve --{'arrived' if arrived else 'again'}", settled, now)
    return settled


def resend(tx: Transaction, membership: Membership, number: int, *, by: str, now: datetime) -> int:
    """Queue a sent digest again, as a new mail with the same papers, and return the number of the new delivery.

    It has another Message-ID, because many mailboxes drop a mail whose Message-ID they have seen. Raises UsageError if
    it cannot be sent again, and NotFoundError.
    """
    delivery = deliveries.get(tx, number)
    reason = reason_not_to_resend(delivery)
    if reason:
        raise UsageError(f"delivery {number} {reason}")
    suppression = membership.find_suppression(tx, delivery.subscriber.email)
    if suppression is not None:
        raise UsageError(f"delivery {number} is to an address that is {suppression}")
    named = message_id(f"{delivery.kind} instead of {number}", delivery.subscriber, now, membership.domain)
    again = outbox.resend(tx, delivery, message_id=named, now=now)
    audit.record(tx, by, "outbox resend", f"{number}, as {again}", now=now)
    return again


def reason_not_to_resend(delivery: Delivery) -> str:
    """Return why a mail cannot be sent again, or "". A suppression is not checked here."""
    if not delivery.kind.has_papers:
        return "is not a digest; the reader can request another one"
    if delivery.state is not DeliveryState.SENT:
        return f"is {delivery.state}, not sent"
    if delivery.digest is None:
        return "was already sent again, as another email"
    if not delivery.subscriber.state.is_subscribed:
        return "is to an address that is not subscribed"
    return ""


def poll_bounces(store: Store, read: Callable[[], BounceReport], *, by: str, now: datetime) -> BounceReport:
    """Process the bounce mailbox with `read`, and log it. Raises TransportError if it cannot be read."""
    report = read()
    with store.write() as tx:
        audit.record(tx, by, "bounce", f"{report.read} read, {len(report.suppressed)} suppressed", now=now)
    return report


def _record(tx: Transaction, by: str, what: str, ids: Sequence[int], now: datetime) -> None:
    if ids:
        audit.record(tx, by, what, listed(list(map(str, ids)), _MAX_NAMED), now=now)

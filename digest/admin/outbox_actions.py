"""Sending held and released, and what becomes of mails that were not sent, or perhaps were."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from digest.errors import UsageError
from digest.models import Delivery, DeliveryState, MailKind, message_id
from digest.pipeline.bounces import BounceReport
from digest.store import Store, Transaction, audit, deliveries, outbox
from digest.subscribers.membership import Membership

_MOST_NAMED = 20  # deliveries, in a line of the log


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
    """From now on nothing is begun, by any process. A hold that is there already stays as it is."""
    if outbox.find_hold(tx) is None:
        outbox.start_hold(tx, reason, now=now)
        audit.record(tx, by, "outbox hold", reason, now=now)


def release(tx: Transaction, *, by: str, now: datetime) -> bool:
    """Let sending go on. Whether there was a hold."""
    if not outbox.end_hold(tx):
        return False
    audit.record(tx, by, "outbox release", now=now)
    return True


def retry(tx: Transaction, ids: Sequence[int], *, by: str, now: datetime) -> list[int]:
    """Make deferred and failed deliveries, of these or (without any) of all, due now. The ids that were."""
    queued = outbox.retry(tx, ids, now=now)
    _record(tx, by, "outbox retry", queued, now)
    return queued


def resolve(tx: Transaction, ids: Sequence[int], *, arrived: bool, by: str, now: datetime) -> list[int]:
    """Settle deliveries in doubt: they arrived, or are sent again. The ids that were in doubt."""
    settled = outbox.resolve_doubt(tx, ids, arrived=arrived, now=now)
    _record(tx, by, f"outbox resolve --{'arrived' if arrived else 'again'}", settled, now)
    return settled


def resend(tx: Transaction, membership: Membership, number: int, *, by: str, now: datetime) -> int:
    """Send a mail that was sent and never came once more: the same papers in a mail of its own. Its number.

    Under another Message-ID, or many mailboxes would take it for one that they have, and drop it. Raises UsageError
    where there is nothing to send again, or it may not be, and NotFoundError.
    """
    delivery = deliveries.get(tx, number)
    reason = reason_not_to_resend(delivery)
    if reason:
        raise UsageError(f"delivery {number} {reason}")
    stands = membership.find_suppression(tx, delivery.subscriber.email)
    if stands is not None:
        raise UsageError(f"delivery {number} is to an address that is {stands}")
    named = message_id(f"{delivery.kind} instead of {number}", delivery.subscriber, now, membership.domain)
    again = outbox.resend(tx, delivery, message_id=named, now=now)
    audit.record(tx, by, "outbox resend", f"{number}, as {again}", now=now)
    return again


def reason_not_to_resend(delivery: Delivery) -> str:
    """What stands against sending a mail once more, "" where nothing does but perhaps a suppression."""
    if delivery.kind not in {MailKind.DIGEST, MailKind.WELCOME}:
        return "is no digest: its reader can ask for another one"
    if delivery.state is not DeliveryState.SENT:
        return f"is {delivery.state}, not sent"
    if delivery.digest is None:
        return "was sent again already, as another mail"
    if not delivery.subscriber.state.is_subscribed:
        return "is to somebody who is not on the list"
    return ""


def poll_bounces(store: Store, read: Callable[[], BounceReport], *, by: str, now: datetime) -> BounceReport:
    """Deal with what has arrived in the mailbox, which `read` does. Raises TransportError where it cannot be read."""
    report = read()
    with store.write() as tx:
        audit.record(tx, by, "bounce", f"{report.read} read, {len(report.suppressed)} suppressed", now=now)
    return report


def _record(tx: Transaction, by: str, what: str, ids: Sequence[int], now: datetime) -> None:
    if ids:
        more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
        audit.record(tx, by, what, f"{', '.join(map(str, ids[:_MOST_NAMED]))}{more}", now=now)

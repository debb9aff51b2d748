"""Everything that is kept about somebody, as they may ask to see it (GDPR, article 15). Reads only."""

from dataclasses import asdict
from typing import Any

from digest.models import Delivery, MailKind, Subscriber
from digest.store import Transaction, bounces, consents, deliveries, digests, profiles, subscribers
from digest.subscribers import fields
from digest.subscribers.membership import Membership


def export_personal_data(tx: Transaction, membership: Membership, email: str) -> dict[str, Any]:
    """A record of plain values, ready for JSON but for its dates and times.

    Of who is no subscriber any more it has what is kept under their pseudonym. Raises NotFoundError where that is
    nothing.
    """
    subscriber = membership.find_known(tx, email)
    suppression = membership.find_suppression(tx, email)
    before = [] if subscriber is None else consents.list_at_previous_addresses(tx, subscriber.id)
    now = membership.list_consents(tx, email)
    history = sorted([*(one for one in before if one not in now), *now], key=lambda one: one.at)
    return {
        "subscriber": None if subscriber is None else _subscriber(tx, subscriber),
        "suppression": None if suppression is None else asdict(suppression),
        "consents": [asdict(happened) for happened in history],
        "wordings": _wordings(tx, {happened.wording for happened in history if happened.wording}),
        "bounces": bounces.list_by_address(tx, membership.pseudonyms.of(email)),
        "digests": [] if subscriber is None else digests.list_by_subscriber(tx, subscriber.id),
        "deliveries": [] if subscriber is None else _deliveries(tx, subscriber),
    }


def _subscriber(tx: Transaction, subscriber: Subscriber) -> dict[str, Any]:
    own = profiles.find_personal(tx, subscriber.id)
    return fields.record(subscriber) | {
        "number": subscriber.id,
        "keywords": own.rules if own else "",
        "epoch_of_links": subscriber.epoch,
        "new_email": subscriber.new_email,
        "has_a_feed": bool(subscriber.feed),
        "last_slot_at": subscriber.last_slot_at,
        "last_digest_at": subscriber.last_digest_at,
        **subscribers.get_dates(tx, subscriber.id),
    }


def _wordings(tx: Transaction, versions: set[str]) -> dict[str, str]:
    found = ((version, consents.find_wording(tx, version)) for version in sorted(versions))
    return {version: wording.text for version, wording in found if wording}


def _deliveries(tx: Transaction, subscriber: Subscriber) -> list[dict[str, Any]]:
    """Their mails. What asked at a new address is none so far, and would tell whether that is somebody else's."""
    return [_delivery(d) for d in deliveries.list_by_subscriber(tx, subscriber.id) if d.kind is not MailKind.ADDRESS]


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "kind": delivery.kind.value,
        "message_id": delivery.message_id,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at,
        "next_at": delivery.next_at,
        "reply": delivery.reply,
    }

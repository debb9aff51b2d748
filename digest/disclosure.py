"""Everything that is kept about somebody, as they may ask to see it (GDPR, article 15). Reads only."""

from dataclasses import asdict
from typing import Any

from digest import roster
from digest.membership import Membership
from digest.models import Delivery, Subscriber
from digest.store import Transaction, bounces, consents, digests, outbox, profiles


def disclose(tx: Transaction, membership: Membership, subscriber: Subscriber) -> dict[str, Any]:
    """A record of plain values, ready for JSON but for its dates and times."""
    pseudonym = membership.pseudonyms.of(subscriber.email)
    own = profiles.find_personal(tx, subscriber.id)
    suppression = membership.find_suppression(tx, subscriber.email)
    history = membership.history(tx, subscriber.email)
    return {
        "subscriber": roster.record(subscriber),
        "keywords": own.rules if own else "",
        "suppression": None if suppression is None else asdict(suppression),
        "consents": [asdict(happened) for happened in history],
        "wordings": _wordings(tx, {happened.wording for happened in history if happened.wording}),
        "bounces": bounces.list_of(tx, pseudonym),
        "digests": digests.list_of(tx, subscriber.id),
        "deliveries": [_delivery(delivery) for delivery in outbox.list_of(tx, subscriber.id)],
    }


def _wordings(tx: Transaction, versions: set[str]) -> dict[str, str]:
    found = ((version, consents.find_wording(tx, version)) for version in sorted(versions))
    return {version: wording.text for version, wording in found if wording}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "kind": delivery.kind.value,
        "message_id": delivery.message_id,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at,
        "reply": delivery.reply,
    }

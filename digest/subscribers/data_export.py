"""All data stored about a subscriber, as they may request it (GDPR, article 15). Only reads."""

from dataclasses import asdict
from typing import Any

from digest.models import MailKind
from digest.store import Transaction, bounces, consents, deliveries, digests, profiles, subscribers
from digest.subscribers import fields
from digest.subscribers.membership import Membership


def export_personal_data(tx: Transaction, membership: Membership, email: str) -> dict[str, Any]:
    """Return a record of plain values for JSON, with dates and times as they are.

    For someone who is no longer a subscriber it has what is stored under their pseudonym. Raises NotFoundError if
    nothing is stored.
    """
    s = membership.find_known(tx, email)
    suppression = membership.find_suppression(tx, email)
    log = membership.list_consents(tx, email)
    earlier = consents.list_at_previous_addresses(tx, s.id) if s else []
    log = sorted([*(consent for consent in earlier if consent not in log), *log], key=lambda consent: consent.at)
    versions = sorted({consent.wording for consent in log if consent.wording})
    wordings = {version: consents.find_wording(tx, version) for version in versions}
    mails = deliveries.list_by_subscriber(tx, s.id) if s else []
    subscriber: dict[str, Any] | None = None
    if s is not None:
        own = profiles.find_personal(tx, s.id)
        subscriber = fields.record(s) | {
            "number": s.id,
            "keywords": own.rules if own else "",
            "epoch_of_links": s.epoch,
            "new_email": s.new_email,
            "has_a_feed": bool(s.feed),
            "slots_from": s.slots_from,
            "last_slot_at": s.last_slot_at,
            "last_digest_at": s.last_digest_at,
            **subscribers.get_dates(tx, s.id),
        }
    return {
        "subscriber": subscriber,
        "suppression": asdict(suppression) if suppression else None,
        "consents": [asdict(consent) for consent in log],
        "wordings": {version: wording.text for version, wording in wordings.items() if wording},
        "bounces": [
            {"kind": bounce.kind.value, "status": bounce.status, "reply": bounce.reply, "bounced_at": bounce.bounced_at}
            for bounce in bounces.list_by_address(tx, membership.pseudonyms.of(email))
        ],
        "digests": digests.list_by_subscriber(tx, s.id) if s else [],
        # A mail to a new address that is not confirmed is left out: it would tell whether the address is taken.
        "deliveries": [
            {"kind": d.kind.value, "message_id": d.message_id, "state": d.state.value, "attempts": d.attempts}
            | {"queued_at": d.queued_at, "next_at": d.next_at, "reply": d.reply}
            for d in mails
            if d.kind is not MailKind.ADDRESS
        ],
    }

"""Where a paper stands in a digest, and what became of that digest's mail."""

from collections.abc import Sequence
from dataclasses import replace

from digest.explain.record import Place, Verdict
from digest.models import Delivery, DeliveryState, Digest, DigestItem
from digest.store import Transaction, bounces, deliveries, outbox


def find_place(digest: Digest, ids: Sequence[str]) -> tuple[Verdict, Place, DigestItem | None] | None:
    """Where a digest has the paper of these ids; None where it does not. Pure."""
    at = Place(slot_at=digest.slot_at, shown=len(digest.items))
    for item in digest.items:
        if item.paper.id in ids:
            rules = tuple(dict.fromkeys(found.rule for found in item.evidence))
            return Verdict.SHOWN, replace(at, section=item.profile, score=item.score, rules=rules), item
    if any(paper.id in ids for paper in digest.trending):
        return Verdict.TRENDING, at, None
    number = next((n for n, paper_id in enumerate(digest.more, 1) if paper_id in ids), 0)
    return (Verdict.DID_NOT_FIT, replace(at, number=number), None) if number else None


def facts_of_place(place: Place, item: DigestItem | None, *, max_papers: int) -> list[str]:
    """How it stands there: the section, the score, what matched where; or its place behind those that fitted. Pure."""
    if place.number:
        noun = "paper" if place.shown == 1 else "papers"
        return [
            f"place {place.number} behind the {place.shown} {noun} of the digest of {moment(place)}; "
            f"max_papers is {max_papers}"
        ]
    if item is None:
        return [f"in the digest of {moment(place)}, among the popular papers"]
    also = f"; also wanted by {', '.join(item.also)}" if item.also else ""
    facts = [f"in the digest of {moment(place)}, section {item.profile!r}, score {item.score:.1f}{also}"]
    for rule in place.rules:
        where = dict.fromkeys(
            f"{found.field.value} ({item.paper.text_of(found.field)[found.start : found.end]!r})"
            for found in item.evidence
            if found.rule == rule
        )
        facts.append(f"rule {rule!r} matched in {', '.join(where)}")
    return facts


def facts_of_mail(tx: Transaction, delivery: Delivery) -> list[str]:
    """What became of a delivery, with the server's words."""
    said = f": {delivery.reply}" if delivery.reply else ""
    named = f"delivery {delivery.id}"
    match delivery.state:
        case DeliveryState.SENT:
            sent_at = deliveries.find_sent_at(tx, delivery.id)
            return [
                f"{named} was sent{f' at {sent_at:%Y-%m-%d %H:%M} UTC' if sent_at else ''}{said}",
                *_came_back(tx, delivery),
            ]
        case DeliveryState.DEFERRED:
            again = f"the next try is at {delivery.next_at:%Y-%m-%d %H:%M} UTC"
            return [f"{named} was put off at attempt {delivery.attempts}; {again}{said}", *_hold(tx)]
        case DeliveryState.FAILED:
            return [f"{named} has failed{said}"]
        case DeliveryState.IN_DOUBT:
            return [f"{named} is in doubt{said}; `digest outbox resolve` decides"]
        case DeliveryState.QUEUED | DeliveryState.LEASED | DeliveryState.SENDING:
            return [f"{named} is {delivery.state.value}, since {delivery.queued_at:%Y-%m-%d %H:%M} UTC", *_hold(tx)]


def moment(place: Place) -> str:
    """The slot, for people."""
    return f"{place.slot_at:%Y-%m-%d %H:%M} UTC"


def _came_back(tx: Transaction, delivery: Delivery) -> list[str]:
    facts: list[str] = []
    for bounce in bounces.list_by_delivery(tx, delivery.id):
        said = " ".join(filter(None, (bounce["kind"], bounce["status"], bounce["reply"])))
        facts.append(f"it came back at {bounce['bounced_at']:%Y-%m-%d %H:%M} UTC: {said}")
    return facts


def _hold(tx: Transaction) -> list[str]:
    held = outbox.find_hold(tx)
    if held is None:
        return []
    why = f" ({held.reason})" if held.reason else ""
    return [f"sending is on hold since {held.held_at:%Y-%m-%d %H:%M} UTC{why}"]

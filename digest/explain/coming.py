"""What a subscriber's next digest would have, as things stand."""

from dataclasses import dataclass
from datetime import datetime

from digest.chooser import Chooser, Publishing, looks_after
from digest.explain.places import facts_of_place, find_place
from digest.explain.record import Told
from digest.interests import Interests
from digest.models import Paper, Subscriber
from digest.schedule import next_slot, slot_due
from digest.store import Transaction, papers


@dataclass(frozen=True, slots=True)
class Coming:
    """Chooses papers for the next slot, as publishing will."""

    interests: Interests
    publishing: Publishing

    def find(self, tx: Transaction, subscriber: Subscriber, paper: Paper, *, now: datetime) -> Told | None:
        """Where their next digest would have a paper, were they active; None where it would not."""
        slot_at = _slot(subscriber, now)
        if slot_at is None or (paper.first_seen_at or now) <= self.looks_after(subscriber, now=now):
            return None
        chooser = Chooser(self.interests, self.publishing, now=max(now, slot_at))
        (digest,) = chooser.decide(tx, [(subscriber, slot_at)])
        found = find_place(digest, papers.list_names(tx, paper.id))
        if found is None:
            return None
        verdict, place, item = found
        return verdict, place, facts_of_place(place, item, max_papers=subscriber.max_papers)

    def looks_after(self, subscriber: Subscriber, *, now: datetime) -> datetime:
        """Their next digest looks at papers first seen after this."""
        return looks_after(subscriber, self.publishing, max(now, _slot(subscriber, now) or now))


def _slot(subscriber: Subscriber, now: datetime) -> datetime | None:
    """The slot of their next digest; None for a schedule without days."""
    return slot_due(subscriber.schedule, subscriber.last_slot_at, now) or next_slot(subscriber.schedule, now)

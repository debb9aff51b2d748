"""What a subscriber's next digest would have, as things stand."""

from dataclasses import dataclass
from datetime import datetime

from digest.explain.places import facts_of_place, find_place
from digest.explain.record import Told
from digest.models import Paper, Subscriber
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import PaperSelector, SelectionSettings, candidates_since
from digest.store import Transaction, papers
from digest.subscribers.schedule import next_slot, slot_due


@dataclass(frozen=True, slots=True)
class Coming:
    """Chooses papers for the next slot, as publishing will."""

    compiled_profiles: CompiledProfiles
    selection_settings: SelectionSettings

    def find(self, tx: Transaction, subscriber: Subscriber, paper: Paper, *, now: datetime) -> Told | None:
        """Where their next digest would have a paper, were they active; None where it would not."""
        slot_at = _slot(subscriber, now)
        if slot_at is None or (paper.first_seen_at or now) <= self.candidates_since(subscriber, now=now):
            return None
        selector = PaperSelector(self.compiled_profiles, self.selection_settings, now=max(now, slot_at))
        (digest,) = selector.select(tx, [(subscriber, slot_at)])
        found = find_place(digest, papers.list_public_ids(tx, paper.id))
        if found is None:
            return None
        verdict, place, item = found
        return verdict, place, facts_of_place(place, item, max_papers=subscriber.max_papers)

    def candidates_since(self, subscriber: Subscriber, *, now: datetime) -> datetime:
        """Their next digest looks at papers first seen after this."""
        return candidates_since(subscriber, self.selection_settings, max(now, _slot(subscriber, now) or now))


def _slot(subscriber: Subscriber, now: datetime) -> datetime | None:
    """The slot of their next digest; None for a schedule without days."""
    return slot_due(subscriber.schedule, subscriber.last_slot_at, now) or next_slot(subscriber.schedule, now)

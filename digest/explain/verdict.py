"""Finds out why a subscriber got a paper, or did not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.errors import SuppressedError
from digest.explain.explanation import (
    Explanation,
    Finding,
    Verdict,
    describe_time,
    facts_of_delivery,
    find_in_digest,
    judge,
)
from digest.models import ConsentEvent, Paper, Subscriber, SubscriberState
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import OVERLAP, PaperSelector, SelectionSettings, candidates_since
from digest.sources.identity import keys_in
from digest.store import Transaction, consents, deliveries, digests, papers, profiles, subscribers
from digest.subscribers.membership import Membership
from digest.subscribers.schedule import CATCH_UP, next_slot, resumed, slot_due

_INACTIVE = {
    SubscriberState.PENDING: Verdict.PENDING,
    SubscriberState.PAUSED: Verdict.PAUSED,
    SubscriberState.UNSUBSCRIBED: Verdict.UNSUBSCRIBED,
    SubscriberState.SUPPRESSED: Verdict.SUPPRESSED,
}
_NEXT = {
    Verdict.SHOWN: Verdict.NEXT,
    Verdict.TRENDING: Verdict.NEXT_TRENDING,
    Verdict.DID_NOT_FIT: Verdict.NEXT_DOES_NOT_FIT,
}
_STATE_EVENTS = {
    SubscriberState.PENDING: ConsentEvent.ASKED,
    SubscriberState.UNSUBSCRIBED: ConsentEvent.UNSUBSCRIBED,
}


def explain(
    tx: Transaction,
    email: str,
    paper_id: str,
    *,
    compiled_profiles: CompiledProfiles,
    selection_settings: SelectionSettings,
    membership: Membership,
    now: datetime,
) -> Explanation:
    """Explain why a subscriber got a paper, or did not. `paper_id` is an id, arXiv id or DOI, or a link with one.

    Judges by the current rules: those at the time of selection are not kept. Raises NotFoundError with the nearest
    address if there is no such subscriber, SuppressedError if that address is suppressed.
    """
    subscriber = subscribers.find(tx, email)
    if subscriber is None:
        suppression = membership.find_suppression(tx, email)
        if suppression is not None:
            raise SuppressedError(email, f"no subscriber, and {suppression}", "`digest suppression list` shows it")
        subscriber = subscribers.get(tx, email)
    keys = [paper_id, *keys_in(paper_id)]
    found = papers.find_by_keys(tx, keys)
    paper = next((found[key] for key in keys if key in found), None)
    if paper is None:
        return Explanation(
            email=subscriber.email,
            paper=paper_id,
            title="",
            verdict=Verdict.UNKNOWN_PAPER,
            facts=("use an id as in the address of a paper's page, such as arxiv:2504.17830",),
        )
    case = _Case(tx, subscriber, paper, compiled_profiles, selection_settings, membership, now)
    verdict, place, facts = case.find_verdict()
    known_as = [f"{paper_id} is known as {paper.id}"] if paper_id != paper.id else []
    return Explanation(
        email=subscriber.email,
        paper=paper.id,
        title=paper.title,
        verdict=verdict,
        facts=(*known_as, f"first seen at {describe_time(paper.first_seen_at)}", *facts),
        place=place,
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One subscriber and one known paper."""

    tx: Transaction
    subscriber: Subscriber
    paper: Paper
    compiled_profiles: CompiledProfiles
    settings: SelectionSettings
    membership: Membership
    now: datetime

    def find_verdict(self) -> Finding:
        if stored := self._find_in_stored_digests():
            return stored
        if self.paper.first_seen_at is not None and self.paper.first_seen_at > self.now:
            return Verdict.UNKNOWN_PAPER, None, [f"that is after {describe_time(self.now)}, the time asked about"]
        followed = profiles.find_by_subscribers(self.tx, [self.subscriber.id])[self.subscriber.id]
        judgement = judge(self.subscriber, followed, self.paper)
        may_come = judgement[0] is Verdict.CHANGED or bool(self.paper.upvotes or self.paper.stars)
        if may_come and self.subscriber.state is SubscriberState.ACTIVE:
            found = self._find_in_next_digest(self.subscriber, now=self.now)
            if found is not None:
                return _NEXT[found[0]], found[1], found[2]
        return self._explain_missing(judgement)

    def _find_in_stored_digests(self) -> Finding | None:
        findings: list[Finding] = []
        ids = papers.list_public_ids(self.tx, self.paper.id)
        for delivery in deliveries.list_with_papers(self.tx, self.subscriber.id, ids):
            if delivery.digest is None:
                continue
            found = find_in_digest(delivery.digest, ids, max_papers=self.subscriber.max_papers)
            if found is None:
                continue
            verdict, place, facts = found
            former = next((i.paper.id for i in delivery.digest.items if i.paper.id in ids), self.paper.id)
            if former != self.paper.id:
                facts.append(f"they have it as {former}, which was merged into this paper since")
            facts += facts_of_delivery(self.tx, delivery)
            findings.append((verdict, replace(place, delivery=delivery.id, state=delivery.state), facts))
        if not findings:
            return None
        order = list(Verdict)
        verdict, first, _ = min(findings, key=lambda finding: order.index(finding[0]))
        once = "no paper comes twice: later digests leave it out"
        return verdict, first, [*(fact for _, _, facts in findings for fact in facts), once]

    def _next_slot(self, subscriber: Subscriber, now: datetime) -> datetime | None:
        """The slot of their next digest; None for a schedule without days."""
        return slot_due(subscriber.schedule, subscriber.last_slot_at, now) or next_slot(subscriber.schedule, now)

    def _next_candidates_since(self, subscriber: Subscriber, now: datetime) -> datetime:
        """The time after which papers must be first seen to be candidates for their next digest."""
        return candidates_since(subscriber, self.settings, max(now, self._next_slot(subscriber, now) or now))

    def _find_in_next_digest(self, subscriber: Subscriber, *, now: datetime) -> Finding | None:
        """The paper's place in their next digest if they were active, selected as publishing will."""
        slot_at = self._next_slot(subscriber, now)
        if slot_at is None or (self.paper.first_seen_at or now) <= self._next_candidates_since(subscriber, now):
            return None
        selector = PaperSelector(self.compiled_profiles, self.settings, now=max(now, slot_at))
        (digest,) = selector.select(self.tx, [(subscriber, slot_at)])
        ids = papers.list_public_ids(self.tx, self.paper.id)
        return find_in_digest(digest, ids, max_papers=subscriber.max_papers)

    def _explain_missing(self, judgement: tuple[Verdict, list[str]]) -> Finding:
        """Why neither a stored digest nor the next one has the paper."""
        seen_at = self.paper.first_seen_at or self.now
        selection = digests.find_first_decision(self.tx, self.subscriber.id, since=seen_at)
        facts = list(self._facts_of_state())
        if selection is None:
            if self.subscriber.state in _INACTIVE:
                return _INACTIVE[self.subscriber.state], None, [*facts, *self._facts_after_pause()]
            since = self._next_candidates_since(self.subscriber, self.now)
            facts.append("no papers have been selected for them since")
        else:
            if selection.previous_at is None:
                settings = self.settings.for_welcome if selection.is_welcome else self.settings
                since = selection.created_at - timedelta(days=settings.first_digest_days)
            else:
                since = max(selection.previous_at - OVERLAP, selection.created_at - CATCH_UP)
            created_at, slot_at = describe_time(selection.created_at), describe_time(selection.slot_at)
            facts.append(f"papers were selected next at {created_at}, for their digest of {slot_at}")
        if seen_at <= since:
            subscribed_at = subscribers.get_dates(self.tx, self.subscriber.id)["created_at"]
            facts.append(f"it covers papers first seen after {describe_time(since)}; older ones are not news")
            facts.append(f"they were added at {describe_time(subscribed_at)}")
            return Verdict.TOO_EARLY, None, facts
        if selection is not None and selection.empty_reason:
            facts.append(f"that digest was empty: {selection.empty_reason}")
        verdict, reasons = judgement
        return verdict, None, [*facts, *reasons]

    def _facts_of_state(self) -> Iterator[str]:
        """Their state and since when, if they are not active, and a suppression."""
        state, until = self.subscriber.state, self.subscriber.resumes_at
        if state is not SubscriberState.ACTIVE:
            event = _STATE_EVENTS.get(state)
            consent = consents.find_last(self.tx, self.subscriber.id, event) if event else None
            since = f" since {describe_time(consent.at)}" if consent else ""
            yield f"they are {state.value}{since}{f', until {describe_time(until)}' if until else ''}"
        suppression = self.membership.find_suppression(self.tx, self.subscriber.email)
        if suppression is not None:
            yield f"their address is {suppression}"

    def _facts_after_pause(self) -> Iterator[str]:
        """Whether the digest after their pause will have the paper."""
        until = self.subscriber.resumes_at
        if self.subscriber.state is not SubscriberState.PAUSED or until is None:
            return
        just_before = max(self.now, until - timedelta(seconds=1))  # so that a slot at `until` itself is the next one
        found = self._find_in_next_digest(resumed(self.subscriber, until), now=just_before)
        if found is None or found[1] is None:
            yield "the digest after their pause will not have it, as things stand"
        else:
            outcome = "will have it" if found[0] is not Verdict.DID_NOT_FIT else "will have no room for it"
            yield f"the digest after their pause, at {describe_time(found[1].slot_at)}, {outcome}, as things stand"

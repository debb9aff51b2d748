"""From an address and a paper's id to the explanation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.errors import SuppressedError
from digest.explain.coming import Coming
from digest.explain.places import facts_of_mail, facts_of_place, find_place, moment
from digest.explain.record import Explanation, Told, Verdict
from digest.explain.rules import judge
from digest.models import Consent, ConsentEvent, Paper, Subscriber, SubscriberState
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import OVERLAP, SelectionSettings
from digest.sources.identity import keys_in
from digest.store import Transaction, consents, deliveries, digests, papers, profiles, subscribers
from digest.store.digests import Decision
from digest.subscribers.membership import Membership
from digest.subscribers.pauses import CATCH_UP, resumed

_BEFORE_CHOOSING = {
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
_SINCE = {
    SubscriberState.PENDING: ConsentEvent.ASKED,
    SubscriberState.UNSUBSCRIBED: ConsentEvent.UNSUBSCRIBED,
}
_JUST = timedelta(seconds=1)


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
    """Why a subscriber got a paper, or did not; the paper by its id, an arXiv id, a DOI, or a link that holds one.

    Rules are told as they are now: how they were when papers were chosen is not kept. Raises NotFoundError with the
    nearest for an address that is no subscriber's, SuppressedError where such an address may not be mailed.
    """
    subscriber = _subscriber(tx, email, membership)
    paper = _paper(tx, paper_id)
    if paper is None:
        return Explanation(
            email=subscriber.email,
            paper=paper_id,
            title="",
            verdict=Verdict.UNKNOWN_PAPER,
            facts=("papers are named as in the addresses of their pages, such as arxiv:2504.17830",),
        )
    case = _Case(tx, subscriber, paper, Coming(compiled_profiles, selection_settings), membership, now)
    verdict, place, facts = case.verdict()
    known_as = [f"{paper_id} is known as {paper.id}"] if paper_id != paper.id else []
    return Explanation(
        email=subscriber.email,
        paper=paper.id,
        title=paper.title,
        verdict=verdict,
        facts=(*known_as, f"first seen at {_told(paper.first_seen_at)}", *facts),
        place=place,
    )


def _subscriber(tx: Transaction, email: str, membership: Membership) -> Subscriber:
    found = subscribers.find(tx, email)
    suppression = membership.find_suppression(tx, email)
    if found is None and suppression is not None:
        raise SuppressedError(email, f"no subscriber, and {suppression}", "`digest suppression list` shows it")
    return found or subscribers.get(tx, email)


def _paper(tx: Transaction, named: str) -> Paper | None:
    keys = [named, *keys_in(named)]
    found = papers.find_by_keys(tx, keys)
    return next((found[key] for key in keys if key in found), None)


@dataclass(frozen=True, slots=True)
class _Case:
    """One subscriber and one known paper."""

    tx: Transaction
    subscriber: Subscriber
    paper: Paper
    coming: Coming
    membership: Membership
    now: datetime

    def verdict(self) -> Told:
        """What decided, or will."""
        if frozen := self._frozen():
            return frozen
        if self.paper.first_seen_at is not None and self.paper.first_seen_at > self.now:
            return Verdict.UNKNOWN_PAPER, None, [f"that is after {_told(self.now)}, the time asked about"]
        wanted = profiles.find_by_subscribers(self.tx, [self.subscriber.id])[self.subscriber.id]
        judgement = judge(self.subscriber, wanted, self.paper)
        may_come = judgement[0] is Verdict.CHANGED or bool(self.paper.upvotes or self.paper.stars)
        if may_come and self.subscriber.state is SubscriberState.ACTIVE:
            found = self.coming.find(self.tx, self.subscriber, self.paper, now=self.now)
            if found is not None:
                return _NEXT[found[0]], found[1], found[2]
        return self._left_out(judgement)

    def _frozen(self) -> Told | None:
        """A digest names it."""
        told: list[Told] = []
        names = papers.list_public_ids(self.tx, self.paper.id)
        for delivery in deliveries.list_with_papers(self.tx, self.subscriber.id, names):
            if delivery.digest is None or (found := find_place(delivery.digest, names)) is None:
                continue
            verdict, place, item = found
            facts = facts_of_place(place, item, max_papers=self.subscriber.max_papers)
            if item is not None and item.paper.id != self.paper.id:
                facts.append(f"they have it as {item.paper.id}, which was merged into this one since")
            facts += facts_of_mail(self.tx, delivery)
            told.append((verdict, replace(place, delivery=delivery.id, state=delivery.state), facts))
        if not told:
            return None
        order = list(Verdict)
        verdict, first, _ = min(told, key=lambda one: order.index(one[0]))
        no_more = "no paper comes twice: later digests leave it out"
        return verdict, first, [*(fact for _, _, facts in told for fact in facts), no_more]

    def _left_out(self, judgement: tuple[Verdict, list[str]]) -> Told:
        """No digest names it, and the next does not either."""
        seen_at = self.paper.first_seen_at or self.now
        decided = digests.find_first_decision(self.tx, self.subscriber.id, since=seen_at)
        looked_after = self._looked_after(decided)
        if decided is None and self.subscriber.state in _BEFORE_CHOOSING:
            return _BEFORE_CHOOSING[self.subscriber.state], None, [*self._state(), *self._after_pause()]
        facts = [*self._state(), _first_chosen(decided)]
        if seen_at <= looked_after:
            subscribed_at = subscribers.get_dates(self.tx, self.subscriber.id)["created_at"]
            looks = f"it looks at papers first seen after {_told(looked_after)}; older ones are known, and no news"
            return Verdict.TOO_EARLY, None, [*facts, looks, f"they were added at {_told(subscribed_at)}"]
        if decided is not None and decided.empty_reason:
            facts.append(f"that one was empty: {decided.empty_reason}")
        verdict, why = judgement
        return verdict, None, [*facts, *why]

    def _looked_after(self, decided: Decision | None) -> datetime:
        """Papers first seen after this were looked at when papers were chosen, or will be next time."""
        if decided is None:
            return self.coming.candidates_since(self.subscriber, now=self.now)
        if decided.previous_at is None:
            selection_settings = self.coming.selection_settings
            of_this = selection_settings.for_welcome if decided.is_welcome else selection_settings
            return decided.created_at - timedelta(days=of_this.first_digest_days)
        return max(decided.previous_at - OVERLAP, decided.created_at - CATCH_UP)

    def _state(self) -> Iterator[str]:
        """What they are where they are not active, since when, and what stands against mailing them."""
        state, until = self.subscriber.state, self.subscriber.resumes_at
        since = self._last(_SINCE[state]) if state in _SINCE else None
        if state is not SubscriberState.ACTIVE:
            ends = f", until {_told(until)}" if until else ""
            yield f"they are {state.value}{f' since {_told(since.at)}' if since else ''}{ends}"
        suppression = self.membership.find_suppression(self.tx, self.subscriber.email)
        if suppression is not None:
            yield f"their address is {suppression}"

    def _last(self, event: ConsentEvent) -> Consent | None:
        return consents.find_last(self.tx, self.subscriber.id, event)

    def _after_pause(self) -> list[str]:
        until = self.subscriber.resumes_at
        if self.subscriber.state is not SubscriberState.PAUSED or until is None:
            return []
        after = max(self.now, until - _JUST)
        found = self.coming.find(self.tx, resumed(self.subscriber, until), self.paper, now=after)
        if found is None or found[1] is None:
            return ["the digest after their pause does not have it, as things stand"]
        has = "has it" if found[0] is not Verdict.DID_NOT_FIT else "has no room for it"
        return [f"the digest after their pause, at {moment(found[1])}, {has} as things stand"]


def _first_chosen(decided: Decision | None) -> str:
    if decided is None:
        return "no papers have been chosen for them since"
    return f"papers were chosen next at {_told(decided.created_at)}, for their digest of {_told(decided.slot_at)}"


def _told(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "no time"

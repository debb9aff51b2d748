"""From an address and a paper's id to the explanation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from digest.chooser import OVERLAP, Chooser, Publishing, looks_after
from digest.errors import SuppressedError
from digest.explain.places import facts_of_mail, facts_of_place, find_place, moment
from digest.explain.record import Explanation, Place, Verdict
from digest.explain.rules import judge
from digest.interests import Interests
from digest.membership import Membership
from digest.models import Consent, ConsentEvent, Paper, Subscriber, SubscriberState
from digest.pauses import CATCH_UP, resumed
from digest.schedule import next_slot, slot_due
from digest.sources.identity import arxiv_id_in, doi_in
from digest.store import Transaction, consents, digests, outbox, papers, profiles, subscribers
from digest.store.digests import Decision

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
    interests: Interests,
    publishing: Publishing,
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
    names = papers.list_names(tx, paper.id)
    case = _Case(tx, subscriber, paper, names, interests, publishing, membership, now)
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
    arxiv_id, doi = arxiv_id_in(named)[0], doi_in(named)
    keys = [named, *([f"arxiv:{arxiv_id}"] if arxiv_id else []), *([f"doi:{doi}"] if doi else [])]
    found = papers.find_by_keys(tx, keys)
    return next((found[key] for key in keys if key in found), None)


_Told = tuple[Verdict, Place | None, list[str]]


@dataclass(frozen=True, slots=True)
class _Case:
    """One subscriber and one known paper."""

    tx: Transaction
    subscriber: Subscriber
    paper: Paper
    names: Sequence[str]  # the paper's, its own first
    interests: Interests
    publishing: Publishing
    membership: Membership
    now: datetime

    def verdict(self) -> _Told:
        """What decided, or will."""
        return self._frozen() or self._coming() or self._left_out()

    def _frozen(self) -> _Told | None:
        """A digest names it."""
        told: list[_Told] = []
        for delivery in outbox.list_holding(self.tx, self.subscriber.id, self.names):
            if delivery.digest is None or (found := find_place(delivery.digest, self.names)) is None:
                continue
            verdict, place, item = found
            facts = facts_of_place(place, item, max_papers=self.subscriber.max_papers)
            if item is not None and item.paper.id != self.paper.id:
                facts.append(f"they have it as {item.paper.id}, which was merged into this one since")
            facts += facts_of_mail(self.tx, delivery)
            told.append((verdict, replace(place, delivery=delivery.id, state=delivery.state), facts))
        if not told:
            return None
        verdict, first, _ = min(told, key=lambda one: list(Verdict).index(one[0]))
        no_more = "no paper comes twice: later digests leave it out"
        return verdict, first, [*(fact for _, _, facts in told for fact in facts), no_more]

    def _coming(self) -> _Told | None:
        """Their next digest would name it, and nothing keeps that from being made."""
        if self.subscriber.state is not SubscriberState.ACTIVE:
            return None
        found = self._in_next(self.subscriber, self.now)
        return None if found is None else (_NEXT[found[0]], found[1], found[2])

    def _in_next(self, subscriber: Subscriber, now: datetime) -> _Told | None:
        slot_at = slot_due(subscriber.schedule, subscriber.last_slot_at, now) or next_slot(subscriber.schedule, now)
        if slot_at is None:
            return None
        chooser = Chooser(self.interests, self.publishing, now=max(now, slot_at))
        (digest,) = chooser.decide(self.tx, [(subscriber, slot_at)])
        found = find_place(digest, self.names)
        if found is None:
            return None
        verdict, place, item = found
        return verdict, place, facts_of_place(place, item, max_papers=subscriber.max_papers)

    def _left_out(self) -> _Told:
        """No digest names it, and the next does not either."""
        seen_at = self.paper.first_seen_at or self.now
        decided = digests.find_first_decided(self.tx, self.subscriber.id, since=seen_at)
        looked_after = self._looked_after(decided)
        if decided is None and self.subscriber.state in _BEFORE_CHOOSING:
            return _BEFORE_CHOOSING[self.subscriber.state], None, [*self._state(), *self._after_pause()]
        first = f"that of {decided.slot_at:%Y-%m-%d %H:%M} UTC" if decided else "their next one"
        facts = [*self._state(), f"the first digest after that is {first}"]
        if seen_at <= looked_after:
            subscribed_at = subscribers.dates(self.tx, self.subscriber.id)["created_at"]
            looks = f"it looks at papers first seen after {_told(looked_after)}; older ones are known, and no news"
            return Verdict.TOO_EARLY, None, [*facts, looks, f"they were added at {_told(subscribed_at)}"]
        if decided is not None and decided.empty_reason:
            facts.append(f"that one was empty: {decided.empty_reason}")
        wanted = profiles.list_wanted_by(self.tx, [self.subscriber.id])[self.subscriber.id]
        verdict, why = judge(self.subscriber, wanted, self.paper)
        return verdict, None, [*facts, *why]

    def _looked_after(self, decided: Decision | None) -> datetime:
        """Papers first seen after this were looked at when papers were chosen, or will be next time."""
        if decided is None:
            slot_at = next_slot(self.subscriber.schedule, self.now) or self.now
            due = slot_due(self.subscriber.schedule, self.subscriber.last_slot_at, self.now)
            return looks_after(self.subscriber, self.publishing, self.now if due else slot_at)
        if decided.previous_at is None:
            of_this = self.publishing.of_welcome if decided.is_welcome else self.publishing
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
        found = self._in_next(resumed(self.subscriber, until), max(self.now, until - _JUST))
        if found is None or found[1] is None:
            return ["the digest after their pause does not have it, as things stand"]
        has = "has it" if found[0] is not Verdict.DID_NOT_FIT else "has no room for it"
        return [f"the digest after their pause, at {moment(found[1])}, {has} as things stand"]


def _told(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "no time"

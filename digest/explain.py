"""Why a subscriber got a paper, or did not: the verdict, and the facts that support it. Only reads the store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from digest.errors import RuleError, SuppressedError
from digest.matching.language.query import Rule
from digest.matching.near_misses import list_matching_rules, list_near_misses
from digest.models import ConsentEvent, Delivery, DeliveryState, Digest, Paper, Profile, Subscriber, SubscriberState
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import (
    OVERLAP,
    PaperSelector,
    SelectionSettings,
    Window,
    first_digest_since,
    window_of,
)
from digest.sources.identity import keys_in
from digest.store import Transaction, bounces, consents, deliveries, digests, outbox, papers, profiles, subscribers
from digest.subscribers.membership import Membership
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import CATCH_UP, digest_due, next_digest_at, resumed

_MAX_NEAR_MISSES = 3  # rules of a profile that are shown if none matched


class Verdict(StrEnum):
    """Why, in the order in which it is decided."""

    UNKNOWN_PAPER = "unknown-paper"
    SHOWN = "shown"  # in their digest; the delivery says whether it arrived
    TRENDING = "trending"  # in their digest, as a popular paper
    DID_NOT_FIT = "did-not-fit"  # it matched, but better matches filled the digest
    NEXT = "next"  # their next digest will have it
    NEXT_TRENDING = "next-trending"
    NEXT_DOES_NOT_FIT = "next-does-not-fit"
    PENDING = "pending"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    TOO_EARLY = "too-early"  # first seen before the period that their digests cover
    FOLLOWS_NOTHING = "follows-nothing"
    UNREADABLE = "unreadable-rules"
    NO_MATCH = "no-match"
    MUTED = "muted"
    ANNOUNCE_TYPE = "announce-type"
    CHANGED = "matches-now"  # the rules or the paper have changed since papers were selected


_ANSWERS = {
    Verdict.UNKNOWN_PAPER: "No: Digest does not know this paper, or did not know it at that time.",
    Verdict.TRENDING: "Yes: as a popular paper, in addition to those that match their rules.",
    Verdict.DID_NOT_FIT: "No: it matched, but did not fit into their digest.",
    Verdict.NEXT: "Not yet: their next digest is expected to contain it.",
    Verdict.NEXT_TRENDING: "Not yet: their next digest is expected to contain it as a popular paper.",
    Verdict.NEXT_DOES_NOT_FIT: "Not yet: it matches, but is not expected to fit into their next digest.",
    Verdict.PENDING: "No: they have not confirmed their subscription.",
    Verdict.PAUSED: "No: they have paused their digest.",
    Verdict.UNSUBSCRIBED: "No: they have unsubscribed.",
    Verdict.SUPPRESSED: "No: their address is suppressed.",
    Verdict.TOO_EARLY: "No: it was first seen before the period that their digests cover.",
    Verdict.FOLLOWS_NOTHING: "No: they follow no profile and have no keywords.",
    Verdict.UNREADABLE: "No: some of their rules are invalid, and the others do not match it.",
    Verdict.NO_MATCH: "No: none of their rules matches it.",
    Verdict.MUTED: "No: a rule that begins with - excludes it.",
    Verdict.ANNOUNCE_TYPE: "No: it matches, but it is of a type that they do not want.",
    Verdict.CHANGED: "No: their rules match it now, but did not when their papers were selected.",
}
_SHOWN_ANSWERS = {
    DeliveryState.SENT: "Yes: it was in their digest.",
    DeliveryState.FAILED: "No: it was in their digest, but that email could not be delivered.",
    DeliveryState.IN_DOUBT: "Perhaps: it was in their digest, but it is not known whether that email arrived.",
}
_WAITING = "Not yet: it is in a digest that has not been sent."
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
_STATE_EVENTS = {SubscriberState.PENDING: ConsentEvent.ASKED, SubscriberState.UNSUBSCRIBED: ConsentEvent.UNSUBSCRIBED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a paper in a stored or future digest."""

    slot_at: datetime
    section: str = ""  # the profile's name; "" if it is not shown for a profile
    score: float = 0.0
    rules: tuple[str, ...] = ()
    number: int = 0  # among the papers that did not fit, from 1; 0 if it is shown
    shown: int = 0  # papers in that digest
    delivery: int = 0  # number in the outbox; 0 for a future digest
    state: DeliveryState | None = None


Finding = tuple[Verdict, Place | None, list[str]]  # with facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether a subscriber got a paper, and why."""

    email: str
    paper: str  # its current id, or the id asked for if it is unknown
    title: str
    verdict: Verdict
    facts: tuple[str, ...]  # one line each, in the order in which they decide
    place: Place | None = None

    @property
    def answer(self) -> str:
        """The verdict in plain words."""
        state = self.place.state if self.place is not None else None
        unsent_trending = self.verdict is Verdict.TRENDING and state not in {None, DeliveryState.SENT}
        if self.verdict is Verdict.SHOWN or unsent_trending:
            return _WAITING if state is None else _SHOWN_ANSWERS.get(state, _WAITING)
        return _ANSWERS[self.verdict]


def find_in_digest(digest: Digest, ids: Sequence[str], *, max_papers: int) -> tuple[Verdict, Place, list[str]] | None:
    """Return the place of the paper with these ids in a digest and the facts about it, or None if it is not there."""
    place = Place(slot_at=digest.slot_at, shown=len(digest.items))
    slot = describe_time(digest.slot_at)
    for item in digest.items:
        if item.paper.id in ids:
            where: dict[str, dict[str, None]] = {}  # rule -> its matches, without repetitions
            for found in item.evidence:
                words = item.paper.text_of(found.field)[found.start : found.end]
                where.setdefault(found.rule, {})[f"{found.field.value} ({words!r})"] = None
            also = f"; also matched by {', '.join(item.also)}" if item.also else ""
            facts = [f"in the digest of {slot}, section {item.profile!r}, score {item.score:.1f}{also}"]
            facts += [f"rule {rule!r} matched in {', '.join(matches)}" for rule, matches in where.items()]
            return Verdict.SHOWN, replace(place, section=item.profile, score=item.score, rules=tuple(where)), facts
    if any(paper.id in ids for paper in digest.trending):
        return Verdict.TRENDING, place, [f"in the digest of {slot}, among the popular papers"]
    number = next((n for n, paper_id in enumerate(digest.more, 1) if paper_id in ids), 0)
    if not number:
        return None
    noun = "paper" if place.shown == 1 else "papers"
    fact = f"number {number} after the {place.shown} {noun} of the digest of {slot}; max_papers is {max_papers}"
    return Verdict.DID_NOT_FIT, replace(place, number=number), [fact]


def facts_of_delivery(tx: Transaction, delivery: Delivery) -> Iterator[str]:
    """Yield what became of a delivery, with the server's reply."""
    name = f"delivery {delivery.id}"
    reply = f": {delivery.reply}" if delivery.reply else ""
    match delivery.state:
        case DeliveryState.SENT:
            sent_at = deliveries.find_sent_at(tx, delivery.id)
            yield f"{name} was sent{f' at {describe_time(sent_at)}' if sent_at else ''}{reply}"
            for bounce in bounces.list_by_delivery(tx, delivery.id):
                words = " ".join(filter(None, (bounce.kind, bounce.status, bounce.reply)))
                yield f"it bounced at {describe_time(bounce.bounced_at)}: {words}"
            return
        case DeliveryState.FAILED:
            yield f"{name} has failed{reply}"
            return
        case DeliveryState.IN_DOUBT:
            yield f"{name} is in doubt{reply}; `digest outbox resolve` decides"
            return
        case DeliveryState.DEFERRED:
            next_try = f"the next attempt is at {describe_time(delivery.next_at)}"
            yield f"{name} was deferred at attempt {delivery.attempts}; {next_try}{reply}"
        case DeliveryState.QUEUED | DeliveryState.LEASED | DeliveryState.SENDING:
            yield f"{name} is {delivery.state.value}, since {describe_time(delivery.queued_at)}"
    hold = outbox.find_hold(tx)
    if hold is not None:
        yield f"sending is on hold since {describe_time(hold.held_at)}{f' ({hold.reason})' if hold.reason else ''}"


def judge(subscriber: Subscriber, followed: Sequence[Profile], paper: Paper) -> tuple[Verdict, list[str]]:
    """Return what the subscriber's current rules say about a paper. The verdict is CHANGED if nothing rules it out."""
    if not followed:
        return Verdict.FOLLOWS_NOTHING, []
    judged: list[_JudgedProfile] = []
    for profile in followed:
        try:
            rules = list_matching_rules(profile, paper)
        except RuleError as error:
            judged.append(_JudgedProfile(profile, error=error.reason))
        else:
            matching, excluding = [r for r in rules if not r.excludes], [r for r in rules if r.excludes]
            judged.append(_JudgedProfile(profile, matching, excluding))
    facts = [fact for one in judged for fact in one.facts(paper)]
    wanted_by = [one for one in judged if one.matching]
    if not wanted_by:
        return (Verdict.UNREADABLE if any(one.error for one in judged) else Verdict.NO_MATCH), facts
    # A personal profile's exclusions hold for the whole digest, a shared profile's only for its own matches.
    if any(one.is_personal and one.excluding for one in judged) or all(one.excluding for one in wanted_by):
        return Verdict.MUTED, facts
    if paper.announce_type not in subscriber.announce_types:
        types = ", ".join(sorted(subscriber.announce_types))
        return Verdict.ANNOUNCE_TYPE, [*facts, f"announced as {paper.announce_type.value}; they want {types}"]
    return Verdict.CHANGED, facts


@dataclass(frozen=True, slots=True)
class _JudgedProfile:
    """A profile, and those of its rules that are true of the paper."""

    profile: Profile
    matching: Sequence[Rule] = ()
    excluding: Sequence[Rule] = ()
    error: str = ""  # of invalid rules

    @property
    def is_personal(self) -> bool:
        return self.profile.owner_id is not None

    def facts(self, paper: Paper) -> Iterator[str]:
        name = "their own keywords" if self.is_personal else f"profile {self.profile.name!r}"
        if self.error:
            yield f"{name} has invalid rules and matches nothing: {self.error}"
            return
        for rule in self.matching:
            yield f"{name}, line {rule.line}: {rule.text!r} matches"
        for rule in self.excluding:
            excluded_from = "their digest" if self.is_personal else "that profile"
            yield f"{name}, line {rule.line}: -{rule.text} excludes it from {excluded_from}"
        if not self.matching:
            near_misses = list_near_misses(self.profile, paper, limit=_MAX_NEAR_MISSES)
            if not near_misses:
                yield f"{name}: the paper contains no word of its rules in the fields that they look in"
            for miss in near_misses:
                has, lacks, excluded_by = (
                    ", ".join(map(repr, words)) for words in (miss.has, miss.lacks, miss.excluded_by)
                )
                but = f", not {lacks}" if lacks else "" if excluded_by else ", but not as the rule requires"
                excluded = f"; it has {excluded_by}, which the rule excludes" if excluded_by else ""
                yield f"{name}: {miss.rule!r} almost matched: the paper has {has}{but}{excluded}"


def describe_time(at: datetime | None) -> str:
    """Return a time in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "an unknown time"


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
        once = "later digests leave this paper out, because no paper is sent twice"
        return verdict, first, [*(fact for _, _, facts in findings for fact in facts), once]

    def _next_window(self, subscriber: Subscriber, now: datetime) -> Window:
        """Return which papers their next digest looks at."""
        return window_of(subscriber, self.settings, max(now, _slot_at(subscriber, now) or now))

    def _find_in_next_digest(self, subscriber: Subscriber, *, now: datetime) -> Finding | None:
        """Return the paper's place in their next digest if they were active, selected as publishing will."""
        slot_at = _slot_at(subscriber, now)
        if slot_at is None or not self._next_window(subscriber, now).contains(self.paper):
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
            window = self._next_window(self.subscriber, self.now)
            since, is_older = window.read_since, not window.contains(self.paper)
            facts.append("no papers have been selected for them since")
        else:
            if selection.previous_at is None:
                settings = self.settings.for_welcome if selection.is_welcome else self.settings
                since = first_digest_since(self.subscriber, settings, selection.created_at)
            else:
                since = max(selection.previous_at - OVERLAP, selection.created_at - CATCH_UP)
                since = max(since, self.subscriber.papers_from or since)
            is_older = seen_at <= since
            created_at, slot_at = describe_time(selection.created_at), describe_time(selection.slot_at)
            facts.append(f"papers were selected next at {created_at}, for their digest of {slot_at}")
        if is_older:
            subscribed_at = subscribers.get_dates(self.tx, self.subscriber.id)["created_at"]
            facts.append(f"that digest contains papers first seen after {describe_time(since)}, and no older ones")
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
        if problem := problem_of(self.subscriber, self.now):
            yield problem
        suppression = self.membership.find_suppression(self.tx, self.subscriber.email)
        if suppression is not None:
            yield f"their address is {suppression}"

    def _facts_after_pause(self) -> Iterator[str]:
        """Yield whether the digest after their pause will have the paper."""
        until = self.subscriber.resumes_at
        if self.subscriber.state is not SubscriberState.PAUSED or until is None:
            return
        found = self._find_in_next_digest(resumed(self.subscriber, until), now=max(self.now, until))
        if found is None or found[1] is None:
            yield "the digest after their pause is not expected to contain it"
        else:
            outcome = "contain it" if found[0] is not Verdict.DID_NOT_FIT else "have no room for it"
            yield f"the digest after their pause, at {describe_time(found[1].slot_at)}, is expected to {outcome}"


def _slot_at(subscriber: Subscriber, now: datetime) -> datetime | None:
    """Return the slot that is due at `now`, also at this very moment, or else the next one."""
    return digest_due(subscriber, now) or next_digest_at(subscriber, now)

"""An explanation: the verdict, and the facts in plain words that support it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from digest.errors import RuleError
from digest.matching.language.query import Rule
from digest.matching.near_misses import list_matching_rules, list_near_misses
from digest.models import Delivery, DeliveryState, Digest, Paper, Profile, Subscriber
from digest.store import Transaction, bounces, deliveries, outbox

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
    Verdict.UNKNOWN_PAPER: "No: this paper is not known here, or was not at that time.",
    Verdict.TRENDING: "Yes: as a popular paper, in addition to those that match their rules.",
    Verdict.DID_NOT_FIT: "No: it matched, but did not fit into their digest.",
    Verdict.NEXT: "Not yet: their next digest will have it, as things stand.",
    Verdict.NEXT_TRENDING: "Not yet: their next digest will have it as a popular paper, as things stand.",
    Verdict.NEXT_DOES_NOT_FIT: "Not yet: it matches, but does not fit into their next digest, as things stand.",
    Verdict.PENDING: "No: they have not confirmed their subscription.",
    Verdict.PAUSED: "No: they have paused their digest.",
    Verdict.UNSUBSCRIBED: "No: they have unsubscribed.",
    Verdict.SUPPRESSED: "No: their address is suppressed.",
    Verdict.TOO_EARLY: "No: it was first seen before the period that their digests cover.",
    Verdict.FOLLOWS_NOTHING: "No: they follow no profile and have no keywords.",
    Verdict.UNREADABLE: "No: some of their rules are invalid, and the others do not match it.",
    Verdict.NO_MATCH: "No: none of their rules matches it.",
    Verdict.MUTED: "No: a rule that begins with - excludes it.",
    Verdict.ANNOUNCE_TYPE: "No: it matches, but was announced in a way that they do not want.",
    Verdict.CHANGED: "No: their rules match it now, but did not when their papers were selected.",
}
_SHOWN_ANSWERS = {
    DeliveryState.SENT: "Yes: it was in their digest.",
    DeliveryState.FAILED: "No: it was in their digest, but that mail failed.",
    DeliveryState.IN_DOUBT: "Perhaps: it was in their digest, but it is not known whether that mail arrived.",
}
_WAITING = "Not yet: it is in a digest that has not been sent."


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
    """What became of a delivery, with the server's reply."""
    name = f"delivery {delivery.id}"
    reply = f": {delivery.reply}" if delivery.reply else ""
    match delivery.state:
        case DeliveryState.SENT:
            sent_at = deliveries.find_sent_at(tx, delivery.id)
            yield f"{name} was sent{f' at {describe_time(sent_at)}' if sent_at else ''}{reply}"
            for bounce in bounces.list_by_delivery(tx, delivery.id):
                words = " ".join(filter(None, (bounce["kind"], bounce["status"], bounce["reply"])))
                yield f"it bounced at {describe_time(bounce['bounced_at'])}: {words}"
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
                but = f", not {lacks}" if lacks else "" if excluded_by else ", but not as the rule asks"
                excluded = f"; it has {excluded_by}, which the rule excludes" if excluded_by else ""
                yield f"{name}: {miss.rule!r} came near: the paper has {has}{but}{excluded}"


def describe_time(at: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "an unknown time"

"""The answer: a verdict, and the facts it rests on. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from digest.models import DeliveryState


class Verdict(StrEnum):
    """Why, in the order in which it is decided."""

    UNKNOWN_PAPER = "unknown-paper"
    SHOWN = "shown"  # their digest has it; the delivery says whether it arrived
    TRENDING = "trending"  # their digest has it as popular
    DID_NOT_FIT = "did-not-fit"  # it matched, and better ones took the room
    NEXT = "next"  # their next digest would have it
    NEXT_TRENDING = "next-trending"
    NEXT_DOES_NOT_FIT = "next-does-not-fit"
    PENDING = "pending"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"
    SUPPRESSED = "suppressed"
    TOO_EARLY = "too-early"  # it was known before the time that their digests looked at
    FOLLOWS_NOTHING = "follows-nothing"
    UNREADABLE = "unreadable-rules"
    NO_MATCH = "no-match"
    MUTED = "muted"
    ANNOUNCE_TYPE = "announce-type"
    CHANGED = "matches-now"  # it does by now; when papers were chosen their rules, or the paper, read otherwise


ANSWERS = {
    Verdict.UNKNOWN_PAPER: "No: no such paper is known here, or was at that time.",
    Verdict.TRENDING: "Yes: as a popular paper, besides those that their rules ask for.",
    Verdict.DID_NOT_FIT: "No: it matched, and did not fit into their digest.",
    Verdict.NEXT: "Not yet: their next digest has it, as things stand.",
    Verdict.NEXT_TRENDING: "Not yet: their next digest has it as a popular paper, as things stand.",
    Verdict.NEXT_DOES_NOT_FIT: "Not yet: it matches, and does not fit into their next digest as things stand.",
    Verdict.PENDING: "No: they have not confirmed that they want the digest.",
    Verdict.PAUSED: "No: they pause.",
    Verdict.UNSUBSCRIBED: "No: they have unsubscribed.",
    Verdict.SUPPRESSED: "No: they must not be mailed.",
    Verdict.TOO_EARLY: "No: it was known here before the time that their digests looked at.",
    Verdict.FOLLOWS_NOTHING: "No: they follow no profile and have no keywords.",
    Verdict.UNREADABLE: "No: rules of theirs cannot be read, and the others do not match it.",
    Verdict.NO_MATCH: "No: none of their rules matches it.",
    Verdict.MUTED: "No: a line that keeps papers out keeps it from them.",
    Verdict.ANNOUNCE_TYPE: "No: it matches, and was announced in a way that they do not want.",
    Verdict.CHANGED: "No: their rules match it as both are now, and did not when papers were chosen for them.",
}
SHOWN_ANSWERS = {
    DeliveryState.SENT: "Yes: it was in their digest.",
    DeliveryState.FAILED: "No: it was in their digest, and that mail failed.",
    DeliveryState.IN_DOUBT: "Perhaps: it was in their digest, and nobody knows whether that mail arrived.",
}
WAITING = "Not yet: it is in a digest of theirs that has not been sent."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a paper stands in a digest, frozen or to come."""

    slot_at: datetime
    section: str = ""  # the profile's name; "" where it is not shown for one
    score: float = 0.0
    rules: tuple[str, ...] = ()
    number: int = 0  # among what did not fit, from 1; 0 where it is shown
    shown: int = 0  # papers in that digest
    delivery: int = 0  # its number in the outbox; 0 for a digest to come
    state: DeliveryState | None = None


Told = tuple[Verdict, Place | None, list[str]]  # with the facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether somebody got a paper, and why."""

    email: str
    paper: str  # its id now; as it was asked for where it is unknown
    title: str
    verdict: Verdict
    facts: tuple[str, ...]  # a line each, in the order in which they decide
    place: Place | None = None

    @property
    def answer(self) -> str:
        """The verdict in plain words."""
        failed = self.place is not None and self.place.state not in {None, DeliveryState.SENT}
        if self.verdict is Verdict.SHOWN or (self.verdict is Verdict.TRENDING and failed):
            state = self.place.state if self.place is not None else None
            return WAITING if state is None else SHOWN_ANSWERS.get(state, WAITING)
        return ANSWERS[self.verdict]

"""Profiles, their compiled rules, and what the rules found in papers."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime

from digest.models.papers import Field, Paper

OWN_KEYWORDS = "Your keywords"  # what a personal profile is called; mails say it in the reader's language


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named interest. Shared when `owner_id` is None, else one subscriber's own keywords and mutes."""

    name: str
    rules: str
    id: int = 0  # 0 before it is stored
    owner_id: int | None = None

    @property
    def fingerprint(self) -> int:
        """Tells these rules from others: what was compiled from one text is no use for another."""
        return fingerprint(self.rules)


EXCLUDES = -math.inf  # the weight of a rule that keeps papers out: no sum that holds it is above nothing


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule of a profile, compiled: what it asks in canonical words, and how much it weighs."""

    query: str
    weight: float  # above 0, or EXCLUDES
    line: int  # of the profile's text, from 1


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A profile's text, read and found good. `rules` holds each query once."""

    text: str
    rules: tuple[CompiledRule, ...]

    @property
    def has_positive_rules(self) -> bool:
        """Whether they ask for papers at all: some rules only say what is not wanted."""
        return any(rule.weight != EXCLUDES for rule in self.rules)


def fingerprint(rules: str) -> int:
    """64 bits of a profile's text."""
    return int.from_bytes(hashlib.blake2b(rules.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Evidence:
    """Where one rule found one of its terms: `paper.text_of(field)[start:end]` is the matched text."""

    field: Field
    start: int
    end: int
    rule: str  # the rule as its author wrote it, without weight and comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What one rule adds to a match's score."""

    rule: str  # as its author wrote it, without weight and comment
    score: float  # > 0
    in_title: bool  # a word that it asks for stands there


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A paper that a profile wants, how much, and why."""

    paper: Paper
    profile: Profile
    score: float  # > 0: the sum over its reasons
    reasons: tuple[Reason, ...] = ()  # what counts most first; not given where nobody asked
    evidence: tuple[Evidence, ...] = ()  # sorted by field, start, end; likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """A shared profile as it was saved once: the name and the rules that it had from then on."""

    number: int  # from 1, among the versions of its profile
    name: str
    rules: str
    saved_at: datetime
    saved_by: str  # an admin's address, or the way: "command line"; "" where nobody noted it

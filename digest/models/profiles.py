"""Profiles, their compiled rules, and what the rules found in papers."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime

from digest.models.papers import Field, Paper

OWN_KEYWORDS = "Your keywords"  # the name of every personal profile; mails translate it


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Named rules: shared if `owner_id` is None, else one subscriber's own keywords and mutes."""

    name: str
    rules: str
    id: int = 0  # 0 before it is stored
    owner_id: int | None = None

    @property
    def fingerprint(self) -> int:
        """The fingerprint of the rules, which tells whether something was compiled from this text."""
        return fingerprint(self.rules)


EXCLUDES = -math.inf  # the weight of a rule that excludes papers: it makes every sum negative


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule of a profile as a canonical query, with its weight."""

    query: str
    weight: float  # above 0, or EXCLUDES
    line: int  # in the profile's text, from 1


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The valid text of a profile, compiled. `rules` has each query once."""

    text: str
    rules: tuple[CompiledRule, ...]

    @property
    def has_positive_rules(self) -> bool:
        """True if at least one rule selects papers, and not all only exclude some."""
        return any(rule.weight != EXCLUDES for rule in self.rules)


def fingerprint(rules: str) -> int:
    """Return a 64-bit hash of a profile's text."""
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
    """What one rule contributes to a match's score."""

    rule: str  # as its author wrote it, without weight and comment
    score: float  # > 0
    in_title: bool  # True if the title has one of its terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A paper that matches a profile, with its score and the reasons."""

    paper: Paper
    profile: Profile
    score: float  # > 0: the sum over its reasons
    reasons: tuple[Reason, ...] = ()  # highest score first; empty if not requested
    evidence: tuple[Evidence, ...] = ()  # sorted by field, start, end; empty if not requested


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """One saved version of a shared profile."""

    number: int  # from 1, among the versions of its profile
    name: str
    rules: str
    saved_at: datetime
    saved_by: str  # an admin's address, or "command line"; "" if unknown

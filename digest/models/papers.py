"""Papers, the rules that ask for them, and what was found where."""

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AnnounceType(StrEnum):
    """What a feed says of an entry, in arXiv's terms (relative to the feed that was asked)."""

    NEW = "new"
    CROSS = "cross"
    REPLACE = "replace"
    REPLACE_CROSS = "replace-cross"


class Field(StrEnum):
    """The parts of a paper that a rule can look in."""

    TITLE = "title"
    ABSTRACT = "abstract"
    AUTHOR = "author"
    CATEGORY = "category"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item as a feed served it. Texts are already readable: plain characters, white space folded."""

    guid: str
    title: str
    abstract: str = ""
    title_source: str = ""  # as its author wrote it, where its LaTeX was made readable; else ""
    abstract_source: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # the first is the primary one
    url: str = ""
    pdf_url: str = ""
    code_url: str = ""
    discussion_url: str = ""
    arxiv_id: str = ""  # without a version: "2504.17830", "astro-ph/0601001"
    arxiv_version: int = 0  # 0: not said
    doi: str = ""  # lower case, without a resolver
    announce_type: AnnounceType = AnnounceType.NEW
    published_at: datetime | None = None
    upvotes: int | None = None
    stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The work, once, however many entries announced it."""

    id: str  # public and stable: "arxiv:2504.17830", "doi:10.1101/…", "title:<12 hex>"
    title: str
    abstract: str = ""
    title_source: str = ""  # as its author wrote it, where its LaTeX was made readable; else ""
    abstract_source: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    url: str = ""
    pdf_url: str = ""
    code_url: str = ""
    discussion_url: str = ""
    announce_type: AnnounceType = AnnounceType.NEW
    published_at: datetime | None = None
    upvotes: int | None = None
    stars: int | None = None
    revision: int = 1  # rises when what is shown changes
    first_seen_at: datetime | None = None  # by us; None before it is stored

    def text_of(self, field: Field) -> str:
        """The field's text as shown: what evidence offsets index."""
        match field:
            case Field.TITLE:
                return self.title
            case Field.ABSTRACT:
                return self.abstract
            case Field.AUTHOR:
                return ", ".join(self.authors)
            case Field.CATEGORY:
                return ", ".join(self.categories)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A source announced a paper."""

    source: str  # its name in the configuration
    announce_type: AnnounceType
    at: datetime


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
    """A profile's text, read and found good. `asks` holds each query once."""

    text: str
    asks: tuple[CompiledRule, ...]

    @property
    def has_positive_rules(self) -> bool:
        """Whether they ask for papers at all: some rules only say what is not wanted."""
        return any(ask.weight != EXCLUDES for ask in self.asks)


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

"""Papers, the entries and sightings they come from, and papers that readers propose."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AnnounceType(StrEnum):
    """How a feed announces an entry, in arXiv's terms, relative to the feed that was fetched."""

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
class Work:
    """What an entry and a paper both say about a work. Texts are plain characters with folded white space."""

    title: str
    abstract: str = ""
    title_source: str = ""  # with its LaTeX, if that was converted; else ""
    abstract_source: str = ""
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # the first is the primary one
    url: str = ""
    pdf_url: str = ""
    code_url: str = ""
    discussion_url: str = ""
    announce_type: AnnounceType = AnnounceType.NEW
    published_at: datetime | None = None
    upvotes: int | None = None
    stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Work):
    """One item of a feed."""

    guid: str
    arxiv_id: str = ""  # without a version: "2504.17830", "astro-ph/0601001"
    arxiv_version: int = 0  # 0: unknown
    doi: str = ""  # lower case, without a resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(Work):
    """A work, once, however many entries announced it."""

    id: str  # public and stable: "arxiv:2504.17830", "doi:10.1101/…", "title:<12 hex>"
    revision: int = 1  # rises when its text changes
    first_seen_at: datetime | None = None  # None before it is stored

    def text_of(self, field: Field) -> str:
        """Return a field's text as it is shown. The offsets of evidence refer to it."""
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
    """The first time that a source announced a paper."""

    source: str  # its name in the configuration
    announce_type: AnnounceType
    at: datetime


class SubmissionState(StrEnum):
    """What an editor decided. A rejected paper may still be approved."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A paper that a reader proposed."""

    id: int
    url: str  # the canonical one
    state: SubmissionState
    submitted_at: datetime
    origin: str  # how and from where it came: "page from 192.0.2.7"
    decided_at: datetime | None = None
    paper_id: str = ""  # public id of the paper that was added; "" before

"""Papers, the entries and sightings they come from, papers that readers propose, and the periods of editions."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, timedelta
from enum import StrEnum
from typing import Self

from digest.errors import UsageError

_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


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
    arxiv_version: int = 0  # 0: unknown, or not told by arXiv itself
    doi: str = ""  # lower case, without a resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper(Work):
    """A work, once, however many entries announced it."""

    id: str  # public and stable: "arxiv:2504.17830", "doi:10.1101/…", "title:<12 hex>"
    revision: int = 1  # rises when its text changes
    from_arxiv: bool = False  # arXiv itself announced it, and alone decides what is stored of it
    first_seen_at: datetime | None = None  # None before it is stored
    number: int = field(default=0, compare=False)  # in the order of ingest; 0 before it is stored

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


class Span(StrEnum):
    """The length of a period."""

    DAY = "day"
    WEEK = "week"  # ISO 8601: from Monday
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """The editions of a day, a week or a month, as URLs name it: "2026-09-11", "2026-W37", "2026-09"."""

    span: Span
    first_on: date

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the period with this name. Raises UsageError if there is none."""
        with suppress(ValueError):  # no such day, week or month
            if name[:4] == str(MAXYEAR):
                pass  # its last week and month end after the last date
            elif week := _WEEK.fullmatch(name):
                return cls(Span.WEEK, date.fromisocalendar(int(week[1]), int(week[2]), 1))
            elif month := _MONTH.fullmatch(name):
                return cls(Span.MONTH, date(int(month[1]), int(month[2]), 1))
            elif _DAY.fullmatch(name):
                return cls(Span.DAY, date.fromisoformat(name))
        raise UsageError(f"{name!r} is not a date, week or month; write 2026-09-11, 2026-W37 or 2026-09")

    @classmethod
    def containing(cls, span: Span, day: date) -> Self:
        """Return the period of this length that contains a day."""
        match span:
            case Span.DAY:
                return cls(span, day)
            case Span.WEEK:
                return cls(span, day - timedelta(days=day.weekday()))
            case Span.MONTH:
                return cls(span, day.replace(day=1))

    @property
    def last_on(self) -> date:
        """The last day."""
        match self.span:
            case Span.DAY:
                return self.first_on
            case Span.WEEK:
                return self.first_on + timedelta(days=6)
            case Span.MONTH:
                return (self.first_on + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    @property
    def name(self) -> str:
        """The name, as `parse` reads it."""
        match self.span:
            case Span.DAY:
                return self.first_on.isoformat()
            case Span.WEEK:
                year, week, _ = self.first_on.isocalendar()
                return f"{year:04}-W{week:02}"
            case Span.MONTH:
                return f"{self.first_on:%Y-%m}"

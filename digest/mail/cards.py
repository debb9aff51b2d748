"""One card a paper: what a template needs to show it, with the reader's matches marked. Holds no HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from digest.models import AnnounceType, DigestItem, Evidence, Field, Paper
from digest.text import fold

_LABELS = {
    AnnounceType.NEW: "",
    AnnounceType.CROSS: "cross-listed",
    AnnounceType.REPLACE: "updated",
    AnnounceType.REPLACE_CROSS: "updated, cross-listed",
}
_NAMED_AUTHORS = 3
_SHOWN_REASONS = 6
_MAX_TITLE = 300  # characters


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text; `hit` where the reader's keywords matched."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A link below a card."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Reason:
    """What matched, as the paper writes it, and where ("title", "abstract and title")."""

    text: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A paper as a mail shows it. `title` and `abstract` are segments that join to the text."""

    url: str
    title: tuple[Segment, ...]
    abstract: tuple[Segment, ...]
    authors: str
    details: str  # where and when, and how it was announced
    reasons: tuple[Reason, ...]
    profile: str
    also: tuple[str, ...]  # other profiles that want it
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """The cards of one profile."""

    name: str
    cards: tuple[Card, ...]


def sections(items: Iterable[DigestItem], *, max_abstract: int) -> tuple[Section, ...]:
    """The items as sections of cards, in their order, abstracts of at most `max_abstract` characters."""
    grouped = groupby(items, key=lambda item: item.profile)
    return tuple(Section(name, tuple(card(item, max_abstract=max_abstract) for item in some)) for name, some in grouped)


def card(item: DigestItem, *, max_abstract: int) -> Card:
    """One paper of a digest as its mail shows it."""
    paper = item.paper
    return Card(
        url=paper.url,
        title=_marked(paper.title, item.evidence, Field.TITLE, _MAX_TITLE),
        abstract=_marked(paper.abstract, item.evidence, Field.ABSTRACT, max_abstract),
        authors=_authors(paper.authors),
        details=_details(paper),
        reasons=_reasons(item),
        profile=item.profile,
        also=item.also,
        links=_links(paper),
    )


def segments(text: str, spans: Iterable[tuple[int, int]]) -> tuple[Segment, ...]:
    """`text` cut at `spans`, [start, end) in code points, which may overlap. Joined, the segments are `text` again."""
    found: list[Segment] = []
    at = 0
    for start, end in _merged(spans):
        begin, stop = max(start, at), min(end, len(text))
        if begin < stop:
            if at < begin:
                found.append(Segment(text[at:begin], hit=False))
            found.append(Segment(text[begin:stop], hit=True))
            at = stop
    if at < len(text):
        found.append(Segment(text[at:], hit=False))
    return tuple(found)


def shortened(text: str, most: int) -> str:
    """`text`, or its first words with an ellipsis, in at most `most` characters."""
    if len(text) <= most:
        return text
    cut = text[: max(0, most - 1)]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[most // 2 :] else cut}…" if cut else ""


def _marked(text: str, evidence: Iterable[Evidence], field: Field, most: int) -> tuple[Segment, ...]:
    shown = shortened(text, most)
    kept = len(shown) if shown == text else len(shown) - 1  # the ellipsis is nobody's match
    return segments(shown, ((e.start, min(e.end, kept)) for e in evidence if e.field is field))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _authors(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED_AUTHORS]) + (" et al." if len(names) > _NAMED_AUTHORS else "")


def _details(paper: Paper) -> str:
    day = paper.published_at
    when = f"{day.day} {day:%b %Y}" if day else ""
    return " · ".join(part for part in (", ".join(paper.categories[:4]), when, _LABELS[paper.announce_type]) if part)


def _reasons(item: DigestItem) -> tuple[Reason, ...]:
    """What matched, each spelling once, in the order of the text."""
    places: dict[str, list[str]] = {}
    written: dict[str, str] = {}
    for e in item.evidence:
        text = item.paper.text_of(e.field)[e.start : e.end]
        written.setdefault(fold(text), text)
        fields = places.setdefault(fold(text), [])
        if e.field.value not in fields:
            fields.append(e.field.value)
    shown = list(places.items())[:_SHOWN_REASONS]
    return tuple(Reason(written[key], " and ".join(fields)) for key, fields in shown)


def _links(paper: Paper) -> tuple[Link, ...]:
    named = (
        ("Abstract", paper.url),
        ("PDF", paper.pdf_url),
        ("Code", paper.code_url),
        ("Discussion", paper.discussion_url),
    )
    return tuple(Link(label, url) for label, url in named if url)

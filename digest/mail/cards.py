"""One card a paper: what a template needs to show it, with the reader's matches marked. Holds no HTML.

What is the paper's own is prepared once (`PreparedPaper`) and used for every reader.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, quote_plus

from digest.mail.context import Card, Place, Reason, Segment
from digest.mail.encoding import Encoded, SafeText, clean
from digest.models import AnnounceType, DigestItem, Evidence, Field, Paper
from digest.text import WORD, fold, normalize

MAX_REASONS = 4
_NAMED_AUTHORS = 3
_NAMED_CATEGORIES = 4
_NAMED_PROFILES = 3
_MAX_TITLE = 300  # characters
MAX_NAME = 80
_MAX_REASON = 60
_MAX_KEYWORD = 100
_MAX_URL = 1000

_WEB = re.compile(r"https?://[^\s/?#]+", re.IGNORECASE)
_PLACES = {
    Field.TITLE: Place.TITLE,
    Field.ABSTRACT: Place.ABSTRACT,
    Field.AUTHOR: Place.AUTHORS,
    Field.CATEGORY: Place.CATEGORIES,
}
_ASKED_BY = {Field.AUTHOR: "author:", Field.CATEGORY: "category:"}  # how rules look in these fields


class Excerpt:
    """A title or an abstract as it is shown: its beginning, encoded once, any stretch of it at hand."""

    __slots__ = ("encoded", "kept", "shown")

    def __init__(self, text: str, most: int) -> None:
        self.shown = shortened(text, most)
        self.kept = len(self.shown) - (self.shown != text)  # the ellipsis is nobody's match
        self.encoded = Encoded(self.shown)

    @property
    def plain(self) -> SafeText:
        """All of it."""
        return SafeText(self.shown, self.encoded.html)

    def stretch(self, start: int, end: int) -> SafeText:
        """A stretch of it, [start, end) in code points."""
        return SafeText(self.shown[start:end], self.encoded.part(start, end))

    def segments(self, spans: Iterable[tuple[int, int]]) -> tuple[Segment, ...]:
        """The text cut at spans, which may overlap. Joined, the segments are the text again."""
        found: list[Segment] = []
        at = 0
        for start, end in merged(spans, self.kept):
            if at < start:
                found.append(Segment(self.stretch(at, start), hit=False))
            found.append(Segment(self.stretch(start, end), hit=True))
            at = end
        if at < len(self.shown):
            found.append(Segment(self.stretch(at, len(self.shown)), hit=False))
        return tuple(found)


class Hit:
    """A stretch of a paper that matched, whoever's rule it was."""

    __slots__ = ("end", "field", "keyword", "place", "spelling", "start", "text")

    def __init__(self, paper: Paper, evidence: Evidence) -> None:
        matched = paper.text_of(evidence.field)[evidence.start : evidence.end]
        self.field = evidence.field
        self.start = evidence.start
        self.end = evidence.end
        self.place = _PLACES[evidence.field]
        self.text, self.spelling, self.keyword = _said(matched, _ASKED_BY.get(evidence.field, ""))


@lru_cache(maxsize=8192)
def _said(matched: str, asked_by: str) -> tuple[SafeText, str, str]:
    """(as the paper writes it, the same for every case and accent, as a rule in a query string)."""
    spelling = asked_by + WORD.sub(lambda word: fold(word.group()), matched)
    return (
        SafeText(shortened(matched, _MAX_REASON)),
        spelling,
        quote_plus((asked_by + normalize(matched))[:_MAX_KEYWORD]),
    )


class PreparedPaper:
    """What mails show of one paper, whoever the reader is."""

    __slots__ = ("_abstracts", "_sizes", "authors", "card_templates", "categories", "links", "paper", "title")

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.title = Excerpt(paper.title, _MAX_TITLE)
        self.links = {name: web_url(getattr(paper, name)) for name in ("url", "pdf_url", "code_url", "discussion_url")}
        self.authors = SafeText(", ".join(shortened(name, MAX_NAME) for name in paper.authors[:_NAMED_AUTHORS]))
        self.categories = SafeText(
            ", ".join(shortened(name, MAX_NAME) for name in paper.categories[:_NAMED_CATEGORIES])
        )
        self.card_templates: dict[object, Any] = {}  # the card renderer's own
        self._abstracts: dict[int, Excerpt] = {}
        self._sizes: dict[int, int] = {}

    def abstract(self, most: int) -> Excerpt:
        """The abstract in at most `most` characters."""
        if most not in self._abstracts:
            self._abstracts[most] = Excerpt(self.paper.abstract, most)
        return self._abstracts[most]

    def size(self, most: int) -> int:
        """About how many bytes of HTML its own texts and links take, with an abstract of at most `most` characters."""
        if most not in self._sizes:
            texts = (self.title.plain, self.abstract(most).plain, self.authors, self.categories)
            self._sizes[most] = sum(len(text.encoded) for text in texts) + sum(map(len, self.links.values()))
        return self._sizes[most]


class PaperCache:
    """Stocks of the papers of the day."""

    _MOST = 4096

    def __init__(self) -> None:
        self._papers: dict[tuple[object, ...], PreparedPaper] = {}

    def get(self, paper: Paper) -> PreparedPaper:
        """The prepared of exactly this paper."""
        key = (paper.id, paper.revision, paper.upvotes, paper.stars)
        prepared = self._papers.get(key)
        if prepared is None or (prepared.paper is not paper and prepared.paper != paper):
            if len(self._papers) >= self._MOST:
                del self._papers[next(iter(self._papers))]
            prepared = self._papers[key] = PreparedPaper(paper)
        return prepared


def build_card(item: DigestItem, prepared: PreparedPaper, *, max_abstract: int, paper_url: str, mute_url: str) -> Card:
    """One paper of a digest as its mail shows it.

    `paper_url` is where the paper stands on our own pages, `mute_url` the link that mutes, up to its keyword.
    """
    paper, abstract = prepared.paper, prepared.abstract(max_abstract)
    hits = [Hit(paper, evidence) for evidence in item.evidence]
    shortened_to = abstract.kept < len(paper.abstract)
    return Card(
        url=prepared.links["url"],
        title=prepared.title.segments(spans(hits, Field.TITLE)),
        plain_title=prepared.title.plain,
        abstract=abstract.segments(spans(hits, Field.ABSTRACT)),
        plain_abstract=abstract.plain,
        rest_url=(prepared.links["url"] or paper_url) if shortened_to else "",
        authors=prepared.authors,
        et_al=len(paper.authors) > _NAMED_AUTHORS,
        categories=prepared.categories,
        published_on=paper.published_at.date() if paper.published_at else None,
        updated=paper.announce_type in {AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS},
        cross_listed=paper.announce_type in {AnnounceType.CROSS, AnnounceType.REPLACE_CROSS},
        upvotes=paper.upvotes or 0,
        stars=paper.stars or 0,
        reasons=tuple(
            Reason(text=hit.text, place=place, mute_url=mute_url + hit.keyword) for hit, place in reasons(hits)
        ),
        also=also(item),
        pdf_url=prepared.links["pdf_url"],
        code_url=prepared.links["code_url"],
        discussion_url=prepared.links["discussion_url"],
    )


def merged(spans: Iterable[tuple[int, int]], kept: int) -> list[tuple[int, int]]:
    """The spans within the first `kept` characters, sorted, those that touch made one."""
    whole: list[tuple[int, int]] = []
    for start, end in sorted((max(0, start), min(end, kept)) for start, end in spans):
        if start >= end:
            continue
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((start, end))
    return whole


class Found(Protocol):
    """A match, as far as reasons are concerned."""

    spelling: str
    place: Place


FoundT = TypeVar("FoundT", bound=Found)


def reasons(hits: Sequence[FoundT]) -> list[tuple[FoundT, Place]]:
    """Why the paper is there: each keyword once, where it first stands, with its places. The first few."""
    if len(hits) == 1:
        return [(hits[0], hits[0].place)]
    first: dict[str, FoundT] = {}
    both: set[str] = set()  # spellings that stand in title and abstract
    for hit in hits:
        known = first.setdefault(hit.spelling, hit)
        if known is not hit and known.place is Place.TITLE and hit.place is Place.ABSTRACT:
            both.add(hit.spelling)
    shown = list(first.values())[:MAX_REASONS]
    return [(hit, Place.TITLE_AND_ABSTRACT if hit.spelling in both else hit.place) for hit in shown]


def also(item: DigestItem) -> SafeText:
    """The other profiles that want the paper, the first few of them."""
    named = ", ".join(shortened(name, MAX_NAME) for name in item.also[:_NAMED_PROFILES])
    return SafeText(f"{named} …" if len(item.also) > _NAMED_PROFILES else named)


def shortened(text: str, most: int) -> str:
    """`text`, or its first words with an ellipsis, in at most `most` characters."""
    if len(text) <= most:
        return text
    cut = text[: max(0, most - 1)]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[most // 2 :] else cut}…" if cut else ""


def web_url(url: str) -> str:
    """The link, if it is one to the web that a mail can hold; else ""."""
    if not _WEB.match(url) or len(url) > _MAX_URL or " " in url or clean(url) != url:
        return ""
    return url if url.isascii() else quote(url, safe="/:?#[]@!$&'()*+,;=%~")


def spans(hits: Iterable[Hit], field: Field) -> Iterator[tuple[int, int]]:
    """Where in one field the hits stand."""
    return ((hit.start, hit.end) for hit in hits if hit.field is field)

"""Cards: all that a template shows of one paper, with the subscriber's matches marked. Holds no HTML.

What a paper looks like to every subscriber is prepared once (`PreparedPaper`) and cached (`PaperCache`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

from digest.mail.context import Card, Place, Reason, Segment
from digest.mail.encoding import EncodedText, SafeText, clean
from digest.models import AnnounceType, DigestItem, Evidence, Field, Paper
from digest.text import WORD, fold, normalize

MAX_REASONS = 4
MAX_NAME = 80  # characters, as are all that follow but the counts
_MAX_TITLE = 300
_MAX_REASON = 60
_MAX_KEYWORD = 100
_MAX_URL = 1000
_MAX_AUTHORS = 3
_MAX_CATEGORIES = 4
_MAX_PROFILES = 3
_MAX_CACHED_PAPERS = 4096

_WEB = re.compile(r"https?://[^\s/?#]+", re.IGNORECASE)
_PLACES = {
    Field.TITLE: Place.TITLE,
    Field.ABSTRACT: Place.ABSTRACT,
    Field.AUTHOR: Place.AUTHORS,
    Field.CATEGORY: Place.CATEGORIES,
}
_PREFIXES = {Field.AUTHOR: "author:", Field.CATEGORY: "category:"}  # of rules for these fields


class Excerpt:
    """The beginning of a title or an abstract as it is shown, encoded once; any stretch of it can be cut out."""

    __slots__ = ("encoded", "kept", "shown")

    def __init__(self, text: str, max_length: int) -> None:
        self.shown = shortened(text, max_length)
        self.kept = len(self.shown) - (self.shown != text)  # without the ellipsis, which no match includes
        self.encoded = EncodedText(self.shown)

    @property
    def whole(self) -> SafeText:
        """The whole excerpt."""
        return SafeText(self.shown, self.encoded.html)

    def segments(self, spans: Iterable[tuple[int, int]]) -> tuple[Segment, ...]:
        """Return the excerpt cut at spans, which may overlap. Joined, the segments are the excerpt again."""
        found: list[Segment] = []
        at = 0
        for start, end in (*merged(spans, self.kept), (len(self.shown), len(self.shown))):
            for begin, stop, hit in ((at, start, False), (start, end, True)):
                if begin < stop:
                    found.append(Segment(SafeText(self.shown[begin:stop], self.encoded.part(begin, stop)), hit=hit))
            at = end
        return tuple(found)


class Hit:
    """A stretch of a paper that a rule matched."""

    __slots__ = ("end", "field", "keyword", "place", "spelling", "start", "text")

    def __init__(self, paper: Paper, evidence: Evidence) -> None:
        matched = paper.text_of(evidence.field)[evidence.start : evidence.end]
        self.field = evidence.field
        self.start = evidence.start
        self.end = evidence.end
        self.place = _PLACES[evidence.field]
        self.text, self.spelling, self.keyword = _forms(matched, _PREFIXES.get(evidence.field, ""))


HitT = TypeVar("HitT", bound=Hit)


@lru_cache(maxsize=8192)
def _forms(matched: str, prefix: str) -> tuple[SafeText, str, str]:
    """Return a match as (the paper writes it, folded to compare it with others, a rule)."""
    folded = prefix + WORD.sub(lambda word: fold(word.group()), matched)
    return SafeText(shortened(matched, _MAX_REASON)), folded, (prefix + normalize(matched))[:_MAX_KEYWORD]


class PreparedPaper:
    """What mails show of one paper, whichever subscriber reads it."""

    __slots__ = ("_abstracts", "_sizes", "authors", "card_templates", "categories", "links", "paper", "title")

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.title = Excerpt(paper.title, _MAX_TITLE)
        self.links = {name: web_url(getattr(paper, name)) for name in ("url", "pdf_url", "code_url", "discussion_url")}
        self.authors = _names(paper.authors[:_MAX_AUTHORS])
        self.categories = _names(paper.categories[:_MAX_CATEGORIES])
        self.card_templates: dict[object, Any] = {}  # for mail/fast
        self._abstracts: dict[int, Excerpt] = {}
        self._sizes: dict[int, int] = {}

    def abstract(self, max_length: int) -> Excerpt:
        """Return the abstract in at most `max_length` characters."""
        if max_length not in self._abstracts:
            self._abstracts[max_length] = Excerpt(self.paper.abstract, max_length)
        return self._abstracts[max_length]

    def size(self, max_abstract: int) -> int:
        """About how many bytes of HTML its texts and links take, with that many characters of the abstract."""
        if max_abstract not in self._sizes:
            texts = (self.title.whole, self.abstract(max_abstract).whole, self.authors, self.categories)
            self._sizes[max_abstract] = sum(len(text.encoded) for text in texts) + sum(map(len, self.links.values()))
        return self._sizes[max_abstract]


class PaperCache:
    """The prepared papers of the day."""

    def __init__(self) -> None:
        self._papers: dict[tuple[object, ...], PreparedPaper] = {}

    def get(self, paper: Paper) -> PreparedPaper:
        """This paper, prepared; anew if it changed."""
        key = (paper.id, paper.revision, paper.upvotes, paper.stars)
        prepared = self._papers.get(key)
        if prepared is None or (prepared.paper is not paper and prepared.paper != paper):
            if len(self._papers) >= _MAX_CACHED_PAPERS:
                del self._papers[next(iter(self._papers))]
            prepared = self._papers[key] = PreparedPaper(paper)
        return prepared


def build_card(
    item: DigestItem, prepared: PreparedPaper, *, max_abstract: int, paper_url: str, mute_url: Callable[[str], str]
) -> Card:
    """Return one paper of a digest as its mail shows it.

    `paper_url` is the paper's page on our own site, `mute_url` returns the link that mutes a keyword, or "".
    """
    paper, abstract = prepared.paper, prepared.abstract(max_abstract)
    hits = [Hit(paper, evidence) for evidence in item.evidence]
    is_shortened = abstract.kept < len(paper.abstract)
    return Card(
        url=prepared.links["url"],
        title=prepared.title.segments((hit.start, hit.end) for hit in hits if hit.field is Field.TITLE),
        plain_title=prepared.title.whole,
        abstract=abstract.segments((hit.start, hit.end) for hit in hits if hit.field is Field.ABSTRACT),
        plain_abstract=abstract.whole,
        rest_url=(prepared.links["url"] or paper_url) if is_shortened else "",
        authors=prepared.authors,
        et_al=len(paper.authors) > _MAX_AUTHORS,
        categories=prepared.categories,
        published_on=paper.published_at.date() if paper.published_at else None,
        updated=paper.announce_type in {AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS},
        cross_listed=paper.announce_type in {AnnounceType.CROSS, AnnounceType.REPLACE_CROSS},
        upvotes=paper.upvotes or 0,
        stars=paper.stars or 0,
        reasons=tuple(
            Reason(text=hit.text, place=place, mute_url=mute_url(hit.keyword)) for hit, place in reasons(hits)
        ),
        also=also(item),
        pdf_url=prepared.links["pdf_url"],
        code_url=prepared.links["code_url"],
        discussion_url=prepared.links["discussion_url"],
    )


def merged(spans: Iterable[tuple[int, int]], end_of_text: int) -> list[tuple[int, int]]:
    """Return the spans before `end_of_text`, sorted; spans that overlap or touch become one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted((max(0, start), min(end, end_of_text)) for start, end in spans):
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def reasons(hits: Sequence[HitT]) -> list[tuple[HitT, Place]]:
    """Why the paper was chosen: each keyword once, at its first hit, and where it matched. At most MAX_REASONS."""
    if len(hits) == 1:
        return [(hits[0], hits[0].place)]
    first: dict[str, HitT] = {}
    in_both: set[str] = set()  # spellings found in title and abstract
    for hit in hits:
        known = first.setdefault(hit.spelling, hit)
        if known is not hit and known.place is Place.TITLE and hit.place is Place.ABSTRACT:
            in_both.add(hit.spelling)
    shown = list(first.values())[:MAX_REASONS]
    return [(hit, Place.TITLE_AND_ABSTRACT if hit.spelling in in_both else hit.place) for hit in shown]


def also(item: DigestItem) -> SafeText:
    """Return the other profiles that matched the paper, the first few of them."""
    named = _names(item.also[:_MAX_PROFILES])
    return SafeText(f"{named} …") if len(item.also) > _MAX_PROFILES else named


def _names(names: Iterable[str]) -> SafeText:
    return SafeText(", ".join(shortened(name, MAX_NAME) for name in names))


def shortened(text: str, max_length: int) -> str:
    """`text`, or its first words with an ellipsis, in at most `max_length` characters."""
    if len(text) <= max_length:
        return text
    cut = text[: max(0, max_length - 1)]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[max_length // 2 :] else cut}…" if cut else ""


def web_url(url: str) -> str:
    """Return the URL in ASCII if it is an http or https link that a mail can hold, else ""."""
    if not _WEB.match(url) or len(url) > _MAX_URL or " " in url or clean(url) != url:
        return ""
    return url if url.isascii() else quote(url, safe="/:?#[]@!$&'()*+,;=%~")

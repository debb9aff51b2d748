"""Renders a digest's mail from fragments that Jinja rendered once, byte for byte as Jinja would.

The text of a card is the paper's own; each subscriber's marks, reasons and links are spliced in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import repeat
from operator import attrgetter
from typing import Any

from digest.mail import cards
from digest.mail.cards import Excerpt, Hit, PaperCache, PreparedPaper
from digest.mail.context import Card, DigestMail, Place, Reason, Section, Segment
from digest.mail.encoding import Encoder, Piece, Pieces, SafeText, html_bytes
from digest.mail.fast.fragments import Fragment, Gap, Loop, Position, RecordType, UnsplittableError
from digest.models import DigestItem, Evidence, Field, Paper

_SEGMENT = RecordType(Segment, placeholders=frozenset({"text"}))
_REASON = RecordType(Reason, placeholders=frozenset({"text", "mute_url"}))
CARD = RecordType(
    Card, placeholders=frozenset({"also"}), loops={"title": _SEGMENT, "abstract": _SEGMENT, "reasons": _REASON}
)

# A record's place among its loop's records, as an index into POSITIONS. A fragment that asks for `loop` is rendered
# once for each place.
POSITIONS = tuple(Position(first=first, last=last) for first in (False, True) for last in (False, True))
_FIRST, _LAST = 2, 1
ONLY = _FIRST | _LAST

_SECTION = RecordType(Section, placeholders=frozenset({"name"}), loops={"cards": CARD})
MAIL = RecordType(
    DigestMail,
    placeholders=frozenset(
        {"email", "name", "top_title", "preheader", "web_url", "preferences_url", "pause_url", "unsubscribe_url"}
    ),
    loops={"sections": _SECTION, "trending": CARD},
)

_MAX_MATCHES = 32  # kept for one card, about 30 KB
_MAX_PRERENDERED = 2048  # of one fragment


@cache
def places(asks_position: bool, count: int) -> Sequence[int]:
    """Return the places of `count` records; all the same if the fragment does not ask for them."""
    if not asks_position or count <= 1:
        return (ONLY,) * count
    return (_FIRST, *repeat(0, count - 2), _LAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The content of a digest's mail, decided before anything is rendered."""

    mail: DigestMail[DigestItem]
    max_abstract: int  # characters
    mute_url: Callable[[str], str]  # the link that mutes a keyword
    paper_url: Callable[[str], str]  # a paper's page on our own site, by its id


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One mail that is being rendered."""

    outline: Outline
    encoder: Encoder
    mute_links: dict[str, Piece]  # by keyword, as far as they have been written

    def mute_link(self, keyword: str) -> Piece:
        """Return the encoded link that mutes a keyword."""
        link = self.mute_links.get(keyword)
        if link is None:
            link = self.mute_links[keyword] = self.encoder.value(self.outline.mute_url(keyword))
        return link


class _Match(Hit):
    """A hit on one card: its marked text, and the reasons rendered for it."""

    __slots__ = ("begin", "marked", "reasons", "shown_in", "stop")

    def __init__(self, paper: Paper, evidence: Evidence) -> None:
        super().__init__(paper, evidence)
        self.reasons: dict[tuple[Place, int], list[Any]] = {}  # encoded, split where the subscriber's link goes
        self.shown_in: _MarkedText | None = None  # the text that shows it, from `begin` to `stop` in its HTML
        self.begin = self.stop = 0
        self.marked = b""


# Encoded texts, and what comes before them: the subscriber's link that mutes a keyword, or nothing before the first.
_Stretches = list[tuple[str, list[Any]]]
_FillCard = Callable[[DigestItem, list[_Match], _Stretches], None]
_Step = tuple[Any, Pieces, _FillCard | None]  # literal text, encoded and combined, and what fills the gap behind it


class _CardTemplate:
    """A card prerendered for one paper: literal text, and gaps for what differs between subscribers."""

    __slots__ = ("_matches", "_paper", "_texts", "steps")

    def __init__(self, paper: Paper, steps: list[_Step], texts: list["_MarkedText"]) -> None:
        self.steps = steps
        self._paper = paper
        self._texts = texts
        self._matches: dict[tuple[Field, int, int], _Match] = {}

    def matches(self, evidence: Iterable[Evidence]) -> list[_Match]:
        """Return the matches of this card, in the order of the evidence."""
        found: list[_Match] = []
        for each in evidence:
            match = self._matches.get((each.field, each.start, each.end))
            if match is None:
                match = _Match(self._paper, each)
                for text in self._texts:
                    text.locate(match)
                if len(self._matches) >= _MAX_MATCHES:
                    self._matches.clear()
                self._matches[each.field, each.start, each.end] = match
            found.append(match)
        return found


class CardRenderer:
    """Renders the cards of one loop over papers. Subscribers with the same matches share the rendered cards.

    A card is kept when it is rendered for the second time: where every subscriber has different matches, keeping each
    card would cost more than it saves.
    """

    _MAX_KEPT = 4096  # about 15 MB
    _CLEARED_AFTER = 100_000  # cards: by then the cache holds the papers of earlier days

    def __init__(self, fragment: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        self._fragment = fragment
        self._encoder = encoder
        self._cache = cache
        marked = [loop for loop in fragment.loops if loop.fragment.record_type is _SEGMENT]
        if marked and not encoder.splits_segments:
            raise UnsplittableError("segments are for HTML; use plain_title and plain_abstract in text")
        if len({loop.field for loop in marked}) < len(marked):
            raise UnsplittableError("a card shows its title or its abstract twice")
        self._marks = {id(loop): _marks(loop.fragment) for loop in marked}
        reasons = [loop for loop in fragment.loops if loop.fragment.record_type is _REASON]
        self._reasons = {id(loop): _ReasonRenderer(loop.fragment, encoder) for loop in reasons}
        self._kept: dict[tuple[object, ...], tuple[Paper, Sequence[tuple[str, Sequence[Piece]]]]] = {}
        self._seen: set[int] = set()  # hashes of the keys of cards rendered once
        self._since_cleared = 0

    def render_all(self, items: Sequence[DigestItem], job: RenderJob, out: list[Piece]) -> None:
        """Append a card for each item to `out`."""
        self._since_cleared += len(items)
        if self._since_cleared > self._CLEARED_AFTER:
            self._since_cleared = 0
            self._kept.clear()
            self._seen.clear()
        max_abstract, mute_link, find = job.outline.max_abstract, job.mute_link, self._kept.get
        for item, place in zip(items, places(self._fragment.asks_position, len(items)), strict=True):
            paper = item.paper
            matches = [(e.field, e.start, e.end) for e in item.evidence]
            key = (paper.id, paper.revision, max_abstract, place, item.also, *matches)
            kept = find(key)
            if kept is not None and (kept[0] is paper or kept[0] == paper):
                stretches = kept[1]
            else:
                stretches = self._render(key, item, place, job.outline)
            out += stretches[0][1]
            for keyword, following in stretches[1:]:
                out.append(mute_link(keyword))
                out += following

    def _render(
        self, key: tuple[object, ...], item: DigestItem, place: int, outline: Outline
    ) -> Sequence[tuple[str, Sequence[Piece]]]:
        known = hash(key)
        keep = known in self._seen and (len(self._kept) < self._MAX_KEPT or key in self._kept)
        self._seen.add(known)
        prepared = self._cache.get(item.paper)
        variant = (self, outline.max_abstract, place, not item.evidence, not (item.also and cards.also(item)))
        template = prepared.card_templates.get(variant)
        if template is None:
            template = prepared.card_templates[variant] = self._prerender(item, prepared, place, outline)
        matches = template.matches(item.evidence)
        stretches: _Stretches = [("", [])]
        for literal, pieces, fill in template.steps:
            stretches[-1][1].extend((literal,) if keep else pieces)
            if fill is not None:
                fill(item, matches, stretches)
        if not keep:
            return stretches
        combined = tuple((keyword, self._encoder.combine(texts)) for keyword, texts in stretches)
        self._kept[key] = item.paper, combined
        return combined

    def _prerender(self, item: DigestItem, prepared: PreparedPaper, place: int, outline: Outline) -> _CardTemplate:
        """Return the card of one paper, usable for all items that agree with `item` in which fields are empty."""
        card = cards.build_card(
            item,
            prepared,
            max_abstract=outline.max_abstract,
            paper_url=outline.paper_url(item.paper.id),
            mute_url=outline.mute_url,
        )
        texts = {"title": prepared.title, "abstract": prepared.abstract(outline.max_abstract)}
        marked: list[_MarkedText] = []
        steps: list[_Step] = []
        encoder = self._encoder
        for text, gap in self._fragment.prerender(card, POSITIONS[place]):
            fill: _FillCard | None = None
            match gap:
                case str():  # `also` is a card's only placeholder

                    def fill(item: DigestItem, _: list[_Match], stretches: _Stretches) -> None:
                        stretches[-1][1].append(encoder.value(cards.also(item)))
                case Loop(field="reasons"):
                    fill = self._reasons[id(gap)].fill
                case Loop(field=field):
                    marked.append(_MarkedText(Field(field), texts[field], *self._marks[id(gap)]))
                    fill = marked[-1].fill
            literal = encoder.literal(text)
            steps.append((literal, encoder.combine([literal]), fill))
        return _CardTemplate(item.paper, steps, marked)


def _marks(fragment: Fragment) -> tuple[bytes, bytes]:
    """Return the HTML before and after a match. Raises UnsplittableError for a template that changes other text."""
    match [fragment.prerender(Segment(SafeText("x"), hit=hit)) for hit in (False, True)]:
        case [[("", "text"), ("", None)], [(before, "text"), (after, None)]]:
            return html_bytes(before), html_bytes(after)
    raise UnsplittableError("a title or an abstract has more than marks around its matches")


class _MarkedText:
    """A title or an abstract on one card, whose matches are marked."""

    __slots__ = ("_after", "_before", "_excerpt", "_field")

    def __init__(self, field: Field, excerpt: Excerpt, before: bytes, after: bytes) -> None:
        self._field = field
        self._excerpt = excerpt
        self._before = before
        self._after = after

    def locate(self, match: _Match) -> None:
        """Store in `match` where it is in this text, if it is in it."""
        if match.field is self._field and match.start < min(match.end, self._excerpt.kept):
            match.shown_in = self
            match.end = min(match.end, self._excerpt.kept)
            match.begin, match.stop, match.marked = self._mark(match.start, match.end)

    def fill(self, _item: DigestItem, matches: list[_Match], stretches: _Stretches) -> None:
        """Append the text with its matches marked."""
        html, kept, out = self._excerpt.encoded.html, self._excerpt.kept, stretches[-1][1]
        at, reached = 0, -1
        before = len(out)
        for match in matches:
            if match.shown_in is self:
                if match.start <= reached:  # matches touch or overlap: begin again, with merged ones
                    del out[before:]
                    at = 0
                    for start, end in cards.merged([(m.start, m.end) for m in matches if m.shown_in is self], kept):
                        begin, stop, marked = self._mark(start, end)
                        out += (html[at:begin], marked)
                        at = stop
                    break
                out += (html[at : match.begin], match.marked)
                at, reached = match.stop, match.end
        out.append(html[at:])

    def _mark(self, start: int, end: int) -> tuple[int, int, bytes]:
        encoded = self._excerpt.encoded
        begin, stop = encoded.offset(start), encoded.offset(end)
        return begin, stop, self._before + encoded.html[begin:stop] + self._after


class _ReasonRenderer:
    """Renders the reasons on the cards of one loop. Jinja renders each kind of reason once, whatever the keyword."""

    def __init__(self, fragment: Fragment, encoder: Encoder) -> None:
        self._fragment = fragment
        self._encoder = encoder
        self._prerendered: dict[tuple[Place, int], list[tuple[Any, Gap | None]]] = {}

    def fill(self, _item: DigestItem, matches: list[_Match], stretches: _Stretches) -> None:
        """Append each reason, with a new stretch behind the mute link of its keyword."""
        shown = cards.reasons(matches)
        for (match, where), place in zip(shown, places(self._fragment.asks_position, len(shown)), strict=True):
            reason = match.reasons.get((where, place))
            if reason is None:
                reason = match.reasons[where, place] = self._render(match, where, place)
            stretches[-1][1].append(reason[0])
            stretches += [(match.keyword, [following]) for following in reason[1:]]

    def _render(self, hit: Hit, where: Place, place: int) -> list[Any]:
        """Return the reason's encoded text, split where the mute link goes."""
        encoder = self._encoder
        if (where, place) not in self._prerendered:
            example = Reason(text=SafeText("x"), place=where, mute_url="https://x")
            parts = self._fragment.prerender(example, POSITIONS[place])
            self._prerendered[where, place] = [(encoder.literal(text), gap) for text, gap in parts]
        rendered = [encoder.literal("")]
        for literal, gap in self._prerendered[where, place]:
            rendered[-1] += literal
            if gap == "text":
                rendered[-1] += encoder.value(hit.text)
            elif gap == "mute_url":
                rendered.append(encoder.literal(""))
        return rendered


class FastRenderer:
    """Renders one template. Do not share it between threads: its caches are filled as it renders."""

    def __init__(self, fragment: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        """Raise UnsplittableError if the template marks matches in a way that cannot be spliced in."""
        self._encoder = encoder
        self._page = _FragmentRenderer(fragment, encoder, cache)

    def render(self, outline: Outline) -> bytes:
        """Render the template for one mail. Raises UnsplittableError and Jinja's errors."""
        out: list[Piece] = []
        self._page.render(outline.mail, ONLY, RenderJob(outline, self._encoder, {}), out)
        return self._encoder.finish(out)


_Fill = Callable[[Any, RenderJob, list[Piece]], None]


class _FragmentRenderer:
    """Renders one fragment. Jinja renders it once for all records that differ only in their placeholders."""

    def __init__(self, fragment: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        record_type = fragment.record_type
        gaps = (*record_type.placeholders, *record_type.loops)
        self._fragment = fragment
        self._encoder = encoder
        self._shared = attrgetter(*(f.name for f in fields(record_type.record) if f.name not in gaps), "__class__")
        self._gaps = attrgetter(*gaps, "__class__")
        self._loops: dict[int, tuple[Callable[[Any], Any], CardRenderer | _FragmentRenderer]] = {}
        for loop in fragment.loops:
            make = CardRenderer if loop.fragment.record_type is CARD else _FragmentRenderer
            self._loops[id(loop)] = attrgetter(loop.field), make(loop.fragment, encoder, cache)
        self._prerendered: dict[object, list[tuple[Pieces, _Fill | None]]] = {}

    def render_all(self, records: Sequence[Any], job: RenderJob, out: list[Piece]) -> None:
        """Append the records, one after another, to `out`."""
        for record, place in zip(records, places(self._fragment.asks_position, len(records)), strict=True):
            self.render(record, place, job, out)

    def render(self, record: Any, place: int, job: RenderJob, out: list[Piece]) -> None:
        """Append one record to `out`."""
        key = (place, self._shared(record), *map(bool, self._gaps(record)))
        steps = self._prerendered.get(key)
        if steps is None:
            if len(self._prerendered) >= _MAX_PRERENDERED:
                del self._prerendered[next(iter(self._prerendered))]
            encoder, found = self._encoder, self._fragment.prerender(record, POSITIONS[place])
            steps = [(encoder.combine([encoder.literal(text)]), self._fill(gap)) for text, gap in found]
            self._prerendered[key] = steps
        for literal, fill in steps:
            out += literal
            if fill is not None:
                fill(record, job, out)

    def _fill(self, gap: Gap | None) -> _Fill | None:
        if isinstance(gap, Loop):
            records, renderer = self._loops[id(gap)]
            return lambda record, job, out: renderer.render_all(records(record), job, out)
        if gap is None:
            return None
        encode, value = self._encoder.value, attrgetter(gap)
        return lambda record, _, out: out.append(encode(value(record)))

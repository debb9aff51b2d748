"""Prints cards: the literal text is the paper's own; marks, reasons and links of each reader are spliced in between."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from typing import Any

from digest.mail import cards
from digest.mail.cards import Excerpt, Hit, PaperCache, PreparedPaper
from digest.mail.context import Card, DigestMail, Place, Reason, Segment
from digest.mail.encoding import SafeText, html_bytes
from digest.mail.fast.encoders import Encoder, Piece, Pieces
from digest.mail.fast.fragments import Fragment, Hole, Loop, Position, RecordType, UnsplittableError
from digest.models import DigestItem, Evidence, Field, Paper

_SEGMENT = RecordType(Segment, slots=frozenset({"text"}))
_REASON = RecordType(Reason, slots=frozenset({"text", "mute_url"}))
CARD = RecordType(Card, slots=frozenset({"also"}), loops={"title": _SEGMENT, "abstract": _SEGMENT, "reasons": _REASON})

# Where a record stands among others: a part that asks for it is cut for each.
POSITIONS = tuple(Position(first=first, last=last) for first in (False, True) for last in (False, True))
_FIRST, _LAST = 2, 1
ALONE = _FIRST | _LAST


@cache
def places(asks: bool, count: int) -> Sequence[int]:
    """The places of `count` records, as indices of POSITIONS; always the same where the part does not ask."""
    if not asks or count <= 1:
        return (ALONE,) * count
    return (_FIRST, *repeat(0, count - 2), _LAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a digest's mail will hold, decided before anything is written."""

    mail: DigestMail[DigestItem]
    max_abstract: int  # characters
    mute_url: str  # the link that mutes, up to its keyword
    paper_url: Callable[[str], str]  # where a paper stands on our own pages, by its id


@dataclass(frozen=True, slots=True)
class Run:
    """One mail in print."""

    outline: Outline
    mute: Piece


class _Spot:
    """A match on one card: where its mark goes, and the reasons that it was given as."""

    __slots__ = ("begin", "end", "hit", "marked", "place", "reasons", "shown_in", "spelling", "start", "stop")

    def __init__(self, hit: Hit) -> None:
        self.hit = hit
        self.start = hit.start
        self.end = hit.end
        self.spelling = hit.spelling
        self.place = hit.place
        self.reasons: dict[tuple[Place, int], list[Any]] = {}  # raw, cut where the reader's link goes
        self.shown_in: _Marked | None = None  # the text that shows it, from `begin` to `stop` in its HTML
        self.begin = self.stop = 0
        self.marked = b""


_MOST_SPOTS = 32  # of one card, some 30 KB

_Runs = list[list[Any]]  # raw texts; between two lists of them goes the reader's link
_CardFill = Callable[[DigestItem, list[_Spot], _Runs], None]
_Step = tuple[Any, Pieces, _CardFill | None]  # literal text, raw and sealed, and what writes the text behind it


class _CardCut:
    """A card rendered for one paper: literal text, and between it what each reader's card has of its own."""

    __slots__ = ("_marked", "_paper", "_spots", "steps")

    def __init__(self, paper: Paper, steps: list[_Step], marked: list["_Marked"]) -> None:
        self.steps = steps
        self._paper = paper
        self._marked = marked
        self._spots: dict[tuple[Field, int, int], _Spot] = {}

    def spots(self, evidence: Iterable[Evidence]) -> list[_Spot]:
        """What matched, in the order of the evidence."""
        known, new = self._spots.get, self._new_spot
        return [known((e.field, e.start, e.end)) or new(e) for e in evidence]

    def _new_spot(self, evidence: Evidence) -> _Spot:
        spot = _Spot(Hit(self._paper, evidence))
        for text in self._marked:
            text.place(spot)
        if len(self._spots) >= _MOST_SPOTS:
            self._spots.clear()
        self._spots[evidence.field, evidence.start, evidence.end] = spot
        return spot


class CardRenderer:
    """Prints the cards of one loop over papers. Readers who share matches share what was printed of them.

    A card is kept when it is printed for the second time: where every reader has matches of their own, keeping each
    would cost more than it saves.
    """

    _MOST_KEPT = 4096  # some 15 MB
    _FORGOTTEN_AFTER = 100_000  # cards: what was kept is of yesterday then

    def __init__(self, part: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        self._part = part
        self._encoder = encoder
        self._cache = cache
        looped = [loop for loop in part.loops if loop.part.kind is _SEGMENT]
        if looped and not encoder.marks:
            raise UnsplittableError("segments are for HTML; plain_title and plain_abstract are for text")
        if len({loop.field for loop in looped}) < len(looped):
            raise UnsplittableError("a card shows its title or its abstract twice")
        self._marks = {id(loop): _marks(loop.part) for loop in looped}
        self._reasons = {id(loop): _Reasons(loop.part, encoder) for loop in part.loops if loop.part.kind is _REASON}
        self._kept: dict[tuple[object, ...], tuple[Paper, Sequence[Sequence[Piece]]]] = {}
        self._seen: set[int] = set()  # hashes of the keys of cards printed once
        self._since_forgotten = 0

    def fill_all(self, items: Sequence[DigestItem], run: Run, out: list[Piece]) -> None:
        """Write a card for each item."""
        self._forget_the_old(len(items))
        most, mute, find = run.outline.max_abstract, run.mute, self._kept.get
        for item, place in zip(items, places(self._part.asks_position, len(items)), strict=True):
            paper = item.paper
            matches = [(e.field, e.start, e.end) for e in item.evidence]
            key = (paper.id, paper.revision, most, place, item.also, *matches)
            kept = find(key)
            if kept is not None and (kept[0] is paper or kept[0] == paper):
                printed = kept[1]
            else:
                printed = self._print(key, item, place, run.outline)
            out += printed[0]
            for behind in printed[1:]:
                out.append(mute)
                out += behind

    def _print(
        self, key: tuple[object, ...], item: DigestItem, place: int, outline: Outline
    ) -> Sequence[Sequence[Piece]]:
        known = hash(key)
        if known not in self._seen:
            self._seen.add(known)
        elif len(self._kept) < self._MOST_KEPT or key in self._kept:
            printed = tuple(map(self._encoder.seal, self._runs(item, place, outline)))
            self._kept[key] = item.paper, printed
            return printed
        return self._runs(item, place, outline, sealed=True)

    def _forget_the_old(self, count: int) -> None:
        self._since_forgotten += count
        if self._since_forgotten > self._FORGOTTEN_AFTER:
            self._since_forgotten = 0
            self._kept.clear()
            self._seen.clear()

    def _runs(self, item: DigestItem, place: int, outline: Outline, *, sealed: bool = False) -> _Runs:
        prepared = self._cache.get(item.paper)
        about = (self, outline.max_abstract, place, not item.evidence, not (item.also and cards.also(item)))
        cut = prepared.card_templates.get(about)
        if cut is None:
            cut = prepared.card_templates[about] = self._cut(item, prepared, place, outline)
        spots = cut.spots(item.evidence)
        runs: _Runs = [[]]
        for raw, pieces, fill in cut.steps:
            runs[-1] += pieces if sealed else (raw,)
            if fill is not None:
                fill(item, spots, runs)
        return runs

    def _cut(self, item: DigestItem, prepared: PreparedPaper, place: int, outline: Outline) -> _CardCut:
        card = cards.build_card(
            item,
            prepared,
            max_abstract=outline.max_abstract,
            paper_url=outline.paper_url(item.paper.id),
            mute_url=outline.mute_url,
        )
        texts = {"title": prepared.title, "abstract": prepared.abstract(outline.max_abstract)}
        marked: list[_Marked] = []
        steps: list[_Step] = []
        for text, hole in self._part.cut(card, POSITIONS[place]):
            match hole:
                case None:
                    fill: _CardFill | None = None
                case str():  # its only slot is `also`
                    fill = self._also
                case Loop(field="reasons"):
                    fill = self._reasons[id(hole)].fill
                case Loop(field=field):
                    marked.append(_Marked(Field(field), texts[field], *self._marks[id(hole)]))
                    fill = marked[-1].fill
            raw = self._encoder.raw(text)
            steps.append((raw, self._encoder.seal([raw]), fill))
        return _CardCut(item.paper, steps, marked)

    def _also(self, item: DigestItem, _spots: list[_Spot], runs: _Runs) -> None:
        runs[-1].append(self._encoder.slot(cards.also(item)))


def _marks(part: Fragment) -> tuple[bytes, bytes]:
    """What stands before and behind a match. Raises UnsplittableError if other text is not written as it is."""
    match part.cut(Segment(SafeText("x"), hit=False)), part.cut(Segment(SafeText("x"), hit=True)):
        case [("", "text"), ("", None)], [(before, "text"), (after, None)]:
            return html_bytes(before), html_bytes(after)
    raise UnsplittableError("a title or an abstract has more than marks around its matches")


class _Marked:
    """A title or an abstract on one card, into which marks are spliced."""

    __slots__ = ("_after", "_before", "_field", "_text")

    def __init__(self, field: Field, text: Excerpt, before: bytes, after: bytes) -> None:
        self._field = field
        self._text = text
        self._before = before
        self._after = after

    def place(self, spot: _Spot) -> None:
        """Tell a spot where it stands in this text, if it does."""
        if spot.hit.field is self._field and spot.start < min(spot.end, self._text.kept):
            spot.shown_in = self
            spot.end = min(spot.end, self._text.kept)
            spot.begin, spot.stop, spot.marked = self._mark(spot.start, spot.end)

    def fill(self, _item: DigestItem, spots: list[_Spot], runs: _Runs) -> None:
        """Write the text with the matches in it marked."""
        html, out = self._text.encoded.html, runs[-1]
        at, reached = 0, -1
        before = len(out)
        for spot in spots:
            if spot.shown_in is self:
                if spot.start <= reached:
                    del out[before:]
                    at = self._fill_merged(spots, out)
                    break
                out += (html[at : spot.begin], spot.marked)
                at, reached = spot.stop, spot.end
        out.append(html[at:])

    def _fill_merged(self, spots: list[_Spot], out: list[bytes]) -> int:
        """The same where matches touch. Where in the HTML the last of them ends."""
        at = 0
        shown = ((spot.start, spot.end) for spot in spots if spot.shown_in is self)
        for start, end in cards.merged(shown, self._text.kept):
            begin, stop, marked = self._mark(start, end)
            out += (self._text.encoded.html[at:begin], marked)
            at = stop
        return at

    def _mark(self, start: int, end: int) -> tuple[int, int, bytes]:
        encoded = self._text.encoded
        begin, stop = encoded.offset(start), encoded.offset(end)
        return begin, stop, self._before + encoded.html[begin:stop] + self._after


class _Reasons:
    """The reasons on the cards of one loop. Each way to say one is rendered once, whatever the keyword."""

    def __init__(self, part: Fragment, encoder: Encoder) -> None:
        self._part = part
        self._encoder = encoder
        self._cuts: dict[tuple[Place, int], list[tuple[Any, Hole | None]]] = {}

    def fill(self, _item: DigestItem, spots: list[_Spot], runs: _Runs) -> None:
        """Write each reason, with a gap where the link goes that mutes its keyword."""
        given = cards.reasons(spots)
        for (spot, where), place in zip(given, places(self._part.asks_position, len(given)), strict=True):
            reason = spot.reasons.get((where, place))
            if reason is None:
                reason = spot.reasons[where, place] = self._reason(spot.hit, where, place)
            runs[-1].append(reason[0])
            runs += [[behind] for behind in reason[1:]]

    def _reason(self, hit: Hit, where: Place, place: int) -> list[Any]:
        if (where, place) not in self._cuts:
            some = Reason(text=SafeText("x"), place=where, mute_url="https://x")
            cut = self._part.cut(some, POSITIONS[place])
            self._cuts[where, place] = [(self._encoder.raw(literal), hole) for literal, hole in cut]
        slot = self._encoder.slot
        made = [self._encoder.raw("")]
        for literal, hole in self._cuts[where, place]:
            made[-1] += literal
            if hole == "text":
                made[-1] += slot(hit.text)
            elif hole == "mute_url":
                made.append(slot(hit.keyword))
        return made

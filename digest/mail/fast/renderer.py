"""Prints a digest's mail from parts that Jinja rendered once: byte for byte what ordinary Jinja gives for it."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from digest.mail.cards import PaperCache
from digest.mail.context import DigestMail, Section
from digest.mail.fast.card_renderer import ALONE, CARD, POSITIONS, CardRenderer, Outline, Run, places
from digest.mail.fast.encoders import Encoder, Piece, Pieces
from digest.mail.fast.fragments import Fragment, Loop, RecordType

_SECTION = RecordType(Section, slots=frozenset({"name"}), loops={"cards": CARD})
MAIL = RecordType(
    DigestMail,
    slots=frozenset(
        {"email", "name", "top_title", "preheader", "web_url", "preferences_url", "pause_url", "unsubscribe_url"}
    ),
    loops={"sections": _SECTION, "trending": CARD},
)

_MOST_CUTS = 2048  # of one part


class FastRenderer:
    """Prints one template. Not safe to share between threads: its caches are filled as it goes."""

    def __init__(self, page: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        """Raises UnsplittableError if the template marks matches in a way that cannot be spliced in."""
        self._encoder = encoder
        self._cache = cache
        self._page = self._cuts(page)

    def render(self, outline: Outline) -> bytes:
        """The mail's part that the template is of. Raises UnsplittableError, and Jinja's errors."""
        out: list[Piece] = []
        self._page.fill(outline.mail, ALONE, Run(outline, self._encoder.slot(outline.mute_url)), out)
        return self._encoder.whole(out)

    def _cuts(self, part: Fragment) -> "_Cuts":
        return _Cuts(part, self._encoder, self._filler)

    def _filler(self, loop: Loop) -> "_Fill":
        """What fills the hole that a loop left."""
        of_cards = loop.part.kind is CARD
        inner = CardRenderer(loop.part, self._encoder, self._cache) if of_cards else self._cuts(loop.part)
        records = attrgetter(loop.field)
        return lambda record, run, out: inner.fill_all(records(record), run, out)


_Fill = Callable[[Any, Run, list[Piece]], None]


class _Cuts:
    """A fragment's rendered texts: one for all records that differ only in their placeholders."""

    def __init__(self, part: Fragment, encoder: Encoder, filler: Callable[[Loop], _Fill]) -> None:
        kind = part.kind
        holes = (*kind.slots, *kind.loops)
        self.part = part
        self._encoder = encoder
        self._fields = attrgetter(*(f.name for f in fields(kind.record) if f.name not in holes), "__class__")
        self._holes = attrgetter(*holes, "__class__")
        self._fillers = {id(loop): filler(loop) for loop in part.loops}
        self._made: dict[object, list[tuple[Pieces, _Fill | None]]] = {}

    def fill_all(self, records: Sequence[Any], run: Run, out: list[Piece]) -> None:
        """Write records one after another."""
        for record, place in zip(records, places(self.part.asks_position, len(records)), strict=True):
            self.fill(record, place, run, out)

    def fill(self, record: Any, place: int, run: Run, out: list[Piece]) -> None:
        """Write one record."""
        for literal, fill in self._cut(record, place):
            out += literal
            if fill is not None:
                fill(record, run, out)

    def _cut(self, record: Any, place: int) -> list[tuple[Pieces, _Fill | None]]:
        key = (place, self._fields(record), *map(bool, self._holes(record)))
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST_CUTS:
                del self._made[next(iter(self._made))]
            cut = self.part.cut(record, POSITIONS[place])
            made = self._made[key] = [
                (self._encoder.seal([self._encoder.raw(text)]), self._filler(hole)) for text, hole in cut
            ]
        return made

    def _filler(self, hole: str | Loop | None) -> _Fill | None:
        if hole is None or isinstance(hole, Loop):
            return self._fillers[id(hole)] if hole else None
        slot, value = self._encoder.slot, attrgetter(hole)
        return lambda record, _, out: out.append(slot(value(record)))

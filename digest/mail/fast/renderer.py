"""Renders a digest's mail from fragments that Jinja rendered once, byte for byte as Jinja would."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from digest.mail.cards import PaperCache
from digest.mail.context import DigestMail, Section
from digest.mail.fast.card_renderer import CARD, ONLY, POSITIONS, CardRenderer, Outline, RenderJob, places
from digest.mail.fast.encoders import Encoder, Piece, Pieces
from digest.mail.fast.fragments import Fragment, Gap, Loop, RecordType

_SECTION = RecordType(Section, placeholders=frozenset({"name"}), loops={"cards": CARD})
MAIL = RecordType(
    DigestMail,
    placeholders=frozenset(
        {"email", "name", "top_title", "preheader", "web_url", "preferences_url", "pause_url", "unsubscribe_url"}
    ),
    loops={"sections": _SECTION, "trending": CARD},
)

_MAX_PRERENDERED = 2048  # of one fragment

_Fill = Callable[[Any, RenderJob, list[Piece]], None]


class FastRenderer:
    """Renders one template. Do not share it between threads: its caches are filled as it renders."""

    def __init__(self, fragment: Fragment, encoder: Encoder, cache: PaperCache) -> None:
        """Raises UnsplittableError if the template marks matches in a way that cannot be spliced in."""
        self._encoder = encoder
        self._page = _FragmentRenderer(fragment, encoder, cache)

    def render(self, outline: Outline) -> bytes:
        """Render the template for one mail. Raises UnsplittableError and Jinja's errors."""
        out: list[Piece] = []
        self._page.render(outline.mail, ONLY, RenderJob(outline, self._encoder.value(outline.mute_url)), out)
        return self._encoder.finish(out)


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

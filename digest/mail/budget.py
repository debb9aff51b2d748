"""The byte budget: how much of a digest fits into a mail, decided before it is written. Pure.

Gmail clips a mail's HTML at 102 KB. Abstracts are shortened first, then the last papers become "more on the web".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from digest.mail.cards import MAX_REASONS, Stockroom
from digest.models import DigestItem

MAX_HTML_BYTES = 95_000

_SHORTER = (2000, 1000, 600, 320, 200, 120)  # characters of each abstract


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a template adds to the papers' own texts, in bytes of HTML."""

    shell: int
    section: int
    card: int
    reason: int
    mark: int


@dataclass(frozen=True, slots=True)
class Fit:
    """The papers that a mail shows, and how many characters of each abstract."""

    items: tuple[DigestItem, ...]
    trending: tuple[DigestItem, ...]
    max_abstract: int


def fits(
    items: Sequence[DigestItem],
    trending: Sequence[DigestItem],
    *,
    max_abstract: int,
    sizes: Sizes,
    room: Stockroom,
    budget: int = MAX_HTML_BYTES,
) -> Iterator[Fit]:
    """Ever smaller ways to show a digest, beginning with the largest that should fit into `budget` bytes.

    The last is empty. What is left out last are the papers that score highest.
    """
    lengths = [max_abstract, *(most for most in _SHORTER if most < max_abstract)]
    sections = len({item.profile for item in items})
    frame = sizes.shell + sections * sizes.section

    def size(item: DigestItem, most: int) -> int:
        found = len(item.evidence)
        own = room.get(item.paper).size(most)
        return own + sizes.card + found * sizes.mark + min(found, MAX_REASONS) * sizes.reason

    for most in lengths:
        if frame + sum(size(item, most) for item in (*items, *trending)) <= budget:
            yield Fit(tuple(items), tuple(trending), most)
    shortest = lengths[-1]
    best = sorted(items, key=lambda item: -item.score)
    shown = len(_within(best, budget - frame, lambda item: size(item, shortest)))
    while shown:
        kept = {item.paper.id for item in best[:shown]}
        yield Fit(tuple(item for item in items if item.paper.id in kept), (), shortest)
        shown = shown * 9 // 10
    yield Fit((), (), shortest)


def _within(items: Sequence[DigestItem], budget: int, size: Callable[[DigestItem], int]) -> Sequence[DigestItem]:
    """The first items that together take at most `budget` bytes."""
    for count, item in enumerate(items):
        budget -= size(item)
        if budget < 0:
            return items[:count]
    return items

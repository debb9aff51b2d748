"""The byte budget: how much of a digest candidate_fits into a mail, decided before it is written. Pure.

Gmail clips a mail's HTML at 102 KB. Abstracts are shortened before papers become "more on the web".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from digest.mail.cards import MAX_REASONS, PaperCache
from digest.models import DigestItem

MAX_HTML_BYTES = 95_000

_SHORTER = (2000, 1000, 600, 320, 200, 120)  # characters of each abstract


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSizes:
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


def candidate_fits(
    items: Sequence[DigestItem],
    trending: Sequence[DigestItem],
    *,
    max_abstract: int,
    sizes: TemplateSizes,
    cache: PaperCache,
    budget: int = MAX_HTML_BYTES,
) -> Iterator[Fit]:
    """Ever smaller ways to show a digest, beginning with the largest that should fit into `budget` bytes.

    Trending papers go first, then ends of abstracts, then the papers that score lowest. The last way is empty.
    """

    def size(item: DigestItem, most: int) -> int:
        found = len(item.evidence)
        own = cache.get(item.paper).size(most)
        return own + sizes.card + found * sizes.mark + min(found, MAX_REASONS) * sizes.reason

    frame = sizes.shell + len({item.profile for item in items}) * sizes.section
    shorter = [most for most in _SHORTER if most < max_abstract]
    for shown, most in [(tuple(trending), max_abstract), *(((), most) for most in (max_abstract, *shorter))]:
        if frame + sum(size(item, most) for item in (*items, *shown)) <= budget:
            yield Fit(tuple(items), shown, most)
    shortest = shorter[-1] if shorter else max_abstract
    best = sorted(items, key=lambda item: -item.score)
    count = _how_many(best, budget - sizes.shell, sizes.section, lambda item: size(item, shortest))
    while count:
        kept = {item.paper.id for item in best[:count]}
        yield Fit(tuple(item for item in items if item.paper.id in kept), (), shortest)
        count = count * 9 // 10
    yield Fit((), (), shortest)


def _how_many(best: Sequence[DigestItem], budget: int, section: int, size: Callable[[DigestItem], int]) -> int:
    """How many of the first items take at most `budget` bytes, each section counted with its first item."""
    begun: set[str] = set()
    for count, item in enumerate(best):
        budget -= size(item) + (0 if item.profile in begun else section)
        begun.add(item.profile)
        if budget < 0:
            return count
    return len(best)

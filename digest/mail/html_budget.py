"""The HTML budget: how much of a digest fits into a mail, decided before it is rendered. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.mail.cards import MAX_REASONS, PaperCache
from digest.models import DigestItem

MAX_HTML_BYTES = 95_000  # Gmail clips a mail's HTML at 102 KB, and with it the unsubscribe link; this leaves a margin

_ABSTRACT_LENGTHS = (2000, 1000, 600, 320, 200, 120)  # characters, tried one after another


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
    """The papers that a mail shows, and the length of each abstract in characters."""

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

    The trending papers are dropped first, then abstracts are shortened, then the papers with the lowest scores become
    "more on the web". The last candidate is empty.
    """

    def size(item: DigestItem, abstract_length: int) -> int:
        hits = len(item.evidence)
        own = cache.get(item.paper).size(abstract_length)
        return own + sizes.card + hits * sizes.mark + min(hits, MAX_REASONS) * sizes.reason

    frame = sizes.shell + len({item.profile for item in items}) * sizes.section
    lengths = [max_abstract, *(length for length in _ABSTRACT_LENGTHS if length < max_abstract)]
    for shown, length in [(tuple(trending), max_abstract), *(((), length) for length in lengths)]:
        if frame + sum(size(item, length) for item in (*items, *shown)) <= budget:
            yield Fit(tuple(items), shown, length)
    best = sorted(items, key=lambda item: -item.score)
    left, sections, count = budget - sizes.shell, set[str](), 0
    for item in best:
        left -= size(item, lengths[-1]) + (0 if item.profile in sections else sizes.section)
        if left < 0:
            break
        sections.add(item.profile)
        count += 1
    while count:  # sizes are estimates: what is still too large after rendering is tried again with a tenth less
        kept = {item.paper.id for item in best[:count]}
        yield Fit(tuple(item for item in items if item.paper.id in kept), (), lengths[-1])
        count = count * 9 // 10
    yield Fit((), (), lengths[-1])

"""Which match is better, and which papers of all that matched one subscriber gets. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from digest.models import DigestItem, Match, Paper

TITLE_FACTOR = 2.0  # a rule that is met in the title counts this much more

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Choice:
    """What one subscriber gets, and what matched but did not fit (best first)."""

    items: tuple[DigestItem, ...]
    more: tuple[Paper, ...]


def rarity(counts: NDArray[np.int64], total: int) -> NDArray[np.float32]:
    """How much rules count that were true of so many of `total` papers: 1 for all, 1 more each time half as many.

    An inverse document frequency (Spärck Jones, J. Documentation 28, 1972), smoothed so that it is 1 where nothing is
    known and finite where nothing was found.
    """
    return (1 + np.log2((total + 1) / (counts + 1))).astype(np.float32)


def precedence(paper: Paper) -> tuple[float, float, str]:
    """Sorts papers of equal score: the most upvoted first, then the newest, then by id so that it is the same again."""
    published_at = paper.published_at or _LONG_AGO
    return -(paper.upvotes or 0), -published_at.timestamp() if published_at.year > 1 else 0.0, paper.id


def choose(
    wanted: Sequence[Sequence[Match]],
    *,
    already: Collection[str],
    muted: Collection[str],
    limit: int,
    explain: Callable[[Sequence[Match]], Sequence[Match]] = lambda matches: matches,
) -> Choice:
    """The best `limit` papers among the matches of each profile that one subscriber follows.

    `already` are ids of papers they were sent, `muted` of those they never want to see. A paper that several profiles
    want is shown once, under the one where it scores highest (the first of equals), naming the others. Sections are
    ordered by their best paper. What is shown gets its evidence from `explain`.
    """
    out = {*already, *muted}
    kept = [[m for m in matches if m.paper.id not in out] for matches in wanted]
    best = _alone(kept[0]) if len(kept) == 1 else _merged(kept)
    explained = explain([match for match, _ in best[:limit]])
    shown = [_item(match, matches) for match, (_, matches) in zip(explained, best, strict=False)]
    place = {name: at for at, name in reversed(list(enumerate(item.profile for item in shown)))}
    return Choice(
        items=tuple(sorted(shown, key=lambda item: place[item.profile])),  # stable: best first within a section
        more=tuple(match.paper for match, _ in best[limit:]),
    )


def _merged(wanted: Sequence[Sequence[Match]]) -> list[tuple[Match, Sequence[Match]]]:
    """Of each paper its best match and all of them, best first."""
    by_paper: dict[str, list[Match]] = {}
    for match in (m for matches in wanted for m in matches):
        by_paper.setdefault(match.paper.id, []).append(match)
    return sorted(
        ((max(matches, key=lambda m: m.score), matches) for matches in by_paper.values()),
        key=lambda found: (-found[0].score, precedence(found[0].paper)),
    )


def _alone(matches: Sequence[Match]) -> list[tuple[Match, Sequence[Match]]]:
    """The same for who follows one profile only, whose matches of equal score are in their order already."""
    return [(match, (match,)) for match in sorted(matches, key=attrgetter("score"), reverse=True)]


def trending(papers: Iterable[Paper], *, limit: int) -> tuple[Paper, ...]:
    """The most popular papers, most upvotes first, then most stars; those that have neither are not."""
    popular = [paper for paper in papers if paper.upvotes or paper.stars]
    best = sorted(popular, key=lambda paper: (-(paper.upvotes or 0), -(paper.stars or 0), precedence(paper)))
    return tuple(best[:limit])


def _item(best: Match, matches: Sequence[Match]) -> DigestItem:
    """One paper's best match as an item, which names the profiles of the others."""
    return DigestItem(
        paper=best.paper,
        profile=best.profile.name,
        score=best.score,
        evidence=best.evidence,
        also=tuple(m.profile.name for m in matches if m.profile != best.profile),
    )

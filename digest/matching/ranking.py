"""Decides which matches of one subscriber are shown, and in which order. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter

from digest.models import DigestItem, Match, Paper

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Choice:
    """The papers that one subscriber gets, and those that matched but did not fit (best first)."""

    items: tuple[DigestItem, ...]
    more: tuple[Paper, ...]


def precedence(paper: Paper) -> tuple[float, float, str]:
    """Sort key for papers of equal score: most upvoted first, then newest; by id last, so that the order is stable."""
    published_at = paper.published_at or _LONG_AGO
    return -(paper.upvotes or 0), -published_at.timestamp() if published_at.year > 1 else 0.0, paper.id


def choose(
    wanted: Sequence[Sequence[Match]],
    *,
    known: Collection[str],
    left_out: Collection[str],
    limit: int,
    explain: Callable[[Sequence[Match]], Sequence[Match]] = lambda matches: matches,
) -> Choice:
    """Return the best `limit` papers among the matches of each profile that one subscriber follows.

    `known` are ids of papers sent to the subscriber before, `left_out` of those that their own rules or their announce
    types exclude. A paper
    that several profiles want is shown once, under the profile with its highest score (the first of equals), and names
    the others. Sections are ordered by their best paper. `explain` adds the evidence to the matches that are shown.
    """
    hidden = {*known, *left_out}
    kept = [[match for match in matches if match.paper.id not in hidden] for matches in wanted]
    if len(kept) == 1:  # the usual case needs no merging: matches of equal score are in order already
        best = [(match, [match]) for match in sorted(kept[0], key=attrgetter("score"), reverse=True)]
    else:
        by_paper: dict[str, list[Match]] = {}
        for match in chain.from_iterable(kept):
            by_paper.setdefault(match.paper.id, []).append(match)
        best = [(max(matches, key=attrgetter("score")), matches) for matches in by_paper.values()]
        best.sort(key=lambda found: (-found[0].score, precedence(found[0].paper)))
    explained = explain([match for match, _ in best[:limit]])
    shown = [
        DigestItem(
            paper=match.paper,
            profile=match.profile.name,
            score=match.score,
            evidence=match.evidence,
            also=tuple(other.profile.name for other in matches if other.profile != match.profile),
        )
        for match, (_, matches) in zip(explained, best, strict=False)
    ]
    # A section's place is that of its first item: reversed, so that the first item's assignment is the last.
    section = {name: place for place, name in reversed(list(enumerate(item.profile for item in shown)))}
    return Choice(
        items=tuple(sorted(shown, key=lambda item: section[item.profile])),  # stable: best first within a section
        more=tuple(match.paper for match, _ in best[limit:]),
    )


def trending(papers: Iterable[Paper], *, limit: int) -> tuple[Paper, ...]:
    """Return the most popular papers: most upvotes first, then most stars. Leaves out papers that have neither."""
    popular = [paper for paper in papers if paper.upvotes or paper.stars]
    best = sorted(popular, key=lambda paper: (-(paper.upvotes or 0), -(paper.stars or 0), precedence(paper)))
    return tuple(best[:limit])

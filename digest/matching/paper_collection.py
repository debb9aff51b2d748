"""Papers that stand ready for any rules that somebody wants to try on them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from digest.matching.backtest import Known, RuleStats, rule_stats
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.matches import Matches
from digest.matching.engine.ragged import Bools, Floats, Ints
from digest.matching.engine.search import Search
from digest.matching.ranking import choose
from digest.models import DigestItem, Match, Paper, Profile

_MOST_KNOWN = 500  # rules whose papers are remembered: some megabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What some profiles want of some papers, as one digest without an end would hold it."""

    count: int  # of the papers that they want
    items: tuple[DigestItem, ...]  # those that were asked for, best first, with their evidence
    days: Mapping[date, tuple[int, int]]  # (papers found, papers there were), every day from the first to the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What other rules of a profile change."""

    before: Findings  # without items
    after: Findings
    added: Findings  # what only the later rules want
    removed: Findings  # what only the earlier ones wanted


class PaperCollection:
    """Papers and the day of each, read once. Immutable; safe to share between threads."""

    def __init__(self, dated: Sequence[tuple[Paper, date]], *, on_progress: Callable[[], None] = lambda: None) -> None:
        """Papers, the first seen first. `on_progress` is called again and again while they are read. O(characters)."""
        self.papers = [paper for paper, _ in dated]
        self._corpus = Corpus(self.papers, on_progress=on_progress)
        self._day = np.array([day.toordinal() for _, day in dated], np.int64)
        self._seen_at = np.array([_second(paper.first_seen_at) for paper in self.papers], np.float64)
        self._rank = np.empty(len(dated), np.int64)  # by paper, its place among equals
        self._rank[self._corpus.by_precedence] = np.arange(len(dated))
        self._known: Known = {}  # of what was judged last: with the next key only one rule is another
        _ = self._corpus.columns, self._corpus.spellings  # now, and not when the first asks

    def seen_after(self, moment: datetime) -> Bools:
        """By paper: whether it was first seen after that."""
        return self._seen_at > moment.timestamp()

    def dated_within(self, first_on: date, last_on: date) -> Bools:
        """By paper: whether its day is one of [first_on, last_on]."""
        return (self._day >= first_on.toordinal()) & (self._day <= last_on.toordinal())

    def find(
        self, profiles: Sequence[Profile], among: Bools, *, background: datetime | None, begin: int, limit: int
    ) -> Findings:
        """What profiles want of the papers `among` these, and of that `limit` papers from number `begin` on.

        Rarity is taken over the papers first seen after `background`, or over all. As in a digest, a paper that several
        want is there once, and what somebody's own keywords keep out (`owner_id` is not None) is not there at all.
        Raises RuleError.
        """
        rows = {profile: row for row, profile in enumerate(dict.fromkeys(profiles))}
        matches = self._search(background).matches(ProfileIndex.build(rows))
        best = self._best(matches, list(rows), among)
        return self._findings(matches, rows, best, among, begin=begin, limit=limit)

    def compare(
        self, before: Profile, after: Profile, among: Bools, *, background: datetime | None, limit: int
    ) -> Comparison:
        """What a profile wants of the papers `among` these by two texts, and the best `limit` papers of each part.

        What both ask for is looked up once, so that it takes hardly longer than one of them. Raises RuleError.
        """
        matches = self._search(background).matches(ProfileIndex.build([before, after]))
        old, new = (self._scores(matches, row, among) for row in (0, 1))

        def found(row: int, best: Floats, limit: int) -> Findings:
            rows = {(before, after)[row]: row}
            return self._findings(matches, rows, best, among, begin=0, limit=limit)

        return Comparison(
            before=found(0, old, 0),
            after=found(1, new, limit),
            added=found(1, np.where(old > 0, 0, new), limit),
            removed=found(0, np.where(new > 0, 0, old), limit),
        )

    def count_matches(self, profiles: Sequence[Profile], among: Bools) -> list[int]:
        """How many of the papers `among` these each profile wants. Raises RuleError."""
        matches = self._search(None).matches(ProfileIndex.build(profiles))
        wanted = matches.profile[among[matches.paper]]
        return [int(count) for count in np.bincount(wanted, minlength=len(profiles))]

    def count_days(self, among: Bools) -> int:
        """On how many days the papers `among` these came."""
        return len(np.unique(self._day[among]))

    def rule_stats(self, profile: Profile) -> list[RuleStats]:
        """How each rule of a profile does among all the papers. Raises RuleError."""
        if len(self._known) > _MOST_KNOWN:
            self._known = {}
        return rule_stats(profile, Search(self._corpus), self._known)

    def _search(self, background: datetime | None) -> Search:
        recent = 0 if background is None else int(np.searchsorted(self._seen_at, background.timestamp(), side="right"))
        return Search(self._corpus, recent=recent)

    def _findings(
        self, matches: Matches, rows: Mapping[Profile, int], best: Floats, among: Bools, *, begin: int, limit: int
    ) -> Findings:
        """What some profiles, in these rows of what matched, want; `best` is each paper's score, 0 where it is out."""
        found = np.flatnonzero(best)
        order = found[np.lexsort((self._rank[found], -best[found]))]
        return Findings(
            count=len(found),
            items=self._items(matches, rows, order[begin : begin + limit].astype(np.int32)),
            days=self._days(found, np.flatnonzero(among)),
        )

    def _scores(self, matches: Matches, row: int, among: Bools) -> Floats:
        """By paper, the score that it has with the profile in that row; 0 where it is not wanted."""
        scores = np.zeros(len(self.papers), np.float32)
        theirs = matches.profile == row
        scores[matches.paper[theirs]] = matches.score[theirs]
        scores[~among] = 0
        return scores

    def _best(self, matches: Matches, profiles: Sequence[Profile], among: Bools) -> Floats:
        """By paper, the best score that it has with any of the profiles; 0 where it is not wanted."""
        best = np.zeros(len(self.papers), np.float32)
        np.maximum.at(best, matches.paper, matches.score)
        muted = [matches.excluded_papers(row) for row, profile in enumerate(profiles) if profile.owner_id is not None]
        best[list(frozenset[int]().union(*muted))] = 0
        best[~among] = 0
        return best

    def _items(self, matches: Matches, row_of: Mapping[Profile, int], shown: Ints) -> tuple[DigestItem, ...]:
        def explained(chosen: Sequence[Match]) -> list[Match]:
            found: dict[tuple[int, str], Match] = {}
            for profile, row in row_of.items():
                some = [match for match in chosen if match.profile == profile]
                found |= {(row, match.paper.id): match for match in matches.with_evidence(row, some)}
            return [found[row_of[match.profile], match.paper.id] for match in chosen]

        wanted = [matches.without_evidence(row, profile, of=shown) for profile, row in row_of.items()]
        choice = choose(wanted, already=(), muted=(), limit=len(shown), explain=explained)
        place = {self.papers[column].id: place for place, column in enumerate(shown.tolist())}
        return tuple(sorted(choice.items, key=lambda item: place[item.paper.id]))

    def _days(self, found: NDArray[np.int64], there: NDArray[np.int64]) -> dict[date, tuple[int, int]]:
        if not len(there):
            return {}
        first = int(self._day[there].min())
        counts = (np.bincount(self._day[there] - first), np.bincount(self._day[found] - first))
        length = len(counts[0])
        of, papers = (np.pad(some, (0, length - len(some))).tolist() for some in counts)
        return {date.fromordinal(first + n): (papers[n], of[n]) for n in range(length)}


def _second(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0

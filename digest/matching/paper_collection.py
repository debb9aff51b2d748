"""Papers kept in memory, so that rules can be tried on them at once. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.costs import MAX_STEPS
from digest.matching.engine.index import Matches, ProfileIndex, Search
from digest.matching.engine.ragged import Bools, Floats
from digest.matching.ranking import choose
from digest.matching.rule_stats import QueryCache, RuleStats, rule_stats
from digest.models import DigestItem, Match, Paper, Profile

_MOST_CACHED = 500  # rules whose papers are remembered: some megabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The papers that some profiles find, as a digest without a limit would hold them."""

    count: int  # of all papers found
    items: tuple[DigestItem, ...]  # the requested ones, best first, with evidence
    days: Mapping[date, tuple[int, int]]  # (papers found, all papers), for every day from the first to the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changes if a profile's rules change."""

    before: Findings  # without items
    after: Findings
    added: Findings  # papers that only the new rules find
    removed: Findings  # papers that only the old rules found


class PaperCollection:
    """Papers with a date each, read once. Immutable; safe to share between threads.

    Methods take the papers to look at as a mask, `among`, which `seen_after` and `dated_within` return.
    """

    def __init__(
        self,
        dated: Sequence[tuple[Paper, date]],
        *,
        on_progress: Callable[[], None] = lambda: None,
        max_steps: float = MAX_STEPS,
    ) -> None:
        """Papers and their dates, the first seen first. O(characters).

        Calls `on_progress` at short intervals while reading, so that the caller can let other threads run. One profile
        may cost `max_steps`.
        """
        self.papers = [paper for paper, _ in dated]
        self._max_steps = max_steps
        self._corpus = Corpus(self.papers, on_progress=on_progress)
        self._day = np.array([day.toordinal() for _, day in dated], np.int64)
        seen_at = (paper.first_seen_at for paper in self.papers)
        self._seen_at = np.array([0.0 if moment is None else moment.timestamp() for moment in seen_at], np.float64)
        self._rank = np.empty(len(dated), np.int64)  # by paper: its place among papers of equal score
        self._rank[self._corpus.by_precedence] = np.arange(len(dated))
        self._cache: QueryCache = {}  # while a profile is typed, most of its rules stay the same
        _ = self._corpus.columns, self._corpus.sorted_words  # computed now, so that the first request does not wait

    def estimate_steps(self, profiles: Sequence[Profile]) -> float:
        """Return what matching the profiles costs, in steps. Raises RuleError, also if one costs too much."""
        return self._search(None).estimate_steps(ProfileIndex.build(profiles))

    def seen_after(self, moment: datetime) -> Bools:
        """By paper: whether it was first seen after that moment."""
        return self._seen_at > moment.timestamp()

    def dated_within(self, first_on: date, last_on: date) -> Bools:
        """By paper: whether its date is within [first_on, last_on]."""
        return (self._day >= first_on.toordinal()) & (self._day <= last_on.toordinal())

    def find(
        self,
        profiles: Sequence[Profile],
        among: Bools,
        *,
        counted_after: datetime | None,
        begin: int,
        limit: int,
        evidence: bool = True,
    ) -> Findings:
        """Return what the profiles find together, with `limit` items from number `begin` on. Raises RuleError.

        Without `evidence` the items do not say what matched, which is most of the work of finding many.

        Document frequencies are counted in the papers first seen after `counted_after`, or in all if it is None. As in
        a digest, a paper found by several profiles appears once, and papers that personal rules (`owner_id` is not
        None) exclude do not appear.
        """
        rows = {profile: row for row, profile in enumerate(dict.fromkeys(profiles))}
        matches = self._search(counted_after).matches(ProfileIndex.build(rows))
        best = np.zeros(len(self.papers), np.float32)
        np.maximum.at(best, matches.paper, matches.score)
        muted = [matches.excluded_papers(row) for profile, row in rows.items() if profile.owner_id is not None]
        best[list(frozenset[int]().union(*muted))] = 0
        best[~among] = 0
        return self._findings(matches, rows, best, among, begin=begin, limit=limit, evidence=evidence)

    def compare(
        self, before: Profile, after: Profile, among: Bools, *, counted_after: datetime | None, limit: int
    ) -> Comparison:
        """Compare two versions of a profile, with the best `limit` papers of each part. Raises RuleError.

        Rules in both versions are evaluated once, so this takes hardly longer than `find` for one of them.
        """
        matches = self._search(counted_after).matches(ProfileIndex.build([before, after]))
        old, new = (np.zeros(len(self.papers), np.float32) for _ in range(2))
        for row, scores in enumerate((old, new)):
            of_row = matches.profile == row
            scores[matches.paper[of_row]] = matches.score[of_row]
            scores[~among] = 0

        def found(row: int, best: Floats, limit: int) -> Findings:
            return self._findings(matches, {(before, after)[row]: row}, best, among, begin=0, limit=limit)

        return Comparison(
            before=found(0, old, 0),
            after=found(1, new, limit),
            added=found(1, np.where(old > 0, 0, new), limit),
            removed=found(0, np.where(new > 0, 0, old), limit),
        )

    def count_matches(self, profiles: Sequence[Profile], among: Bools) -> list[int | None]:
        """Return how many papers each profile finds; None if its rules cost too much. Raises RuleError."""
        search, index = self._search(None), ProfileIndex.build(profiles)
        too_costly = search.leave_out_costly(index)
        matches = search.matches(index)
        found = matches.profile[among[matches.paper]]
        counts = np.bincount(found, minlength=len(profiles)).tolist()
        return [None if row in too_costly else count for row, count in enumerate(counts)]

    def count_days(self, among: Bools) -> int:
        """Return how many different dates these papers have."""
        return len(np.unique(self._day[among]))

    def rule_stats(self, profile: Profile) -> list[RuleStats]:
        """Return how many of all papers each rule of a profile finds. Raises RuleError."""
        if len(self._cache) > _MOST_CACHED:
            self._cache = {}
        return rule_stats(profile, Search(self._corpus), self._cache)

    def _search(self, counted_after: datetime | None) -> Search:
        recent = (
            0 if counted_after is None else int(np.searchsorted(self._seen_at, counted_after.timestamp(), side="right"))
        )
        return Search(self._corpus, recent=recent, max_steps=self._max_steps)

    def _findings(
        self,
        matches: Matches,
        rows: Mapping[Profile, int],
        best: Floats,
        among: Bools,
        *,
        begin: int,
        limit: int,
        evidence: bool = True,
    ) -> Findings:
        """`rows` are the profiles' rows in `matches`; `best` is, by paper, its score, or 0 if it is left out."""
        found = np.flatnonzero(best)
        order = found[np.lexsort((self._rank[found], -best[found]))]
        shown = order[begin : begin + limit].astype(np.int32)

        def explain(chosen: Sequence[Match]) -> Sequence[Match]:
            if not evidence:
                return chosen
            explained: dict[tuple[int, str], Match] = {}
            for profile, row in rows.items():
                some = [match for match in chosen if match.profile == profile]
                explained |= {(row, match.paper.id): match for match in matches.with_evidence(row, some)}
            return [explained[rows[match.profile], match.paper.id] for match in chosen]

        wanted = [matches.without_evidence(row, profile, of=shown) for profile, row in rows.items()]
        choice = choose(wanted, known=(), left_out=(), limit=len(shown), explain=explain)
        place = {self.papers[column].id: place for place, column in enumerate(shown.tolist())}
        items = tuple(sorted(choice.items, key=lambda item: place[item.paper.id]))
        days: dict[date, tuple[int, int]] = {}
        if among.any():
            first = int(self._day[among].min())
            total = np.bincount(self._day[among] - first)
            matched = np.bincount(self._day[found] - first, minlength=len(total))
            counts = zip(matched.tolist(), total.tolist(), strict=True)
            days = {date.fromordinal(first + day): pair for day, pair in enumerate(counts)}
        return Findings(count=len(found), items=items, days=days)

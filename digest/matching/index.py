"""Many profiles against many papers at once.

Each paper is scanned once for the terms of all profiles; only queries that have a term in the paper are evaluated, and
equal queries, however written, once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digest.errors import RuleError
from digest.matching.parser import parse_rules
from digest.matching.query import AllOf, AnyOf, Not, Query, Rule, Term, canonical, terms
from digest.matching.ranking import TITLE_FACTOR, precedence
from digest.matching.scan import Hits, Scanner
from digest.models import Evidence, Field, Match, Paper, Profile


@dataclass(frozen=True, slots=True)
class _Use:
    """A query in one profile: the profile's row and the rule that asks."""

    row: int
    rule: Rule


class Index:
    """Profiles, ready to be matched. Immutable; safe to share between threads."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        """Raises RuleError, naming the profile, if rules cannot be read: they are checked when they are saved."""
        self.profiles = profiles
        self._rules_of = [_distinct_rules(profile) for profile in profiles]
        self._uses: dict[Query, list[_Use]] = {}
        for row, rules in enumerate(self._rules_of):
            for query, rule in rules.items():
                self._uses.setdefault(query, []).append(_Use(row, rule))
        self._numbers: dict[Term, int] = {}
        self._queries_of: list[list[Query]] = []
        for query in self._uses:
            for term in set(terms(query)):
                number = self._numbers.setdefault(term, len(self._numbers))
                if number == len(self._queries_of):
                    self._queries_of.append([])
                self._queries_of[number].append(query)
        self._scanner = Scanner(self._numbers)

    def match(self, papers: Sequence[Paper], *, limit: int | None = None) -> "Matches":
        """The best `limit` papers of every profile, or all that match. O(words + hits). Raises nothing."""
        scores: dict[tuple[int, int], float] = {}
        excluded: dict[int, set[int]] = {}
        hits_of = [self._scanner.hits(paper) for paper in papers]
        for column, hits in enumerate(hits_of):
            for query, found in self._satisfied(hits):
                factor = TITLE_FACTOR if _in_title(found, hits) else 1.0
                for use in self._uses[query]:
                    if use.rule.excludes:
                        excluded.setdefault(use.row, set()).add(column)
                    else:
                        at = (use.row, column)
                        scores[at] = scores.get(at, 0.0) + use.rule.weight * factor
        wanted = {at: score for at, score in scores.items() if at[1] not in excluded.get(at[0], ())}
        profile, paper, score = _sorted(wanted, papers, limit)
        return Matches(self, papers, hits_of, excluded, profile=profile, paper=paper, score=score)

    def evidence(self, row: int, hits: Hits) -> tuple[Evidence, ...]:
        """Where the rules of one profile found their terms in the paper that `hits` is of, sorted."""
        found = {
            Evidence(field=hit.field, start=hit.start, end=hit.end, rule=rule.text)
            for query, rule in self._rules_of[row].items()
            if not rule.excludes
            for number in self._support(query, hits) or ()
            for hit in hits[number]
        }
        return tuple(sorted(found, key=lambda e: (list(Field).index(e.field), e.start, e.end, e.rule)))

    def _satisfied(self, hits: Hits) -> Iterator[tuple[Query, frozenset[int]]]:
        """The queries that are true of a paper, each with the numbers of the terms that make it true."""
        candidates = dict.fromkeys(query for number in hits for query in self._queries_of[number])
        for query in candidates:
            found = self._support(query, hits)
            if found is not None:
                yield query, found

    def _support(self, query: Query, hits: Hits) -> frozenset[int] | None:
        """The terms that make the query true of the paper; None where it is not true."""
        match query:
            case Term():
                number = self._numbers[query]
                return frozenset((number,)) if number in hits else None
            case Not(part):
                return frozenset() if self._support(part, hits) is None else None
            case AllOf(parts):
                each = [self._support(part, hits) for part in parts]
                return None if None in each else frozenset().union(*(s for s in each if s is not None))
            case AnyOf(parts):
                some = [s for part in parts if (s := self._support(part, hits)) is not None]
                return frozenset().union(*some) if some else None


class Matches:
    """What matched: three arrays of equal length, sorted by profile row, then score descending, then precedence.

    `profile` and `paper` (int32) are rows of what the Index and `match` were given, `score` (float32) is above 0.
    """

    def __init__(
        self,
        index: Index,
        papers: Sequence[Paper],
        hits_of: Sequence[Hits],
        excluded: dict[int, set[int]],
        *,
        profile: NDArray[np.int32],
        paper: NDArray[np.int32],
        score: NDArray[np.float32],
    ) -> None:
        self.profile = profile
        self.paper = paper
        self.score = score
        self._index = index
        self._papers = papers
        self._hits_of = hits_of
        self._excluded = excluded

    def __len__(self) -> int:
        return len(self.score)

    def for_profile(self, row: int) -> list[Match]:
        """The matches of one profile, best first, with their evidence (found only now)."""
        begin, end = np.searchsorted(self.profile, [row, row + 1])
        return [
            Match(
                paper=self._papers[column],
                profile=self._index.profiles[row],
                score=score,
                evidence=self._index.evidence(row, self._hits_of[column]),
            )
            for column, score in zip(self.paper[begin:end].tolist(), self.score[begin:end].tolist(), strict=True)
        ]

    def excluded(self, row: int) -> frozenset[int]:
        """The rows of the papers that the profile's lines beginning with - keep out."""
        return frozenset(self._excluded.get(row, ()))


def _distinct_rules(profile: Profile) -> dict[Query, Rule]:
    """The profile's rules by what they ask. Of two that ask the same the weightier counts, and excluding beats both."""
    try:
        rules = parse_rules(profile.rules).rules
    except RuleError as error:
        raise RuleError(error.line, error.column, f"{error.reason} (profile {profile.name!r})") from None
    distinct: dict[Query, Rule] = {}
    for rule in sorted(rules, key=lambda r: (r.excludes, r.weight)):
        distinct[canonical(rule.query)] = rule
    return distinct


def _in_title(numbers: frozenset[int], hits: Hits) -> bool:
    return any(hit.field is Field.TITLE for number in numbers for hit in hits[number])


def _sorted(
    scores: dict[tuple[int, int], float], papers: Sequence[Paper], limit: int | None
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    place = np.empty(len(papers), np.int32)
    place[sorted(range(len(papers)), key=lambda column: precedence(papers[column]))] = np.arange(len(papers))
    rows = np.fromiter((row for row, _ in scores), np.int32, len(scores))
    columns = np.fromiter((column for _, column in scores), np.int32, len(scores))
    score = np.fromiter(scores.values(), np.float32, len(scores))
    order = np.lexsort((place[columns], -score, rows))
    if limit is not None:
        starts = np.searchsorted(rows[order], rows[order])  # where each match's profile begins
        order = order[np.arange(len(order)) - starts < limit]
    return rows[order], columns[order], score[order]

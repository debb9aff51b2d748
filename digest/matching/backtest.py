"""What a profile would have found, rule by rule: for whoever edits it, before it is saved. Pure."""

from collections import ChainMap, Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.program import compiled
from digest.matching.engine.ragged import Ints, Longs
from digest.matching.engine.search import Search
from digest.matching.engine.truth import evaluate
from digest.matching.language.canonical import canonical, format_query
from digest.matching.language.parser import parse_rules
from digest.matching.language.query import Query, Rule
from digest.matching.suggestions import in_title, wider
from digest.models import Paper, Profile

Known = MutableMapping[Query, Ints]  # by query, the columns of the papers that it is true of

FLOODS = 0.1  # a rule that is true of more than this part of all papers


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Another rule, and how many papers it is true of."""

    rule: str
    papers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStats:
    """How one rule did."""

    line: int
    rule: str
    excludes: bool
    papers: int  # that it is true of; for a line that excludes, of those that other lines ask for
    alone: int  # of these, how many no other line asks for, or keeps out
    share: float  # of all papers, 0 to 1, that it is true of
    suggestion: Suggestion | None = None  # where it was never true, or floods

    @property
    def floods(self) -> bool:
        """Whether it is true of so many papers that it says little about any."""
        return self.share > FLOODS and not self.excludes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a profile would have found."""

    papers: Sequence[Paper]  # best first
    days: Mapping[date, tuple[int, int]]  # (papers found, papers there were), every day from the first to the last
    rules: Sequence[RuleStats]


def backtest(profile: Profile, search: Search, days: Sequence[date]) -> Backtest:
    """Run a profile over the papers of a search; `days` says of each when it came. Raises RuleError."""
    columns = search.matches(ProfileIndex.build([profile])).paper.tolist()
    there, found = Counter(days), Counter(days[column] for column in columns)
    return Backtest(
        papers=[search.papers[column] for column in columns],
        days={day: (found[day], there[day]) for day in _every_day(days)},
        rules=rule_stats(profile, search),
    )


def _every_day(days: Sequence[date]) -> Iterator[date]:
    for n in range((max(days) - min(days)).days + 1 if days else 0):
        yield min(days) + timedelta(n)


def rule_stats(profile: Profile, search: Search, known: Known | None = None) -> list[RuleStats]:
    """How each rule of a profile does. Raises RuleError.

    `known` is what is known of this search's papers already, and is added to.
    """
    known = {} if known is None else known
    rules = parse_rules(profile.rules).rules
    true = true_of([rule.query for rule in rules], search, known)
    suggestions = _suggestions(rules, true, search, known)
    total = max(len(search.papers), 1)
    wanted, excluded = (
        np.bincount(np.concatenate([np.empty(0, np.int32), *(true[query] for query in some)]), minlength=total)
        for some in ({r.query for r in rules if not r.excludes}, {r.query for r in rules if r.excludes})
    )
    return [
        _record(rule, met := true[rule.query], wanted[met], excluded[met], total, suggestions.get(rule.query))
        for rule in rules
    ]


def _record(
    rule: Rule, met: Ints, wanted: Longs, excluded: Longs, total: int, suggestion: Suggestion | None
) -> RuleStats:
    """`met` are the papers that the rule is true of; by these, how many rules want and exclude them."""
    counted = wanted > 0
    alone = counted & (excluded == 1 if rule.excludes else (wanted == 1) & (excluded == 0))
    return RuleStats(
        line=rule.line,
        rule=rule.text,
        excludes=rule.excludes,
        papers=int(counted.sum()) if rule.excludes else len(met),
        alone=int(alone.sum()),
        share=len(met) / total,
        suggestion=suggestion,
    )


def _suggestions(
    rules: Sequence[Rule], true: Mapping[Query, Ints], search: Search, known: Known
) -> dict[Query, Suggestion]:
    """For rules that were never true or flood: the nearest variant that mends it."""
    most = FLOODS * len(search.papers)
    counts = {rule.query: len(true[rule.query]) for rule in rules}
    words = ChainMap[str, Any](search.corpus.words, search.corpus.stems)
    variants: dict[Query, list[Query]] = {}
    for query, count in counts.items():
        if count == 0:
            variants[query] = [canonical(variant) for variant in wider(query, words)]
        elif count > most:
            variants[query] = [canonical(variant) for variant in in_title(query)]
    papers = true_of([variant for some in variants.values() for variant in some], search, known)
    found: dict[Query, Suggestion] = {}
    for query, some in variants.items():
        for variant in some:
            count = len(papers[variant])
            if 0 < count <= (most if counts[query] else len(search.papers)):
                found[query] = Suggestion(rule=format_query(variant), papers=count)
                break
    return found


def true_of(queries: Sequence[Query], search: Search, known: Known | None = None) -> dict[Query, Ints]:
    """By query, the columns of the papers that it is true of; what was not `known` is from now on."""
    known = {} if known is None else known
    found = {query: columns for query in queries if (columns := known.get(query)) is not None}
    new = [query for query in dict.fromkeys(queries) if query not in found]
    program, conditions = compiled(new)
    truth = evaluate(program, search.corpus)
    columns_of = np.split(truth.paper, truth.papers_of[1:-1]) if len(program) else []
    found |= {query: columns_of[condition] for query, condition in zip(new, conditions.tolist(), strict=True)}
    known.update({query: found[query].copy() for query in new})
    return found

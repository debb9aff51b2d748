"""What a profile would have found, rule by rule: for whoever edits it, before it is saved. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from digest.matching.engine.index import Index
from digest.matching.engine.program import compiled
from digest.matching.engine.search import Search
from digest.matching.engine.truth import evaluate
from digest.matching.language.canonical import canonical, format_query
from digest.matching.language.parser import parse_rules
from digest.matching.language.query import Query, Rule
from digest.matching.variants import in_title, wider
from digest.models import Paper, Profile

FLOODS = 0.1  # a rule that is true of more than this part of all papers


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Another rule, and how many papers it is true of."""

    rule: str
    papers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecord:
    """How one rule did."""

    line: int
    rule: str
    excludes: bool
    papers: int  # that it is true of, also where another line keeps them out
    share: float  # of all papers, 0 to 1
    suggestion: Suggestion | None = None  # where it was never true, or floods

    @property
    def floods(self) -> bool:
        """Whether it is true of so many papers that it says little about any."""
        return self.share > FLOODS and not self.excludes


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a profile would have found."""

    papers: Sequence[Paper]  # best first
    days: Mapping[date, tuple[int, int]]  # (papers found, papers there were), ascending
    rules: Sequence[RuleRecord]


def backtest(profile: Profile, search: Search, days: Sequence[date]) -> Backtest:
    """Run a profile over the papers of a search; `days` says of each when it came. Raises RuleError."""
    index = Index.of([profile])
    columns = search.matches(index).paper.tolist()
    there = Counter(days)
    found = Counter(days[column] for column in columns)
    return Backtest(
        papers=[search.papers[column] for column in columns],
        days={day: (found[day], there[day]) for day in sorted(there)},
        rules=_records(parse_rules(profile.rules).rules, search),
    )


def _records(rules: Sequence[Rule], search: Search) -> list[RuleRecord]:
    counts = _count([rule.query for rule in rules], search)
    suggestions = _suggestions(rules, counts, search)
    total = max(len(search.papers), 1)
    return [
        RuleRecord(
            line=rule.line,
            rule=rule.text,
            excludes=rule.excludes,
            papers=counts[rule.query],
            share=counts[rule.query] / total,
            suggestion=suggestions.get(rule.query),
        )
        for rule in rules
    ]


def _suggestions(rules: Sequence[Rule], counts: Mapping[Query, int], search: Search) -> dict[Query, Suggestion]:
    """For rules that were never true or flood: the nearest variant that mends it."""
    total = len(search.papers)
    variants = {rule.query: list(_variants(rule.query, counts[rule.query], search)) for rule in rules}
    papers = _count([variant for some in variants.values() for variant in some], search)
    found: dict[Query, Suggestion] = {}
    for query, some in variants.items():
        most = FLOODS * total if counts[query] else total
        better = (variant for variant in some if 0 < papers[variant] <= most)
        if (best := next(better, None)) is not None:
            found[query] = Suggestion(rule=format_query(best), papers=papers[best])
    return found


def _variants(query: Query, papers: int, search: Search) -> Iterator[Query]:
    if papers == 0:
        known = search.corpus.words.keys() | search.corpus.stems.keys()
        yield from map(canonical, wider(query, known))
    elif papers > FLOODS * len(search.papers):
        yield from map(canonical, in_title(query))


def _count(queries: Sequence[Query], search: Search) -> dict[Query, int]:
    """Of how many papers each query is true."""
    distinct = list(dict.fromkeys(queries))
    program, conditions = compiled(distinct)
    counts = evaluate(program, search.corpus).counts
    return dict(zip(distinct, counts[conditions].tolist(), strict=True))

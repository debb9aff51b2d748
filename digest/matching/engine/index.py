"""Many profiles, ready to be matched against papers.

Each paper is read once for the phrases of all profiles; equal queries, however written, are evaluated once, and only
where their rarest word stands; evidence is looked for when a match is asked for.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Self

import numpy as np
from numpy.typing import NDArray

from digest.errors import RuleError
from digest.matching.engine.corpus import Corpus
from digest.matching.engine.join import Asks, Facts, best
from digest.matching.engine.matches import Matches
from digest.matching.engine.program import Program, compiled
from digest.matching.engine.ragged import Floats, Ints, Longs, pointer, rows
from digest.matching.engine.truth import Truth, evaluate
from digest.matching.language.parser import parse_query, parse_rules
from digest.matching.language.query import Rule
from digest.matching.ranking import TITLE_FACTOR
from digest.models import EXCLUDES, Paper, Profile


class ProfileIndex:
    """Profiles, compiled, a row each. Immutable; safe to share between threads."""

    def __init__(self, program: Program, asks: Asks) -> None:
        self.program = program
        self.asks = asks

    @classmethod
    def build(cls, profiles: Iterable[Profile]) -> Self:
        """Raises RuleError, naming the profile, if rules cannot be read: they are checked when they are saved."""
        rules_of = [_distinct_rules(profile) for profile in profiles]
        rules = list(chain.from_iterable(rules_of))
        program, conditions = compiled(rule.query for rule in rules)
        asks = Asks(
            of=pointer(np.array([len(some) for some in rules_of], np.int64)),
            condition=conditions,
            weight=np.array([EXCLUDES if rule.excludes else rule.weight for rule in rules], np.float32),
            line=np.array([rule.line for rule in rules], np.int32),
        )
        return cls(program, asks)

    @classmethod
    def from_compiled(cls, queries: Sequence[str], *, offsets: Longs, query: Ints, weight: Floats, line: Ints) -> Self:
        """From what `compile_rules` made: distinct queries, and by profile (`offsets`) which of them it asks."""
        # What many ask comes first, so that it lies together where it is looked up.
        popular = np.argsort(-np.bincount(query, minlength=len(queries)), kind="stable")
        program, conditions = compiled(parse_query(queries[number]) for number in popular.tolist())
        condition = np.empty_like(conditions)
        condition[popular] = conditions
        return cls(program, Asks(of=offsets, condition=condition[query], weight=weight, line=line))

    def __len__(self) -> int:
        return len(self.asks)

    def subset(self, wanted: NDArray[np.int64]) -> Self:
        """An index of these rows, in this order."""
        asks = self.asks
        each, counts = rows(asks.of, wanted)
        some = Asks(pointer(counts), asks.condition[each], asks.weight[each], asks.line[each])
        return type(self)(self.program, some)

    def match(
        self,
        papers: Sequence[Paper] | Truth,
        *,
        rarity: Floats | None = None,
        limit: int | None = None,
        workers: int = 1,
    ) -> Matches:
        """The best `limit` papers of every profile, or all that match. O(words + facts + matches). Raises nothing.

        `rarity` (by condition of the program, see ranking.py) is how much a rule counts for being met seldom; without
        it all count the same. With several `workers`, as many processes, where the system can fork.
        """
        truth = papers if isinstance(papers, Truth) else evaluate(self.program, Corpus(papers))
        value = np.where(truth.in_title, np.float32(TITLE_FACTOR), np.float32(1))
        if rarity is not None:
            value *= np.repeat(rarity, truth.counts)
        facts = Facts(truth.papers_of, truth.paper, value, truth.corpus.by_precedence)
        return Matches(self.asks, truth, value, best(self.asks, facts, limit=limit, workers=workers))


def _distinct_rules(profile: Profile) -> list[Rule]:
    try:
        return parse_rules(profile.rules).distinct()
    except RuleError as error:
        raise RuleError(error.line, error.column, f"{error.reason} (profile {profile.name!r})") from None

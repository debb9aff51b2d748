"""Counts what each rule of a profile finds, so that an editor sees it before the profile is saved. Pure.

A rule that finds nothing, or too much, is varied, to suggest what its author may have meant.
"""

import math
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from string import ascii_lowercase
from typing import Any

import numpy as np

from digest.matching.engine.costs import MAX_STEPS, estimate_costs
from digest.matching.engine.evaluation import evaluate
from digest.matching.engine.index import Search
from digest.matching.engine.query_plan import compile_queries
from digest.matching.engine.ragged import Ints
from digest.matching.language.parser import parse_rules
from digest.matching.language.query import SHOWN, TITLE, AllOf, AnyOf, Not, Query, Term, canonical, format_query
from digest.models import Profile

QueryCache = MutableMapping[Query, Ints]  # query -> the columns of the papers that it is true of

# A rule that is true of more than this share of all papers says little about any of them. Common nouns flood:
# benchmark and dataset find 65 % of a day's papers.
FLOODS = 0.1

# A word of 65,000 letters has millions of other spellings: looking them up kept the server busy for 40 seconds.
_SPELLING_LETTERS = range(4, 41)  # how long a word is that may be misspelt
_PREFIX_LETTERS = 4  # the shortest word that is tried as a prefix
_MOST_TERMS = 20  # of a rule that are varied
_STOP_WORDS = frozenset({"a", "and", "for", "in", "of", "on", "or", "the", "to", "with"})
_OPERATORS: dict[str, Callable[[Term, Term], Query]] = {
    "or": lambda before, after: AnyOf((before, after)),
    "and": lambda before, after: AllOf((before, after)),
    "not": lambda before, after: AllOf((before, Not(after))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A better rule, and how many papers it is true of."""

    rule: str
    papers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStats:
    """How many papers one rule finds."""

    line: int
    rule: str
    excludes: bool
    papers: int  # that the rule is true of; for a line that excludes, how many of the papers that other lines find
    alone: int  # of these, how many no other line finds, or excludes
    share: float  # of all papers, 0 to 1, that the rule is true of
    suggestion: Suggestion | None = None  # for a rule that is never true, or floods

    @property
    def floods(self) -> bool:
        """Whether the rule is true of too many papers."""
        return self.share > FLOODS and not self.excludes


def rule_stats(profile: Profile, search: Search, cache: QueryCache | None = None) -> list[RuleStats]:
    """Return how many papers of the search each rule of a profile finds. Raises RuleError.

    `cache` holds results of earlier calls for the same search; this call adds to it.
    """
    cache = {} if cache is None else cache
    rules = parse_rules(profile.rules)
    papers = papers_by_query([rule.query for rule in rules], search, cache)
    suggestions = _suggestions(papers, search, cache)
    total = max(len(search.papers), 1)
    wanting, excluding = (  # by paper, how many distinct rules want it, and exclude it
        np.bincount(np.concatenate([np.empty(0, np.int32), *(papers[query] for query in some)]), minlength=total)
        for some in ({r.query for r in rules if not r.excludes}, {r.query for r in rules if r.excludes})
    )
    stats: list[RuleStats] = []
    for rule in rules:
        found = papers[rule.query]
        wanted, excluded = wanting[found] > 0, excluding[found]
        alone = wanted & (excluded == 1 if rule.excludes else (wanting[found] == 1) & (excluded == 0))
        stats.append(
            RuleStats(
                line=rule.line,
                rule=rule.text,
                excludes=rule.excludes,
                papers=int(wanted.sum()) if rule.excludes else len(found),
                alone=int(alone.sum()),
                share=len(found) / total,
                suggestion=suggestions.get(rule.query),
            )
        )
    return stats


def _suggestions(papers: Mapping[Query, Ints], search: Search, cache: QueryCache) -> dict[Query, Suggestion]:
    """Return, for each rule that is never true or floods, the most similar rule that does neither."""
    flood = FLOODS * len(search.papers)
    counts = {query: len(columns) for query, columns in papers.items()}
    words = ChainMap[str, Any](search.corpus.words, search.corpus.stems)
    variants: dict[Query, list[Query]] = {}
    for query, count in counts.items():
        if count == 0:
            variants[query] = list(map(canonical, _varied(query, lambda term: _wider(term, words))))
        elif count > flood:
            variants[query] = list(map(canonical, _varied(query, lambda term: [replace(term, fields=TITLE)])))
    some_variants = [variant for some in variants.values() for variant in some]
    found = papers_by_query(some_variants, search, cache, max_steps=MAX_STEPS)
    suggestions: dict[Query, Suggestion] = {}
    for query, some in variants.items():
        most = flood if counts[query] else len(search.papers)
        better = next((variant for variant in some if 0 < len(found.get(variant, ())) <= most), None)
        if better is not None:
            suggestions[query] = Suggestion(rule=format_query(better), papers=len(found[better]))
    return suggestions


def papers_by_query(
    queries: Sequence[Query], search: Search, cache: QueryCache | None = None, *, max_steps: float = math.inf
) -> dict[Query, Ints]:
    """Return, by query, the columns of the papers that it is true of. Looks in `cache` first, and adds to it.

    Where the others would cost more than `max_steps`, returns only what is in the cache.
    """
    cache = {} if cache is None else cache
    found = {query: columns for query in queries if (columns := cache.get(query)) is not None}
    new = [query for query in dict.fromkeys(queries) if query not in found]
    plan, conditions = compile_queries(new)
    steps = estimate_costs(plan, conditions, [search.corpus]).total
    if steps > max_steps:
        return found
    evaluation = evaluate(plan, search.corpus, steps=steps)
    found |= {query: evaluation.papers_of(condition) for query, condition in zip(new, conditions.tolist(), strict=True)}
    cache.update({query: found[query].copy() for query in new})  # a copy, as a view would keep all results alive
    return found


def _varied(query: Query, vary: Callable[[Term], Iterable[Query]]) -> Iterator[Query]:
    """Yield the query with one term varied: with the first variant of each of its terms, then with the second …"""
    terms = list(islice(dict.fromkeys(_terms_of_text(query)), _MOST_TERMS))
    for variants in zip(*map(vary, terms), strict=True):
        for term, variant in zip(terms, variants, strict=True):
            if variant != term:
                yield _replaced(query, term, variant)


def _wider(term: Term, known_words: Collection[str]) -> Iterator[Query]:
    """Yield variants of a term that find a little more, the most similar first, or the term where there is none."""
    words = term.text.split(" ")
    operator = next((word for word in _OPERATORS if word in words[1:-1] and not term.exact), None)
    if operator is None:
        yield term
    else:  # `cats or dogs` is a phrase of three words
        at = words.index(operator, 1)
        before, after = (replace(term, text=" ".join(some)) for some in (words[:at], words[at + 1 :]))
        yield _OPERATORS[operator](before, after)
    can_begin_words = words[-1].isalpha() and len(words[-1]) >= _PREFIX_LETTERS
    yield replace(term, text=f"{term.text}*") if can_begin_words else term
    yield replace(term, exact=False)
    yield _respelt(term, known_words)
    yield replace(term, fields=SHOWN)
    separate = [word for word in words if word not in _STOP_WORDS]
    yield AllOf(tuple(replace(term, text=word) for word in separate)) if len(separate) > 1 else term


def _terms_of_text(query: Query) -> Iterator[Term]:
    """Yield the terms for titles and abstracts, without those of NEAR and NOT."""
    match query:
        case Term(_, fields) if fields <= SHOWN:
            yield query
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _terms_of_text(part)


def _replaced(query: Query, term: Term, variant: Query) -> Query:
    match query:
        case Term():
            return variant if query == term else query
        case AllOf(parts) | AnyOf(parts):
            return type(query)(tuple(_replaced(part, term, variant) for part in parts))
        case _:
            return query


def _respelt(term: Term, known_words: Collection[str]) -> Term:
    """Replace each word that is in no paper by a known word one edit away, if there is one.

    After P. Norvig, "How to write a spelling corrector" (2007).
    """
    words = term.text.split(" ")
    for at, word in enumerate(words):
        if word in known_words or len(word) not in _SPELLING_LETTERS or not word.isalpha():
            continue
        cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
        edits = chain(
            (a + b[1:] for a, b in cuts if b),
            (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
            (a + letter + b for a, b in cuts for letter in ascii_lowercase),
            (a + letter + b[1:] for a, b in cuts if b for letter in ascii_lowercase),
        )
        words[at] = next((edit for edit in edits if edit in known_words), word)
    return replace(term, text=" ".join(words))

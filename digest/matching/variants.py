"""Other ways to ask nearly the same: what a rule that finds nothing, or floods, may have meant. Pure."""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from digest.matching.language.query import AllOf, AnyOf, Query, Term
from digest.models import Field

_SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})
_TITLE = frozenset({Field.TITLE})

_FEWEST_LETTERS = 4  # of a word that becomes a prefix, or is taken for misspelt
_MOST_TERMS = 20  # of a rule that is varied


def wider(query: Query, known_words: Collection[str]) -> Iterator[Query]:
    """Queries that ask for a little more, the nearest first. `known_words` are those that papers hold."""
    ways: Sequence[Callable[[Term], Query]] = (
        _as_prefix,
        lambda term: replace(term, exact=False),
        lambda term: _respelt(term, known_words),
        lambda term: replace(term, fields=_SHOWN),
        _words_apart,
    )
    for vary in ways:
        yield from _varied(query, vary)


def in_title(query: Query) -> Iterator[Query]:
    """Queries that ask for a little less."""
    return _varied(query, lambda term: replace(term, fields=_TITLE))


def _varied(query: Query, vary: Callable[[Term], Query]) -> Iterator[Query]:
    """The query with one of its terms varied, for each that can be."""
    for term in islice(dict.fromkeys(_shown_terms(query)), _MOST_TERMS):
        variant = vary(term)
        if variant != term:
            yield _with(query, term, variant)


def _shown_terms(query: Query) -> Iterator[Term]:
    """The terms that look at titles and abstracts, those of NEAR left out."""
    match query:
        case Term(_, fields) if fields <= _SHOWN:
            yield query
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _shown_terms(part)


def _with(query: Query, term: Term, variant: Query) -> Query:
    match query:
        case Term():
            return variant if query == term else query
        case AllOf(parts) | AnyOf(parts):
            return type(query)(tuple(_with(part, term, variant) for part in parts))
        case _:
            return query


def _as_prefix(term: Term) -> Term:
    last = term.text.split(" ")[-1]
    return replace(term, text=f"{term.text}*") if last.isalpha() and len(last) >= _FEWEST_LETTERS else term


def _respelt(term: Term, known_words: Collection[str]) -> Term:
    """With words that no paper holds spelt as one that some do."""
    spelt = (word if word in known_words else _nearest(word, known_words) for word in term.text.split(" "))
    return replace(term, text=" ".join(spelt))


def _nearest(word: str, known_words: Collection[str]) -> str:
    if len(word) < _FEWEST_LETTERS or not word.isalpha():
        return word
    alike = [known for known in known_words if known[0] == word[0] and abs(len(known) - len(word)) <= 2]
    return next(iter(difflib.get_close_matches(word, alike, n=1, cutoff=0.85)), word)


def _words_apart(term: Term) -> Query:
    words = term.text.split(" ")
    return AllOf(tuple(replace(term, text=word) for word in words)) if len(words) > 1 else term

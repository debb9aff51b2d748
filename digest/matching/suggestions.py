"""Varies a rule that finds nothing, or too much: what its author may have meant. Pure."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from string import ascii_lowercase

from digest.matching.language.fields import SHOWN
from digest.matching.language.query import AllOf, AnyOf, Not, Query, Term
from digest.models import Field

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


def wider(query: Query, known_words: Collection[str]) -> Iterator[Query]:
    """Yields queries that find a little more, the most similar first. `known_words` are the words of all papers."""
    ways: Sequence[Callable[[Term], Query]] = (
        _with_operator,
        _as_prefix,
        lambda term: replace(term, exact=False),
        lambda term: _respelt(term, known_words),
        lambda term: replace(term, fields=SHOWN),
        _as_separate_words,
    )
    for vary in ways:
        yield from _varied(query, vary)


def in_title(query: Query) -> Iterator[Query]:
    """Yields queries that find less: one of the terms has to be in the title."""
    return _varied(query, lambda term: replace(term, fields=frozenset({Field.TITLE})))


def _varied(query: Query, vary: Callable[[Term], Query]) -> Iterator[Query]:
    """Yields the query with one of its terms varied, for each term that can be."""
    for term in islice(dict.fromkeys(_terms_of_text(query)), _MOST_TERMS):
        variant = vary(term)
        if variant != term:
            yield _replaced(query, term, variant)


def _terms_of_text(query: Query) -> Iterator[Term]:
    """Yields the terms for titles and abstracts, without those of NEAR and NOT."""
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


def _with_operator(term: Term) -> Query:
    """Reads `or`, `and` or `not` within a phrase as the operator: `cats or dogs` is a phrase of three words."""
    words = term.text.split(" ")
    for word, operator in _OPERATORS.items():
        if word in words[1:-1] and not term.exact:
            at = words.index(word, 1)
            before, after = (replace(term, text=" ".join(some)) for some in (words[:at], words[at + 1 :]))
            return operator(before, after)
    return term


def _as_prefix(term: Term) -> Term:
    last = term.text.split(" ")[-1]
    return replace(term, text=f"{term.text}*") if last.isalpha() and len(last) >= _PREFIX_LETTERS else term


def _respelt(term: Term, known_words: Collection[str]) -> Term:
    """Replaces each word that is in no paper by a known word one edit away, if there is one.

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


def _as_separate_words(term: Term) -> Query:
    words = [word for word in term.text.split(" ") if word not in _STOP_WORDS]
    return AllOf(tuple(replace(term, text=word) for word in words)) if len(words) > 1 else term

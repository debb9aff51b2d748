"""Other ways to ask nearly the same: what a rule that finds nothing, or floods, may have meant. Pure."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from string import ascii_lowercase

from digest.matching.language.query import AllOf, AnyOf, Not, Query, Term
from digest.models import Field

_SHOWN = frozenset({Field.TITLE, Field.ABSTRACT})
_TITLE = frozenset({Field.TITLE})

_FEWEST_LETTERS = 4  # of a word that becomes a prefix, or is taken for misspelt
_MOST_LETTERS = 40  # of one that is taken for misspelt: of an endless one there are endless other spellings
_JOINING = frozenset({"a", "and", "for", "in", "of", "on", "or", "the", "to", "with"})  # say nothing by themselves
_JOINED: dict[str, Callable[[Term, Term], Query]] = {
    "or": lambda before, after: AnyOf((before, after)),
    "and": lambda before, after: AllOf((before, after)),
    "not": lambda before, after: AllOf((before, Not(after))),
}
_MOST_TERMS = 20  # of a rule that is varied


def wider(query: Query, known_words: Collection[str]) -> Iterator[Query]:
    """Queries that ask for a little more, the nearest first. `known_words` are those that papers hold."""
    ways: Sequence[Callable[[Term], Query]] = (
        _with_capitals,
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


def _with_capitals(term: Term) -> Query:
    """Small words between others as AND, OR and NOT are written: `cats or dogs` is a phrase of three words."""
    words = term.text.split(" ")
    for small in ("or", "and", "not"):
        if small in words[1:-1] and not term.exact:
            at = words.index(small, 1)
            before, after = (replace(term, text=" ".join(some)) for some in (words[:at], words[at + 1 :]))
            return _JOINED[small](before, after)
    return term


def _as_prefix(term: Term) -> Term:
    last = term.text.split(" ")[-1]
    return replace(term, text=f"{term.text}*") if last.isalpha() and len(last) >= _FEWEST_LETTERS else term


def _respelt(term: Term, known_words: Collection[str]) -> Term:
    """With words that no paper holds spelt as one that some do."""
    spelt = (word if word in known_words else _one_letter_away(word, known_words) for word in term.text.split(" "))
    return replace(term, text=" ".join(spelt))


def _one_letter_away(word: str, known_words: Collection[str]) -> str:
    """A known word with one letter less, two of them changed round, one more or another one; else the word itself.

    As in P. Norvig, "How to write a spelling corrector" (2007).
    """
    if not _FEWEST_LETTERS <= len(word) <= _MOST_LETTERS or not word.isalpha():
        return word
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    others = chain(
        (a + b[1:] for a, b in cuts if b),
        (a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1),
        (a + letter + b for a, b in cuts for letter in ascii_lowercase),
        (a + letter + b[1:] for a, b in cuts if b for letter in ascii_lowercase),
    )
    return next((other for other in others if other in known_words), word)


def _words_apart(term: Term) -> Query:
    words = [word for word in term.text.split(" ") if word not in _JOINING]
    return AllOf(tuple(replace(term, text=word) for word in words)) if len(words) > 1 else term

"""One query, one shape: queries that ask the same, however they are written, are equal, and can be written down.

`parse_query(format_query(query)) == query` for every query that `parse_query` gives.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from digest.matching.language.fields import SHOWN
from digest.matching.language.query import ARCHIVE, STAR, AllOf, AnyOf, Author, Near, Not, Query, Term, patterns
from digest.models import Field
from digest.text import COMPOUND, WORD, fold, stem

_CATEGORY = frozenset({Field.CATEGORY})
_NAME = frozenset({Field.AUTHOR})


def canonical(query: Query) -> Query:
    """The same tree for queries that differ only in spelling, order, repetition and nesting."""
    match query:
        case Term():
            return _canonical_term(query)
        case Near():
            return _canonical_near(query)
        case Author(parts):
            names = _distinct(map(_canonical_term, parts))
            return names[0] if len(names) == 1 else Author(names)
        case Not(part):
            inner = canonical(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case AllOf(parts) | AnyOf(parts):
            kind = type(query)
            flat: list[Query] = []
            for part in map(canonical, parts):
                flat += part.parts if isinstance(part, kind) else (part,)
            distinct = sorted(set(flat), key=format_query)
            return distinct[0] if len(distinct) == 1 else kind(tuple(distinct))


@lru_cache(maxsize=16384)
def canonical_text(written: str, *, exact: bool, between: str = " ") -> str:
    """The text of a Term: folded words, stemmed unless `exact`, compounds with their dashes, `between` between them."""
    runs = [[fold(part) for part in WORD.findall(run)] for run in COMPOUND.findall(written.replace("*", STAR))]
    runs = [run for run in runs if run != [STAR]]  # behind a Han ideograph, which is a whole word, a star says nothing
    if not exact:
        runs = [[_stem(run[0])] if len(run) == 1 else run for run in runs]
        if any(len(run) > 1 for run in runs):
            runs = _with_stemmed_compounds(runs)
    return between.join("-".join(run) for run in runs).replace(STAR, "*")


def format_query(query: Query) -> str:
    """The query as a rule that reads back as the same query."""
    match query:
        case Term():
            return _format_term(query)
        case Near(left, right, distance):
            return f"{_format_side(left)} NEAR/{distance} {_format_side(right)}"
        case Author(parts):
            return "author:" + " ".join(_format_name(part) for part in parts)
        case Not(part):
            return f"NOT {_grouped(part, AllOf, AnyOf)}"
        case AllOf(parts):
            rest_last = sorted(parts, key=lambda part: isinstance(part, Not))  # cats AND NOT dogs
            return " AND ".join(_grouped(part, AnyOf) for part in rest_last)
        case AnyOf(parts):
            return " OR ".join(map(format_query, parts))


def _canonical_term(term: Term) -> Term:
    if term.fields == _CATEGORY and term.text.endswith(ARCHIVE):
        return term
    if term.fields == _CATEGORY:
        return Term(canonical_text(term.text, exact=True, between="."), term.fields, exact=True)
    text = canonical_text(term.text, exact=term.exact)
    only_prefixes = all(word.endswith("*") for word in text.replace("-", " ").split())
    return Term(text, term.fields, term.exact and not (only_prefixes and term.fields <= SHOWN))


def _canonical_near(near: Near) -> Near:
    """Its sides in order, their terms only in the fields where the other side looks too."""
    left = _within(near.right, map(_canonical_term, near.left))
    right = _within(left, map(_canonical_term, near.right))
    first, second = sorted((left, right), key=_format_side)
    return Near(first, second, near.distance)


def _within(other: Sequence[Term], side: Iterable[Term]) -> tuple[Term, ...]:
    fields = frozenset[Field]().union(*(term.fields for term in other))
    return _distinct(Term(term.text, term.fields & fields, term.exact) for term in side if term.fields & fields)


def _distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    return tuple(sorted(set(terms), key=_format_term))


def _with_stemmed_compounds(runs: list[list[str]]) -> list[list[str]]:
    """The parts of compounds stemmed where the whole still reads the same: the end of `multi-tasks`, not its `multi`.

    The joined reading of `systems-on-chip` is another word than that of `system-on-chip`.
    """
    wanted, before = _patterns(runs), None
    while runs != before:
        before = runs
        for i, j in [(i, j) for i, run in enumerate(runs) for j in range(len(run))]:
            run = [*runs[i][:j], _stem(runs[i][j]), *runs[i][j + 1 :]]
            tried = [*runs[:i], run, *runs[i + 1 :]]
            if run != runs[i] and _patterns(tried) == wanted:
                runs = tried
    return runs


def _patterns(runs: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    return patterns(" ".join("-".join(run) for run in runs), exact=False)


def _stem(part: str) -> str:
    return part if part.endswith(STAR) else stem(part)


def _format_term(term: Term) -> str:
    if term.fields == _CATEGORY:
        return f"category:{term.text}"
    if term.fields == _NAME:
        return "author:" + _format_words_of_name(term)
    field = "" if term.fields == SHOWN else f"{min(term.fields)}:"
    return f'{field}"{term.text}"' if term.exact else f"{field}{term.text}"


def _format_name(part: Term) -> str:
    """A part of a name. A single letter is read as an initial."""
    return part.text[0] if len(part.text) == 2 and part.text[1] == "*" else _format_words_of_name(part)


def _format_words_of_name(part: Term) -> str:
    return part.text.replace(" ", "'")  # O'Neill: a space would part them


def _format_side(side: Sequence[Term]) -> str:
    texts = [_format_term(term) for term in side]
    return texts[0] if len(texts) == 1 else f"({' OR '.join(texts)})"


def _grouped(part: Query, *loose: type) -> str:
    return f"({format_query(part)})" if isinstance(part, loose) else format_query(part)

"""The rules that people write, as trees: `parse_rules` reads a profile's text, `parse_query` one rule of it.

A profile is rules, one a line; lines are alternatives. See README, "Writing rules", for the language as users know it.

A query is a tree of Term, Near, Author, AllOf, AnyOf and Not. A term's words are patterns: `~word` is compared without
plural ending, `=word` as it is (case and accents folded), `^word` as a prefix.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from digest.models import Field
from digest.text import readings, stem

MAX_CHARACTERS = 500_000  # of a profile's text
MAX_DEPTH = 50  # of parentheses and NOTs
MAX_PHRASE = 50  # words

ARCHIVE = ".*"  # ends the word by which a category's beginning is known: cs.* of cs.LG

Pattern = tuple[str, ...]  # one way to read a term: ("~low", "~precision")

# Stands for a star while a text is cut into words: a letter that no paper writes.
STAR = "\ua66e"


@dataclass(frozen=True, slots=True)
class Term:
    """A word, phrase or prefix, looked for in each of `fields` by itself.

    `text` is canonical: folded words with one space between them, compounds with their dashes, `*` behind a prefix.
    """

    text: str
    fields: frozenset[Field]
    exact: bool = False  # words are compared as they are, else without plural endings

    @property
    def readings(self) -> tuple[Pattern, ...]:
        """Every way to read the text as words; any one will do. More than one where it holds compounds."""
        return patterns(self.text, exact=self.exact)


@dataclass(frozen=True, slots=True)
class Near:
    """True where some term of either side stand in one text, in either order, at most `distance` words between them."""

    left: tuple[Term, ...]
    right: tuple[Term, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class Author:
    """True where the name of one author holds every part, in any order. An initial is a prefix: `y*`."""

    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where some part is."""

    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where its part is not."""

    part: "Query"


Query = Term | Near | Author | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a profile."""

    text: str  # as written, without "-", weight and comment
    line: int  # counts from 1
    query: Query
    weight: float = 1.0
    excludes: bool = False  # what it matches is kept out of the whole profile


@dataclass(frozen=True, slots=True)
class Rules:
    """A profile's rules, in the order of their lines."""

    rules: tuple[Rule, ...]

    def distinct(self) -> list[Rule]:
        """Each query once. Of two rules that ask the same the weightier counts, and excluding beats both."""
        by_query: dict[Query, Rule] = {}
        for rule in sorted(self.rules, key=lambda r: (r.excludes, r.weight)):
            by_query[rule.query] = rule
        return list(by_query.values())


@lru_cache(maxsize=65536)
def patterns(text: str, *, exact: bool) -> tuple[Pattern, ...]:
    """Every way to read `text`, each word with the mark that says how it is compared; empty if there is no way."""
    if text.endswith(ARCHIVE):
        return ((f"={text}",),)
    ways = readings(text.replace("*", STAR))
    usable = (way for way in ways if not any(STAR in word[:-1] for word in way))
    return tuple(dict.fromkeys(tuple(_pattern(word, exact=exact) for word in way) for way in usable))


def _pattern(word: str, *, exact: bool) -> str:
    if word.endswith(STAR):
        return f"^{word[:-1]}"
    return f"={word}" if exact else f"~{stem(word)}"


def matches_empty_paper(query: Query) -> bool:
    """Whether a paper without a single one of the query's terms would match it."""
    match query:
        case Term() | Near() | Author():
            return False
        case Not(part):
            return not matches_empty_paper(part)
        case AllOf(parts):
            return all(map(matches_empty_paper, parts))
        case AnyOf(parts):
            return any(map(matches_empty_paper, parts))


def iter_terms(query: Query) -> Iterator[Term]:
    """Every term of the query, those under NOT too."""
    match query:
        case Term():
            yield query
        case Near(left, right, _):
            yield from left
            yield from right
        case Not(part):
            yield from iter_terms(part)
        case Author(parts) | AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from iter_terms(part)

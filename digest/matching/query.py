"""The rules that people write, as trees: `parse_rules` reads a profile's text, `parse_query` one rule of it.

A profile is rules, one a line; lines are alternatives. See README, "Writing rules", for the language as users know it.

A query is a tree of Term, AllOf, AnyOf and Not. A term's words are patterns: `~word` is compared without plural ending,
`=word` as it is (case and accents folded), `^word` as a prefix.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from digest.models import Field

MAX_CHARACTERS = 500_000  # of a profile's text
MAX_DEPTH = 50  # of parentheses and NOTs
MAX_PHRASE = 50  # words

Pattern = tuple[str, ...]  # one way to read a term: ("~low", "~precision")


@dataclass(frozen=True, slots=True)
class Term:
    """A word, phrase or prefix, looked for in each of `fields` by itself. Any one of `readings` will do."""

    readings: tuple[Pattern, ...]
    fields: frozenset[Field]


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


Query = Term | AllOf | AnyOf | Not


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

    @property
    def wanted(self) -> Iterator[Rule]:
        """The rules that ask for papers."""
        return (rule for rule in self.rules if not rule.excludes)

    @property
    def excluding(self) -> Iterator[Rule]:
        """The rules that keep papers out."""
        return (rule for rule in self.rules if rule.excludes)


def canonical(query: Query) -> Query:
    """The same tree for queries that differ only in the order or repetition of what AND and OR join, and in nesting."""
    match query:
        case Term(readings, fields):
            return Term(tuple(sorted(readings)), fields)
        case Not(part):
            return Not(canonical(part))
        case AllOf(parts) | AnyOf(parts):
            kind = type(query)
            flat: list[Query] = []
            for part in map(canonical, parts):
                flat += part.parts if isinstance(part, kind) else (part,)
            distinct = sorted(set(flat), key=_order)
            return distinct[0] if len(distinct) == 1 else kind(tuple(distinct))


def needs_nothing(query: Query) -> bool:
    """Whether a paper without a single one of the query's terms would match it."""
    match query:
        case Term():
            return False
        case Not(part):
            return not needs_nothing(part)
        case AllOf(parts):
            return all(map(needs_nothing, parts))
        case AnyOf(parts):
            return any(map(needs_nothing, parts))


def terms(query: Query) -> Iterator[Term]:
    """Every term of the query, those under NOT too."""
    match query:
        case Term():
            yield query
        case Not(part):
            yield from terms(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from terms(part)


def _order(query: Query) -> str:
    """A sorting key that does not depend on how a set happens to iterate."""
    match query:
        case Term(readings, fields):
            return f"{readings}{sorted(fields)}"
        case Not(part):
            return f"NOT {_order(part)}"
        case AllOf(parts):
            return f"AND {[_order(p) for p in parts]}"
        case AnyOf(parts):
            return f"OR {[_order(p) for p in parts]}"

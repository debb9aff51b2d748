"""Which rules of a profile are true of one paper, and how near the others came. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from digest.matching.backtest import true_of
from digest.matching.engine.search import Search
from digest.matching.language.canonical import canonical
from digest.matching.language.parser import parse_rules
from digest.matching.language.query import AllOf, AnyOf, Author, Near, Not, Query, Rule, Term
from digest.models import Paper, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """One rule that is not true of a paper, and what speaks for and against it. Words are folded."""

    rule: str
    has: tuple[str, ...]  # the rule's words that stand in the paper, wherever the rule may look
    lacks: tuple[str, ...]
    excluded_by: tuple[str, ...]  # what stands behind a NOT, and in the paper

    @property
    def _order(self) -> tuple[int, float, int]:
        return (
            -bool(self.excluded_by and not self.lacks),
            -len(self.has) / (len(self.has) + len(self.lacks)),
            len(self.lacks),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A word or phrase of a rule."""

    query: Query
    wanted: bool  # it does not stand behind a NOT

    @property
    def text(self) -> str:
        return " ".join(term.text for term in _leaves(self.query))


def list_matching_rules(profile: Profile, paper: Paper) -> list[Rule]:
    """The rules of a profile that are true of a paper, those that keep it out too, by line. Raises RuleError."""
    rules = parse_rules(profile.rules).rules
    true = true_of([rule.query for rule in rules], Search([paper]))
    return [rule for rule in rules if len(true[rule.query])]


def list_near_misses(profile: Profile, paper: Paper, *, limit: int) -> list[NearMiss]:
    """The rules that came nearest to a paper that the profile does not want, the nearest first. Raises RuleError.

    Rules of which the paper has no word are left out.
    """
    rules = [rule for rule in parse_rules(profile.rules).rules if not rule.excludes]
    parts = [list(dict.fromkeys(_parts(rule.query, wanted=True))) for rule in rules]
    true = true_of([part.query for some in parts for part in some], Search([paper]))
    there = {query for query, columns in true.items() if len(columns)}
    found = [_near_miss(rule, some, there) for rule, some in zip(rules, parts, strict=True)]
    return sorted((near for near in found if near.has), key=lambda near: near._order)[:limit]


def _near_miss(rule: Rule, parts: Sequence[_Part], there: set[Query]) -> NearMiss:
    def texts(*, wanted: bool, found: bool) -> tuple[str, ...]:
        some = (p.text for p in parts if p.wanted is wanted and (p.query in there) is found)
        return tuple(dict.fromkeys(some))

    return NearMiss(
        rule=rule.text,
        has=texts(wanted=True, found=True),
        lacks=texts(wanted=True, found=False),
        excluded_by=texts(wanted=False, found=True),
    )


def _parts(query: Query, *, wanted: bool) -> Iterator[_Part]:
    """The words that a rule asks for, one by one, and what it does not want, phrase by phrase."""
    match query:
        case Not(part):
            yield from _parts(part, wanted=not wanted)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _parts(part, wanted=wanted)
        case Term() | Near() | Author() if not wanted:
            yield _Part(canonical(query), wanted=False)
        case Term() | Near() | Author():
            for term in _leaves(query):
                for word in term.text.split():
                    yield _Part(canonical(replace(term, text=word)), wanted=True)


def _leaves(query: Query) -> Iterator[Term]:
    match query:
        case Term():
            yield query
        case Near(left, right, _):
            yield from (*left, *right)
        case Author(parts):
            yield from parts
        case _:
            return

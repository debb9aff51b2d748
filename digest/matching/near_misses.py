"""Says which rules of a profile match one paper, and how close the others came. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from digest.matching.engine.index import Search
from digest.matching.language.parser import parse_rules
from digest.matching.language.query import AllOf, AnyOf, Not, Query, Rule, canonical, iter_terms
from digest.matching.rule_stats import papers_by_query
from digest.models import Paper, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A rule that does not match a paper: which of its words the paper has, and which not. Words are folded."""

    rule: str
    has: tuple[str, ...]  # words of the rule that are in the paper, in any field
    lacks: tuple[str, ...]
    excluded_by: tuple[str, ...]  # phrases after NOT that are in the paper


def list_matching_rules(profile: Profile, paper: Paper) -> list[Rule]:
    """Return the rules that match a paper, including those that exclude it, by line. Raises RuleError."""
    rules = parse_rules(profile.rules)
    papers = papers_by_query([rule.query for rule in rules], Search([paper]))
    return [rule for rule in rules if len(papers[rule.query])]


def list_near_misses(profile: Profile, paper: Paper, *, limit: int) -> list[NearMiss]:
    """Return the rules that came closest to matching a paper, the closest first. Raises RuleError.

    Leaves out rules none of whose words are in the paper.
    """
    rules = [rule for rule in parse_rules(profile.rules) if not rule.excludes]
    parts = {rule: list(dict.fromkeys(_parts(rule.query, wanted=True))) for rule in rules}
    papers = papers_by_query([query for some in parts.values() for query, _ in some], Search([paper]))

    def texts(rule: Rule, *, wanted: bool, found: bool) -> tuple[str, ...]:
        some = (query for query, is_wanted in parts[rule] if is_wanted is wanted and (len(papers[query]) > 0) is found)
        return tuple(dict.fromkeys(" ".join(term.text for term in iter_terms(query)) for query in some))

    near_misses = [
        NearMiss(
            rule=rule.text,
            has=texts(rule, wanted=True, found=True),
            lacks=texts(rule, wanted=True, found=False),
            excluded_by=texts(rule, wanted=False, found=True),
        )
        for rule in rules
    ]
    # First the rules that only a NOT kept from matching, then by the share and by the number of missing words.
    return sorted(
        (near for near in near_misses if near.has),
        key=lambda near: (
            bool(near.lacks) or not near.excluded_by,
            len(near.lacks) / (len(near.has) + len(near.lacks)),
            len(near.lacks),
        ),
    )[:limit]


def _parts(query: Query, *, wanted: bool) -> Iterator[tuple[Query, bool]]:
    """Yield (what a rule looks for, True) word by word, and (what it negates, False) phrase by phrase."""
    # Single words show what a phrase lacks. What is negated counts as a whole: one of its words excludes nothing.
    match query:
        case Not(part):
            yield from _parts(part, wanted=not wanted)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _parts(part, wanted=wanted)
        case _ if not wanted:
            yield canonical(query), False
        case _:
            for term in iter_terms(query):
                for word in term.text.split():
                    yield canonical(replace(term, text=word)), True

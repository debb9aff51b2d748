"""What somebody's rules, as they are now, say of one paper. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from digest.errors import RuleError
from digest.explain.record import Verdict
from digest.matching.language.query import Rule
from digest.matching.near_misses import NearMiss, list_matching_rules, list_near_misses
from digest.models import Paper, Profile, Subscriber

_NEAREST = 3  # rules of a profile that are told where none matched


@dataclass(frozen=True, slots=True)
class _Judged:
    """One profile, and those of its rules that are true of the paper."""

    profile: Profile
    wants: Sequence[Rule] = ()
    keeps_out: Sequence[Rule] = ()
    unreadable: str = ""  # why

    @property
    def is_own(self) -> bool:
        return self.profile.owner_id is not None


def judge(subscriber: Subscriber, wanted: Sequence[Profile], paper: Paper) -> tuple[Verdict, list[str]]:
    """What decides, and the facts. CHANGED where nothing stands in the way."""
    if not wanted:
        return Verdict.FOLLOWS_NOTHING, []
    found = [_judged(profile, paper) for profile in wanted]
    facts = [fact for one in found for fact in _facts(one, paper)]
    wanting = [one for one in found if one.wants]
    barred_everywhere = any(one.is_own and one.keeps_out for one in found)
    if not wanting:
        return (Verdict.UNREADABLE if any(one.unreadable for one in found) else Verdict.NO_MATCH), facts
    if barred_everywhere or all(one.keeps_out for one in wanting):
        return Verdict.MUTED, facts
    if paper.announce_type not in subscriber.announce_types:
        types = ", ".join(sorted(subscriber.announce_types))
        return Verdict.ANNOUNCE_TYPE, [*facts, f"announced as {paper.announce_type.value}; they want {types}"]
    return Verdict.CHANGED, facts


def _judged(profile: Profile, paper: Paper) -> _Judged:
    try:
        true = list_matching_rules(profile, paper)
    except RuleError as error:
        return _Judged(profile, unreadable=error.reason)
    return _Judged(profile, [r for r in true if not r.excludes], [r for r in true if r.excludes])


def _facts(one: _Judged, paper: Paper) -> Iterator[str]:
    whose = "their own keywords" if one.is_own else f"profile {one.profile.name!r}"
    if one.unreadable:
        yield f"{whose} cannot be read, and finds nothing: {one.unreadable}"
        return
    for rule in one.wants:
        yield f"{whose}, line {rule.line}: {rule.text!r} matches"
    for rule in one.keeps_out:
        out_of = "out of their mail" if one.is_own else "out of that profile"
        yield f"{whose}, line {rule.line}: -{rule.text} keeps it {out_of}"
    if not one.wants:
        near = list_near_misses(one.profile, paper, limit=_NEAREST)
        if not near:
            yield f"{whose}: the paper has no word of its rules where they look"
        for missed in near:
            yield f"{whose}: {missed.rule!r} came near: {_said(missed)}"


def _said(rule: NearMiss) -> str:
    has, lacks, barred = (", ".join(map(repr, words)) for words in (rule.has, rule.lacks, rule.excluded_by))
    told = f"the paper has {has}"
    if lacks:
        told += f", not {lacks}"
    elif not barred:
        told += ", not as the rule asks"
    return told + (f"; it has {barred}, which the rule does not want" if barred else "")

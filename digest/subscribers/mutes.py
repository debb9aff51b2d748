"""Muting a keyword: a line `-RULE` in somebody's own keywords. Pure: text in, text out.

A rule is muted once, however it is written: `-Survey` and `-surveys` are one.
"""

from digest.errors import RuleError
from digest.matching import compile_rules
from digest.models import EXCLUDES, CompiledRules

_LONGEST = 1000  # characters of a rule that is muted by a link


def check_mute(rule: str) -> None:
    """Raise RuleError for what cannot be read as one rule that keeps papers out."""
    _muting(rule)


def is_muted(text: str, rule: str) -> bool:
    """Whether one of these keywords mutes a rule. Raises RuleError for a rule that cannot be read."""
    query = _muting(rule)
    return any(_found(line) == query for line in text.split("\n"))


def add_mute(text: str, rule: str) -> CompiledRules:
    """The keywords with a rule muted. Raises RuleError, also for keywords that cannot be read any more."""
    if is_muted(text, rule):
        return compile_rules(text)
    return compile_rules("\n".join([*filter(None, [text.rstrip("\n")]), f"-{rule}"]))


def remove_mute(text: str, rule: str) -> CompiledRules:
    """The keywords without the lines that mute a rule. Raises RuleError likewise."""
    query = _muting(rule)
    return compile_rules("\n".join(line for line in text.split("\n") if _found(line) != query))


def _muting(rule: str) -> str:
    """What the line that mutes a rule asks."""
    if len(rule) > _LONGEST:
        raise RuleError(1, 1, f"the keyword has {len(rule):,} characters; {_LONGEST:,} is the most")
    return _query(f"-{rule}")


def _query(line: str) -> str:
    asks = compile_rules(line).rules
    if len(line.splitlines()) != 1 or len(asks) != 1 or asks[0].weight != EXCLUDES:
        raise RuleError(1, 1, "expected one rule")
    return asks[0].query


def _found(line: str) -> str:
    """What a line mutes; "" where it mutes nothing."""
    if not line.lstrip().startswith("-"):
        return ""
    try:
        return _query(line)
    except RuleError:
        return ""

"""Muting a keyword: a line `-RULE` in a subscriber's own keywords. Nothing here reads or writes the database.

`-Survey` and `-surveys` are the same rule, which is muted once.
"""

from digest.errors import RuleError
from digest.matching import compile_rules
from digest.models import EXCLUDES, CompiledRules

_MAX_LENGTH = 1000  # characters of a rule that is muted by a link


def check_mute(rule: str) -> str:
    """Return the compiled query of the line that mutes a rule. Raises RuleError if `rule` is not one rule."""
    if len(rule) > _MAX_LENGTH:
        raise RuleError(1, 1, f"the keyword has {len(rule):,} characters; at most {_MAX_LENGTH:,} are allowed")
    return _query(f"-{rule}")


def is_muted(text: str, rule: str) -> bool:
    """Return True if a line of the keywords `text` mutes `rule`. Raises RuleError if `rule` cannot be read."""
    query = check_mute(rule)
    return any(_muted_query(line) == query for line in text.split("\n"))


def add_mute(text: str, rule: str) -> CompiledRules:
    """Return the keywords with a rule muted. Raises RuleError, also if the keywords can no longer be read."""
    if is_muted(text, rule):
        return compile_rules(text)
    return compile_rules("\n".join([*filter(None, [text.rstrip("\n")]), f"-{rule}"]))


def remove_mute(text: str, rule: str) -> CompiledRules:
    """Return the keywords without the lines that mute a rule. Raises RuleError as `add_mute` does."""
    query = check_mute(rule)
    return compile_rules("\n".join(line for line in text.split("\n") if _muted_query(line) != query))


def _query(line: str) -> str:
    asks = compile_rules(line).rules
    if len(line.splitlines()) != 1 or len(asks) != 1 or asks[0].weight != EXCLUDES:
        raise RuleError(1, 1, "expected one rule")
    return asks[0].query


def _muted_query(line: str) -> str:
    """Return the query that a line mutes, or ""."""
    if not line.lstrip().startswith("-"):
        return ""
    try:
        return _query(line)
    except RuleError:
        return ""

"""From a profile's text to what the store keeps of it."""

from digest.matching.language.canonical import format_query
from digest.matching.language.parser import parse_rules
from digest.models import EXCLUDES, CompiledRule, CompiledRules


def compile_rules(text: str) -> CompiledRules:
    """The rules in a profile's text, in canonical words. Raises RuleError with line and column."""
    rules = parse_rules(text).distinct()
    asks = (CompiledRule(format_query(r.query), EXCLUDES if r.excludes else r.weight, r.line) for r in rules)
    return CompiledRules(text, tuple(asks))

"""Finds the papers that a profile wants, and why. Pure: uses no database and sends no mail."""

from digest.matching.engine.costs import MAX_STEPS, SECONDS_PER_STEP, may_cost_much
from digest.matching.engine.index import Matches, ProfileIndex, Search
from digest.matching.language.parser import (
    MAX_MISTAKES,
    MAX_WRITTEN,
    compile_rules,
    list_mistakes,
    parse_query,
    parse_rules,
)
from digest.matching.ranking import choose, trending

__all__ = [
    "MAX_MISTAKES",
    "MAX_STEPS",
    "MAX_WRITTEN",
    "SECONDS_PER_STEP",
    "Matches",
    "ProfileIndex",
    "Search",
    "choose",
    "compile_rules",
    "list_mistakes",
    "may_cost_much",
    "parse_query",
    "parse_rules",
    "trending",
]

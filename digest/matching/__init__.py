"""Finds the papers that a profile wants, and why. Pure: uses no database and sends no mail."""

from digest.matching.engine.index import Matches, ProfileIndex, Search
from digest.matching.language.parser import compile_rules, parse_query, parse_rules
from digest.matching.ranking import choose, trending

__all__ = [
    "Matches",
    "ProfileIndex",
    "Search",
    "choose",
    "compile_rules",
    "parse_query",
    "parse_rules",
    "trending",
]

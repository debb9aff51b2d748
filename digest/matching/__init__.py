"""Which papers a profile wants, and why. Pure: knows no database and no mail."""

from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.matches import Matches
from digest.matching.engine.search import Search
from digest.matching.language.compiling import compile_rules
from digest.matching.language.parser import parse_query, parse_rules
from digest.matching.ranking import Choice, choose, rarity, trending

__all__ = [
    "Choice",
    "Matches",
    "ProfileIndex",
    "Search",
    "choose",
    "compile_rules",
    "parse_query",
    "parse_rules",
    "rarity",
    "trending",
]

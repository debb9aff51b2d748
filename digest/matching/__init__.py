"""Which papers a profile wants, and why. Pure: knows no database and no mail."""

from digest.matching.compiling import compile_rules
from digest.matching.index import Index
from digest.matching.matches import Matches
from digest.matching.parser import parse_query, parse_rules
from digest.matching.ranking import Choice, choose, rarity, trending
from digest.matching.search import Search

__all__ = [
    "Choice",
    "Index",
    "Matches",
    "Search",
    "choose",
    "compile_rules",
    "parse_query",
    "parse_rules",
    "rarity",
    "trending",
]

"""Which papers a profile wants, and why. Pure: knows no database and no mail."""

from digest.matching.index import Index, Matches
from digest.matching.parser import parse_query, parse_rules
from digest.matching.ranking import Choice, choose, trending

__all__ = ["Choice", "Index", "Matches", "choose", "parse_query", "parse_rules", "trending"]

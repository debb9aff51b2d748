"""Where papers come from: bytes in, Entries out.

What sources serve is not trusted: a `Parser` parses it in a process of its own, with limits on time and memory.
"""

from digest.sources import arxiv
from digest.sources.kinds import KINDS, detect_kind, parse, parse_page
from digest.sources.parser_process import Parser

# Nothing that fetches: a parser's process needs none of it, and starts in half the time.
__all__ = ["KINDS", "Parser", "arxiv", "detect_kind", "parse", "parse_page"]

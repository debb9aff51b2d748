"""Where papers come from: bytes in, Entries out.

What strangers serve is parsed by a `Parser`, in a process of its own with limits on time and memory.
"""

from typing import TYPE_CHECKING, Any

from digest.sources import arxiv
from digest.sources.kinds import KINDS, detect_kind, parse, parse_page
from digest.sources.parser_process import Parser

if TYPE_CHECKING:
    from digest.sources.failures import contain_failures
    from digest.sources.fetch import Fetched, Fetcher
    from digest.sources.look_up import fetch_paper

__all__ = [
    "KINDS",
    "Fetched",
    "Fetcher",
    "Parser",
    "arxiv",
    "contain_failures",
    "detect_kind",
    "fetch_paper",
    "parse",
    "parse_page",
]


def __getattr__(name: str) -> Any:
    """Import what fetches when it is first used: a parser's process needs none of it, and starts in half the time."""
    if name not in __all__:
        raise AttributeError(name)
    from digest.sources import failures, fetch, look_up  # noqa: PLC0415

    found = {
        "Fetched": fetch.Fetched,
        "Fetcher": fetch.Fetcher,
        "contain_failures": failures.contain_failures,
        "fetch_paper": look_up.fetch_paper,
    }
    return found[name]

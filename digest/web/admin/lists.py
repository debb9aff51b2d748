"""What the admin lists share: filters, and links to further pages."""

from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_REASON = 200  # characters
_MAX_SEARCH = 254  # characters, the longest mail address (RFC 5321, 4.5.3.1.3)


def search_text(typed: str) -> str:
    """The text of a search field, without white space around it and of a bounded length."""
    return typed.strip()[:_MAX_SEARCH]


def one_of(choices: type[_Choice], written: str) -> _Choice | None:
    """The member with this value, or None."""
    return next((choice for choice in choices if choice == written), None)


def link(path: str, **asked: str | int) -> str:
    """A path with a query of those values that are not empty."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{query}" if query else path

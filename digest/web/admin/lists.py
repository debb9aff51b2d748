"""What the admin lists share: filters, and links to further pages."""

from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from digest.web.pages import Visit

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_REASON = 200  # characters
_MOST_TYPED = 254  # characters: as many as an address has


def typed(visit: Visit, name: str) -> str:
    """What somebody looks for."""
    return visit.query.get(name, "").strip()[:_MOST_TYPED]


def one_of(choices: type[_Choice], written: str) -> _Choice | None:
    """The member with this value, or None."""
    return next((choice for choice in choices if choice == written), None)


def link(path: str, **asked: str | int) -> str:
    """A path with what is asked for there; what is empty is left out."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{query}" if query else path

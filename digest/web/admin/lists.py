"""What the desk's lists have in common: local times, and the addresses of their further pages."""

from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from digest.web.pages import Visit

_Choice = TypeVar("_Choice", bound=StrEnum)

_MOST_TYPED = 254  # characters: as many as an address has


def local(at: datetime | None, timezone: ZoneInfo) -> str:
    """A local time: "2026-06-03 07:00"; "" for None."""
    return f"{at.astimezone(timezone):%Y-%m-%d %H:%M}" if at is not None else ""


def typed(visit: Visit, name: str) -> str:
    """What somebody looks for."""
    return visit.query.get(name, "").strip()[:_MOST_TYPED]


def one_of(choices: type[_Choice], written: str) -> _Choice | None:
    """The choice that is called so, or None."""
    return next((choice for choice in choices if choice == written), None)


def link(path: str, **asked: str | int) -> str:
    """A path with what is asked for there; what is empty is left out."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{query}" if query else path

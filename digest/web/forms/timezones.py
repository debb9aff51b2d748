"""Time zones as a form takes them."""

from functools import cache
from itertools import groupby
from zoneinfo import available_timezones

from digest.errors import UsageError
from digest.subscribers.schedule import parse_timezone

_LONGEST = 64  # characters; what is longer is not looked for among the names


@cache
def suggested() -> tuple[str, ...]:
    """The zones that are named by a place, and UTC. Others are understood, too."""
    named = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return ("UTC", *sorted(named))


@cache
def by_continent() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The same in groups, each with its name; UTC has none."""
    return tuple((group, tuple(names)) for group, names in groupby(suggested(), key=_continent))


def _continent(name: str) -> str:
    continent, slash, _ = name.partition("/")
    return continent if slash else ""


def find_timezone(typed: str) -> str:
    """The zone of that name, "" where there is none."""
    name = typed.strip()
    if not name or len(name) > _LONGEST:
        return ""
    try:
        return parse_timezone(name)
    except UsageError:
        return ""

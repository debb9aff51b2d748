"""Time zones as a form takes them."""

from functools import cache
from zoneinfo import available_timezones

from digest.errors import UsageError
from digest.schedule import parse_timezone

_LONGEST = 64  # characters; what is longer is not looked for among the names


@cache
def suggested() -> tuple[str, ...]:
    """The zones that are named by a place, and UTC. Others are understood, too."""
    named = (name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return ("UTC", *sorted(named))


def find_timezone(typed: str) -> str:
    """The zone of that name, "" where there is none."""
    name = typed.strip()
    if not name or len(name) > _LONGEST:
        return ""
    try:
        return parse_timezone(name)
    except UsageError:
        return ""

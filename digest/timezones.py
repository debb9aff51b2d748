"""Time zones by their IANA names. Which names exist depends on the time zone data of the machine."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CACHED = 1000  # there are 600 names
MAX_NAME = 64  # characters; the longest name has 32


def find_zone(name: str) -> ZoneInfo | None:
    """Return the time zone with this name, or None if this machine does not know it."""
    return _find_zone(name) if len(name) <= MAX_NAME else None  # zoneinfo looks for a name of a thousand / for ever


@lru_cache(_CACHED)
def _find_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

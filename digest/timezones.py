"""Time zones by their IANA names. Which names exist depends on the time zone data of the machine."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CACHED = 1000  # there are 600 names


@lru_cache(_CACHED)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the time zone with this name, or None if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None

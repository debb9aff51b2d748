"""Times as the desk shows them: on the newsletter's clock."""

from datetime import datetime
from zoneinfo import ZoneInfo


def local(at: datetime | None, timezone: ZoneInfo) -> str:
    """ "2026-06-03 07:00"; "" for None."""
    return f"{at.astimezone(timezone):%Y-%m-%d %H:%M}" if at is not None else ""

"""The audit log: what was changed, and by whom."""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from digest.models import Admin, Change
from digest.store import Store, audit
from digest.web.pages import Answer, Page, Visit

_MOST = 200  # changes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A line of the log; `at` is a local time."""

    at: str  # "2026-06-03 07:00"
    who: str
    what: str
    subject: str


@dataclass(frozen=True, slots=True)
class Log:
    """The last changes, newest first."""

    changes: tuple[ShownChange, ...]


@dataclass(frozen=True, slots=True)
class LookingAtTheLog:
    """The page at /admin/log."""

    store: Store
    timezone: ZoneInfo

    def look(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        with self.store.read() as tx:
            found = audit.list_changes(tx, limit=_MOST)
        return _page([_shown(change, self.timezone) for change in found])


def _shown(change: Change, timezone: ZoneInfo) -> ShownChange:
    at = f"{change.at.astimezone(timezone):%Y-%m-%d %H:%M}"
    return ShownChange(at=at, who=change.who, what=change.what, subject=change.subject)


def _page(changes: list[ShownChange]) -> Page:
    return Page(template="log.html.j2", shows=Log(tuple(changes)))


_SAMPLE = Change(at=datetime(2026, 6, 3, 7, tzinfo=UTC), who="desk@digest.invalid", what="outbox hold", subject="…")

SAMPLES = (_page([]), _page([_shown(_SAMPLE, ZoneInfo("UTC"))]))

"""The audit log: what was changed, and by whom."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from digest.mail.encoding import clean
from digest.models import Admin, Change
from digest.store import Store, audit
from digest.store.audit import AuditFilter
from digest.web.admin.lists import link, typed
from digest.web.pages import Answer, Page, Visit
from digest.web.rendering import local

_MOST = 100  # changes on a page
_SUBSCRIBER = re.compile(r"subscriber (\d{1,15})", re.ASCII)
_SUBMISSION = re.compile(r"(\d{1,15})\b", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A line of the log; `at` is a local time."""

    at: str  # "2026-06-03 07:00"
    who: str
    what: str
    subject: str
    path: str  # of the page about what was changed, "" where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A part of the log, newest first."""

    sought: AuditFilter
    changes: tuple[ShownChange, ...]
    older: str  # the path of the next page, "" for none
    is_first: bool


@dataclass(frozen=True, slots=True)
class LookingAtTheLog:
    """The page at /admin/log."""

    store: Store
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        sought = AuditFilter(who=typed(visit, "who"), what=typed(visit, "what"), text=typed(visit, "q"))
        before = visit.number_in("before")
        with self.store.read() as tx:
            found = audit.list_changes(tx, sought, before=before, limit=_MOST + 1)
        return _page(found, sought, self.timezone, before)


def _page(found: Sequence[Change], sought: AuditFilter, timezone: ZoneInfo, before: int = 0) -> Page:
    changes, more = found[:_MOST], len(found) > _MOST
    asked = {"who": sought.who, "what": sought.what, "q": sought.text}
    shows = Log(
        sought=sought,
        changes=tuple(_shown(change, timezone) for change in changes),
        older=link("/admin/log", **asked, before=changes[-1].id) if more else "",
        is_first=not before,
    )
    return Page(template="log.html.j2", shows=shows)


def _shown(change: Change, timezone: ZoneInfo) -> ShownChange:
    at = local(change.at, timezone)
    who, what, subject = map(clean, (change.who, change.what, change.subject))
    return ShownChange(at=at, who=who, what=what, subject=subject, path=_path(change))


def _path(change: Change) -> str:
    """Where what was changed is looked at: who stands in the log by a number, and what is numbered."""
    if whom := _SUBSCRIBER.fullmatch(change.subject):
        return f"/admin/subscribers/{whom[1]}"
    if change.what.startswith("submission ") and (which := _SUBMISSION.match(change.subject)):
        return f"/admin/submissions/{which[1]}"
    return ""

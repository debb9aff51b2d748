"""The audit log: what was changed, and by whom."""

import re
from dataclasses import dataclass

from starlette.responses import Response

from digest.mail.encoding import clean
from digest.models import Change
from digest.store import audit
from digest.store.audit import AuditFilter
from digest.web.auth import admin_router
from digest.web.dependencies import Context, Number, link, search_text

_PAGE_SIZE = 100
_SUBSCRIBER = re.compile(r"subscriber (\d{1,15})", re.ASCII)
_SUBMISSION = re.compile(r"(\d{1,15})\b", re.ASCII)

router = admin_router("/admin/log")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """A line of the log; `at` is a local time."""

    at: str  # "2026-06-03 07:00"
    who: str
    what: str
    subject: str
    path: str  # of the page about what was changed, or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A part of the log, newest first."""

    sought: AuditFilter
    changes: tuple[ShownChange, ...]
    older: str  # the path of the next page, or ""
    is_first: bool


@router.get("")
def show_log(context: Context, who: str = "", what: str = "", q: str = "", before: Number = 0) -> Response:
    """A page of the log, filtered by who, what and a text."""
    sought = AuditFilter(who=search_text(who), what=search_text(what), text=search_text(q))
    with context.store.read() as tx:
        found = audit.list_changes(tx, sought, before=before, limit=_PAGE_SIZE + 1)
    changes, query = found[:_PAGE_SIZE], {"who": sought.who, "what": sought.what, "q": sought.text}
    page = Log(
        sought=sought,
        changes=tuple(
            ShownChange(
                at=context.local_time(change.at),
                who=clean(change.who),
                what=clean(change.what),
                subject=clean(change.subject),
                path=_path(change),
            )
            for change in changes
        ),
        older=link("/admin/log", **query, before=changes[-1].id) if len(found) > _PAGE_SIZE else "",
        is_first=not before,
    )
    return context.render("log.html.j2", page)


def _path(change: Change) -> str:
    """The admin page about the subject. The log names subscribers and submissions by number."""
    if subscriber := _SUBSCRIBER.fullmatch(change.subject):
        return f"/admin/subscribers/{subscriber[1]}"
    if change.what.startswith("submission ") and (submission := _SUBMISSION.match(change.subject)):
        return f"/admin/submissions/{submission[1]}"
    return ""

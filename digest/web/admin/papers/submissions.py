"""The papers that readers proposed: those that wait first."""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from digest.mail.encoding import clean
from digest.models import Admin, Submission, SubmissionState
from digest.store import Store, submissions
from digest.web.admin.lists import link
from digest.web.pages import Answer, Page, Visit
from digest.web.rendering import local

_MOST = 50  # on a page
_LAST_PAGE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSubmission:
    """A line of the list; `at` is a local time."""

    id: int
    at: str
    url: str
    origin: str
    state: SubmissionState


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubmissions:
    """A part of the list."""

    waiting: int
    submissions: tuple[ListedSubmission, ...]
    older: str  # the path of the next page, "" for none
    rejected: bool  # one was put aside just now


@dataclass(frozen=True, slots=True)
class ListingSubmissions:
    """The page at /admin/submissions."""

    store: Store
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        number = min(max(visit.number, 1), _LAST_PAGE)
        with self.store.read() as tx:
            found = submissions.list_page(tx, offset=(number - 1) * _MOST, limit=_MOST + 1)
            waiting = submissions.count_waiting(tx)
        rejected = visit.query.get("done") == "rejected"
        return _page(found, self.timezone, waiting=waiting, number=number, rejected=rejected)


def _page(
    found: Sequence[Submission], timezone: ZoneInfo, *, waiting: int = 0, number: int = 1, rejected: bool = False
) -> Page:
    shows = ShownSubmissions(
        waiting=waiting,
        submissions=tuple(listed(submission, timezone) for submission in found[:_MOST]),
        older=link("/admin/submissions", page=number + 1) if len(found) > _MOST else "",
        rejected=rejected,
    )
    return Page(template="desk-submissions.html.j2", shows=shows)


def listed(submission: Submission, timezone: ZoneInfo) -> ListedSubmission:
    """How a list shows one."""
    return ListedSubmission(
        id=submission.id,
        at=local(submission.submitted_at, timezone),
        url=clean(submission.url),
        origin=clean(submission.origin),
        state=submission.state,
    )

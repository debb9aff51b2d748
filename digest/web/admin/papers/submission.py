"""One paper that a reader proposed: looked up, mended by hand, and put into today's edition or aside."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from digest.admin import submission_actions
from digest.admin.submission_actions import LookupsBusyError, PaperLookups
from digest.errors import SourceError
from digest.mail.encoding import clean
from digest.models import Admin, Entry, Submission, SubmissionState
from digest.store import Store, submissions
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.papers import paper_path
from digest.web.rendering import local

_MOST_TITLE, _MOST_ABSTRACT = 500, 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubmission:
    """What the page shows; times are local."""

    id: int
    url: str
    is_web: bool  # the address may be a link
    at: str
    origin: str
    state: SubmissionState
    decided_at: str  # "" before
    paper: str  # the path of what it became, "" before
    title: str = ""  # in the form: as it was found, or typed
    abstract: str = ""
    authors: str = ""
    looked_up: bool = False
    not_sent_because: str = ""  # why nothing could be looked up
    needs_title: bool = False  # nothing was found, and no title was typed
    busy: bool = False
    approved_now: bool = False


@dataclass(frozen=True, slots=True)
class LookingAtSubmission:
    """The page at /admin/submissions/ID."""

    store: Store
    timezone: ZoneInfo
    paper_lookups: PaperLookups

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: asks no other server. Raises NotFoundError."""
        submission = self._get(visit)
        shown = self._shown(submission, self.paper_lookups.known(submission))
        return _page(replace(shown, approved_now=visit.query.get("done") == "approved"))

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: looks it up, approves or rejects it. Raises NotFoundError, UsageError."""
        submission = self._get(visit)
        submission_actions.check_open(submission)
        if visit.form.get("do") == "reject":
            with self.store.write() as tx:
                submission_actions.reject(tx, submission.id, by=admin.email, now=visit.now)
            return Redirect(path="/admin/submissions?done=rejected")
        if visit.form.get("do") == "approve":
            return self._approve(submission, visit, admin)
        return self._look_up(submission, visit)

    def _look_up(self, submission: Submission, visit: Visit) -> Answer:
        try:
            return _page(self._shown(submission, self.paper_lookups.look_up(submission)))
        except SourceError as error:
            return _page(replace(self._typed(submission, visit), not_sent_because=clean(error.reason)), 422)
        except LookupsBusyError:
            return _page(replace(self._typed(submission, visit), busy=True), 503)

    def _approve(self, submission: Submission, visit: Visit, admin: Admin) -> Answer:
        typed = self._typed(submission, visit)
        try:
            found = self.paper_lookups.find(submission, needed=not typed.title)
        except SourceError as error:
            return _page(replace(typed, not_sent_because=clean(error.reason), needs_title=True), 422)
        except LookupsBusyError:
            return _page(replace(typed, busy=True), 503)
        entry = submission_actions.edited_entry(submission.url, *_changed(typed, found), found)
        with self.store.write() as tx:
            submission_actions.approve(
                tx, submission.id, entry, by=admin.email, now=visit.now, timezone=self.timezone.key
            )
        return Redirect(path=f"/admin/submissions/{submission.id}?done=approved")

    def _get(self, visit: Visit) -> Submission:
        with self.store.read() as tx:
            return submissions.get(tx, visit.id)

    def _typed(self, submission: Submission, visit: Visit) -> ShownSubmission:
        title, abstract = (submission_actions.one_line(visit.form.get(name, "")) for name in ("title", "abstract"))
        known = self._shown(submission, self.paper_lookups.known(submission))
        return replace(known, title=title[:_MOST_TITLE], abstract=abstract[:_MOST_ABSTRACT])

    def _shown(self, submission: Submission, found: Entry | None) -> ShownSubmission:
        return _shown(submission, found, self.timezone)


def _shown(submission: Submission, found: Entry | None, timezone: ZoneInfo) -> ShownSubmission:
    return ShownSubmission(
        id=submission.id,
        url=clean(submission.url),
        is_web=submission.url.startswith(("https://", "http://")),
        at=local(submission.submitted_at, timezone),
        origin=clean(submission.origin),
        state=submission.state,
        decided_at=local(submission.decided_at, timezone) if submission.decided_at else "",
        paper=paper_path(submission.paper_id) if submission.paper_id else "",
        title=clean(found.title) if found else "",
        abstract=clean(found.abstract) if found else "",
        authors=clean(", ".join(found.authors)) if found else "",
        looked_up=found is not None,
    )


def _changed(typed: ShownSubmission, found: Entry | None) -> tuple[str, str]:
    """Title and abstract where they are not as they were found, which has its LaTeX beside it."""
    before = (
        (submission_actions.one_line(found.title), submission_actions.one_line(found.abstract))
        if found is not None
        else ("", "")
    )
    return "" if typed.title == before[0] else typed.title, "" if typed.abstract == before[1] else typed.abstract


def _page(shown: ShownSubmission, status: int = 200) -> Page:
    return Page(template="desk-submission.html.j2", shows=shown, status=status)

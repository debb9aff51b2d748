"""Admin pages about papers: the configured sources, and the papers that readers propose."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.admin import submission_actions
from digest.admin.submission_actions import LookupsBusyError
from digest.errors import SourceError
from digest.mail.encoding import clean
from digest.models import Entry, Submission, SubmissionState
from digest.store import sources, submissions
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Number, PathId, PostedForm, RequestContext, link
from digest.web.papers import paper_path
from digest.web.rendering import admin_template

_COUNTED_FOR = timedelta(days=30)
_PASSWORD = re.compile(r"^([a-z]+://)[^/?#]*@", re.IGNORECASE)
_KEY = re.compile(r"([?&][^=&#]*(?:key|token|secret|pass|pwd|auth(?!or)|signature|cred)[^=&#]*=)[^&#]+", re.IGNORECASE)

_PAGE_SIZE = 50  # submissions
_LAST_PAGE = 1_000_000
_MAX_TITLE, _MAX_ABSTRACT = 500, 20_000  # characters
_SUBMISSION = admin_template("submission")

sources_router = admin_router("/admin/sources")
submissions_router = admin_router("/admin/submissions")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSource:
    """A source. Times are local, "" for never."""

    name: str
    kind: str
    url: str
    checked_at: str
    succeeded_at: str
    entries: int | None  # when it was last read
    papers: int  # new ones of the last thirty days
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSources:
    """All sources, in the order of the configuration."""

    sources: tuple[ShownSource, ...]
    can_ask: bool
    asked: bool  # just now


@sources_router.get("")
def list_sources(context: Context, done: str = "") -> Response:
    """All configured sources, without the passwords and keys of their addresses."""
    with context.store.read() as tx:
        states = sources.list_states(tx)
        papers = sources.count_papers(tx, since=context.now - _COUNTED_FOR)
    shown = tuple(
        ShownSource(
            name=source.name,
            kind=source.kind,
            url=clean(_KEY.sub(r"\1…", _PASSWORD.sub(r"\1…@", source.url))),
            checked_at=context.local_time(state.checked_at if state else None),
            succeeded_at=context.local_time(state.succeeded_at if state else None),
            entries=state.entries if state else None,
            papers=papers.get(source.name, 0),
            failure=clean(state.failure) if state else "",
        )
        for source in context.app.config.source
        for state in [states.get(source.name)]
    )
    can_ask = context.services.ask_sources is not None
    page = ShownSources(sources=shown, can_ask=can_ask, asked=done == "asked")
    return context.render(admin_template("sources"), page)


@sources_router.post("")
def read_sources(context: Context) -> Response:
    """Have all sources read soon, beside the pages and never twice at once. Raises HTTPException 404 if impossible."""
    if context.services.ask_sources is None:
        raise HTTPException(404)
    context.services.ask_sources()
    return context.redirect("/admin/sources?done=asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubmission:
    """A submission, on its page or as a line of the list; times are local."""

    id: int
    url: str
    is_web: bool  # the address may be a link
    at: str
    origin: str
    state: SubmissionState
    decided_at: str  # "" before
    paper: str  # the path of the paper that it became, "" before
    title: str = ""  # in the form: as found, or as typed
    abstract: str = ""
    authors: str = ""
    looked_up: bool = False
    why_not: str = ""  # why the paper could not be looked up
    needs_title: bool = False  # no paper was found, and no title typed
    busy: bool = False
    approved_now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubmissions:
    """A part of the list, waiting submissions first."""

    waiting: int
    submissions: tuple[ShownSubmission, ...]
    older: str  # the path of the next page, or ""
    rejected: bool  # one was rejected just now


@submissions_router.get("")
def list_submissions(context: Context, page: Number = 1, done: str = "") -> Response:
    """A page of the list."""
    number = min(max(page, 1), _LAST_PAGE)
    with context.store.read() as tx:
        found = submissions.list_page(tx, offset=(number - 1) * _PAGE_SIZE, limit=_PAGE_SIZE + 1)
        waiting = submissions.count_waiting(tx)
    shown = ShownSubmissions(
        waiting=waiting,
        submissions=tuple(_shown(context, submission, None) for submission in found[:_PAGE_SIZE]),
        older=link("/admin/submissions", page=number + 1) if len(found) > _PAGE_SIZE else "",
        rejected=done == "rejected",
    )
    return context.render(admin_template("submissions"), shown)


@submissions_router.get("/{id}")
def show_submission(context: Context, submission_id: PathId, done: str = "") -> Response:
    """One submission. Asks no other server. Raises NotFoundError."""
    with context.store.read() as tx:
        submission = submissions.get(tx, submission_id)
    shown = _shown(context, submission, context.app.paper_lookups.known(submission))
    return context.render(_SUBMISSION, replace(shown, approved_now=done == "approved"))


@submissions_router.post("/{id}")
def decide_submission(context: Context, submission_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Look a submission up, approve it or reject it. Raises NotFoundError, UsageError."""
    with context.store.read() as tx:
        submission = submissions.get(tx, submission_id)
    submission_actions.check_open(submission)
    if form.get("do") == "reject":
        with context.store.write() as tx:
            submission_actions.reject(tx, submission.id, by=admin.email, now=context.now)
        return context.redirect("/admin/submissions?done=rejected")
    lookups, approve = context.app.paper_lookups, form.get("do") == "approve"
    title, abstract = (submission_actions.one_line(form.get(name, "")) for name in ("title", "abstract"))
    typed = replace(
        _shown(context, submission, lookups.known(submission)),
        title=title[:_MAX_TITLE],
        abstract=abstract[:_MAX_ABSTRACT],
    )
    try:
        found = lookups.find(submission, needed=not typed.title) if approve else lookups.look_up(submission)
    except SourceError as error:
        failed = replace(typed, why_not=clean(error.reason), needs_title=approve)
        return context.render(_SUBMISSION, failed, status=422)
    except LookupsBusyError:
        return context.render(_SUBMISSION, replace(typed, busy=True), status=503)
    if not approve:
        return context.render(_SUBMISSION, _shown(context, submission, found))
    # An unedited text keeps its LaTeX source, which the found entry has beside it.
    known = [submission_actions.one_line(text) for text in (found.title, found.abstract)] if found else ["", ""]
    edited = zip((typed.title, typed.abstract), known, strict=True)
    title, abstract = ("" if text == unedited else text for text, unedited in edited)
    entry = submission_actions.edited_entry(submission.url, title, abstract, found)
    timezone = context.app.config.newsletter.timezone
    with context.store.write() as tx:
        submission_actions.approve(tx, submission.id, entry, by=admin.email, now=context.now, timezone=timezone)
    return context.redirect(f"/admin/submissions/{submission.id}?done=approved")


def _shown(context: RequestContext, submission: Submission, found: Entry | None) -> ShownSubmission:
    return ShownSubmission(
        id=submission.id,
        url=clean(submission.url),
        is_web=submission.url.startswith(("https://", "http://")),
        at=context.local_time(submission.submitted_at),
        origin=clean(submission.origin),
        state=submission.state,
        decided_at=context.local_time(submission.decided_at),
        paper=paper_path(submission.paper_id) if submission.paper_id else "",
        title=clean(found.title) if found else "",
        abstract=clean(found.abstract) if found else "",
        authors=clean(", ".join(found.authors)) if found else "",
        looked_up=found is not None,
    )

"""Papers that readers propose: list, approve, reject."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, Field, StringConstraints

from digest import models
from digest.admin import submission_actions
from digest.admin.submission_actions import LookupsBusyError
from digest.errors import SourceError
from digest.models import SubmissionState
from digest.store import submissions
from digest.web.api.access import Call, ReadsSubmissions, WritesSubmissions
from digest.web.api.fields import NO_NUL, Id, NumberedPageQuery, Page, RequestBody, Shown, new_router, page_of
from digest.web.api.problems import Refused, as_problem, responses

router = new_router("submissions")


class Submission(Shown):
    """A proposed paper."""

    id: int
    url: str
    state: SubmissionState
    submitted_at: datetime
    decided_at: datetime | None
    paper_id: Annotated[str | None, BeforeValidator(lambda paper_id: paper_id or None)] = Field(
        description="The paper that was added.", examples=["arxiv:2504.17830"]
    )


class SubmissionQuery(NumberedPageQuery):
    """Which submissions to list."""

    state: SubmissionState | None = None


class Approval(RequestBody):
    """Title and abstract to use instead of those that are found. With a title the page need not be readable."""

    title: Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)] = ""
    abstract: Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)] = ""


@router.get("/submissions", responses=responses())
def list_submissions(call: ReadsSubmissions, query: Annotated[SubmissionQuery, Query()]) -> Page[Submission]:
    """Return submissions, oldest first."""
    with call.store.read() as tx:
        found = [s for s in submissions.list_all(tx, state=query.state) if s.id > query.number]
    return page_of(found, query.limit, show=Submission.model_validate, cursor=lambda one: one.id)


@router.post("/submissions/{id:number}/reject", responses=responses(404, 409))
def reject_submission(call: WritesSubmissions, id: Id) -> Submission:  # noqa: A002
    """Reject a submission. 409 if it is approved."""
    _get(call, id)
    with call.writing() as tx, as_problem(409):
        submission_actions.reject(tx, id, **call.signed)
    return Submission.model_validate(_get(call, id))


@router.post("/submissions/{id:number}/approve", responses=responses(404, 409, body=True))
def approve_submission(call: WritesSubmissions, id: Id, approval: Approval) -> Submission:  # noqa: A002
    """Look a paper up and add it to today's edition.

    422 if nothing is found and no title is given, 409 if it is approved, 503 while too many look-ups are in progress.
    """
    submission = _get(call, id)
    title, abstract = submission_actions.one_line(approval.title), submission_actions.one_line(approval.abstract)
    with as_problem(409):
        submission_actions.check_open(submission)
    try:
        found = call.app.paper_lookups.find(submission, needed=not title)
    except SourceError as error:
        reason = submission_actions.one_line(error.reason)
        raise Refused(422, f"{reason}; send a title to add the paper without its page") from None
    except LookupsBusyError:
        headers = {"Retry-After": "10"}
        raise Refused(503, "too many look-ups are in progress; try again in a moment", headers=headers) from None
    entry = submission_actions.edited_entry(submission.url, title, abstract, found)
    with call.writing() as tx, as_problem(409):
        submission_actions.approve(tx, id, entry, **call.signed, timezone=call.app.config.newsletter.timezone)
    return Submission.model_validate(_get(call, id))


def _get(call: Call, number: int) -> models.Submission:
    with call.store.read() as tx:
        return submissions.get(tx, number)

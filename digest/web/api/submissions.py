"""Papers that readers propose."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from digest import models
from digest.admin import submission_actions
from digest.admin.submission_actions import LookupsBusyError
from digest.errors import SourceError
from digest.models import Entry, SubmissionState
from digest.store import submissions
from digest.web.api.access import Call, ReadsSubmissions, WritesSubmissions
from digest.web.api.fields import NO_NUL, Id, Numbered, Page, Wanted, a_router, page_of
from digest.web.api.problems import Refused, responses, told_as

router = a_router("submissions")


class Submission(BaseModel):
    """A paper that somebody proposed."""

    id: int
    url: str
    state: SubmissionState
    submitted_at: datetime
    decided_at: datetime | None
    paper_id: str | None = Field(description="What it became.", examples=["arxiv:2504.17830"])


class SubmissionsSought(Numbered):
    """Which submissions."""

    state: SubmissionState | None = None


class Approval(Wanted):
    """What shall stand there instead of what is found; where there is a title, nothing need be found."""

    title: Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)] = ""
    abstract: Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)] = ""


@router.get("/submissions", responses=responses())
def list_submissions(call: ReadsSubmissions, sought: Annotated[SubmissionsSought, Query()]) -> Page[Submission]:
    """What was proposed, the oldest first."""
    with call.store.read() as tx:
        found = [s for s in submissions.list_all(tx, state=sought.state) if s.id > sought.number]
    return page_of(found, sought.limit, shown=_record, cursor=lambda one: one.id)


@router.post("/submissions/{id:number}/reject", responses=responses(404, 409))
def reject_submission(call: WritesSubmissions, id: Id) -> Submission:  # noqa: A002
    """Put a proposal aside. 409 for one that was approved already."""
    _get(call, id)
    with call.writing() as tx, told_as(409):
        submission_actions.reject(tx, id, by=call.by, now=call.now)
    return _record(_get(call, id))


@router.post("/submissions/{id:number}/approve", responses=responses(404, 409, body=True))
def approve_submission(call: WritesSubmissions, id: Id, approval: Approval) -> Submission:  # noqa: A002
    """Look a paper up and put it into today's edition.

    422 where nothing is found and no title is given, 409 for one that was approved already, 503 where as many papers as
    may be are being looked up just now.
    """
    submission = _get(call, id)
    title, abstract = submission_actions.one_line(approval.title), submission_actions.one_line(approval.abstract)
    with told_as(409):
        submission_actions.check_open(submission)
    entry = submission_actions.edited_entry(submission.url, title, abstract, _found(call, submission, needed=not title))
    with call.writing() as tx, told_as(409):
        submission_actions.approve(
            tx, id, entry, by=call.by, now=call.now, timezone=call.app.config.newsletter.timezone
        )
    return _record(_get(call, id))


def _found(call: Call, submission: models.Submission, *, needed: bool) -> Entry | None:
    try:
        return call.app.paper_lookups.find(submission, needed=needed)
    except SourceError as error:
        raise Refused(
            422, f"{submission_actions.one_line(error.reason)}; with a title it can be put in as it is given"
        ) from None
    except LookupsBusyError:
        headers = {"Retry-After": "10"}
        raise Refused(503, "other papers are being looked up; try again in a moment", headers=headers) from None


def _get(call: Call, number: int) -> models.Submission:
    with call.store.read() as tx:
        return submissions.get(tx, number)


def _record(s: models.Submission) -> Submission:
    return Submission(
        id=s.id,
        url=s.url,
        state=s.state,
        submitted_at=s.submitted_at,
        decided_at=s.decided_at,
        paper_id=s.paper_id or None,
    )

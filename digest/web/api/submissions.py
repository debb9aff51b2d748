"""Papers that readers propose."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from digest import models
from digest.desk import submissions as desk
from digest.models import SubmissionState
from digest.store import submissions
from digest.web.api.access import ReadsSubmissions, WritesSubmissions
from digest.web.api.fields import Id, Numbered, Page, a_router, page_of
from digest.web.api.problems import responses, told_as

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


@router.get("/submissions", responses=responses())
def list_submissions(call: ReadsSubmissions, sought: Annotated[SubmissionsSought, Query()]) -> Page[Submission]:
    """What was proposed, the oldest first."""
    with call.store.read() as tx:
        found = [s for s in submissions.list_all(tx, state=sought.state) if s.id > sought.number]
    return page_of(found, sought.limit, shown=_record, cursor=lambda one: one.id)


@router.post("/submissions/{id:number}/reject", responses=responses(404, 409))
def reject_submission(call: WritesSubmissions, id: Id) -> Submission:  # noqa: A002
    """Put a proposal aside. 409 for one that was approved already."""
    with call.store.read() as tx:
        submissions.get(tx, id)
    with call.writing() as tx, told_as(409):
        desk.reject(tx, id, by=call.by, now=call.now)
    with call.store.read() as tx:
        return _record(submissions.get(tx, id))


def _record(s: models.Submission) -> Submission:
    return Submission(
        id=s.id,
        url=s.url,
        state=s.state,
        submitted_at=s.submitted_at,
        decided_at=s.decided_at,
        paper_id=s.paper_id or None,
    )

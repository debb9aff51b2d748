"""Papers that readers propose, and operations: the state of today, the sources, the bounces and the audit log."""

from datetime import date, datetime
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from digest import models
from digest.admin import submission_actions
from digest.admin.submission_actions import LookupsBusyError
from digest.errors import SourceError
from digest.models import BounceKind, DeliveryState, Stage, StageState, StageStatus, SubmissionState
from digest.store import audit, bounces, sources, submissions
from digest.store.daily_status import Trouble
from digest.web.api.access import Call, ReadsOperations, ReadsSubmissions, WritesSubmissions
from digest.web.api.fields import NO_NUL, Id, NumberedPageQuery, Page, RequestBody, Shown, new_router, page_of
from digest.web.api.problems import Refused, as_problem, responses

submissions_router = new_router("submissions")
operations_router = new_router("operations")


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


@submissions_router.get("/submissions", responses=responses())
def list_submissions(call: ReadsSubmissions, query: Annotated[SubmissionQuery, Query()]) -> Page[Submission]:
    """Return submissions, oldest first."""
    with call.store.read() as tx:
        found = [s for s in submissions.list_all(tx, state=query.state) if s.id > query.number]
    return page_of(found, query.limit, show=Submission.model_validate, cursor=lambda one: one.id)


@submissions_router.post("/submissions/{id:number}/reject", responses=responses(404, 409))
def reject_submission(call: WritesSubmissions, id: Id) -> Submission:  # noqa: A002
    """Reject a submission. 409 if it is approved."""
    _get(call, id)
    with call.writing() as tx, as_problem(409):
        submission_actions.reject(tx, id, **call.signed)
    return Submission.model_validate(_get(call, id))


@submissions_router.post("/submissions/{id:number}/approve", responses=responses(404, 409, body=True))
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


class StageOfToday(BaseModel):
    """A stage that `digest serve` runs regularly, and its last runs."""

    stage: Stage
    state: StageState = Field(
        description="`failing` if the last run could not do its work, `silent` if there was none for long."
    )
    started_at: datetime
    succeeded_at: datetime | None
    failed_at: datetime | None
    failure: str = Field(description="The last error, also if a later run succeeded; or empty.")

    @classmethod
    def of(cls, status: StageStatus) -> Self:
        """Return a stage as the API shows it."""
        record = status.record
        return cls(
            stage=record.stage,
            state=status.state,
            started_at=record.started_at,
            succeeded_at=record.succeeded_at,
            failed_at=record.failed_at,
            failure=record.failure,
        )


class Today(BaseModel):
    """The state of the newsletter today."""

    on: date
    trouble: Trouble | None = Field(description="The most urgent problem; null if everything is working.")
    troubles: list[Trouble] = Field(description="All problems, the most urgent first.")
    papers: int = Field(description="Papers of today's edition.")
    digests: int = Field(description="Digests with papers that were created today.")
    deliveries: dict[str, int] = Field(
        description="Number by state of the emails queued today or not finished.", examples=[{"sent": 120, "queued": 2}]
    )
    overdue_since: datetime | None = Field(description="Since when the oldest email that can be sent has been waiting.")
    stages: list[StageOfToday] = Field(description="Those that ran at least once.")


class Source(BaseModel):
    """A source and its last check."""

    name: str
    kind: str
    checked_at: datetime | None = Field(description="Null if it was never checked.")
    succeeded_at: datetime | None
    entries: int | None = Field(description="Entries that the last check read.")
    failure: str = Field(description="Why the last check failed, or empty.")


class Bounce(Shown):
    """A bounce: mail that was returned, or refused at once."""

    id: int
    delivery_id: int | None
    kind: BounceKind
    status: str = Field(examples=["5.1.1"])
    reply: str
    bounced_at: datetime


class LogLine(Shown):
    """A line of the audit log."""

    id: int
    at: datetime
    who: str = Field(description="An admin, a token, or the command line.", examples=["admin@example.org"])
    what: str = Field(description="The command that does this.", examples=["profile edit"])
    subject: str = Field(description="What was changed. Subscribers are named by number.")


@operations_router.get("/today", responses=responses())
def get_today(call: ReadsOperations) -> Today:
    """Return the state of today."""
    with call.store.read() as tx:
        today = call.app.daily_status(tx, now=call.now)
    counts = {state.value: today.deliveries[state] for state in DeliveryState if state in today.deliveries}
    return Today(
        on=call.now.astimezone(ZoneInfo(call.app.config.newsletter.timezone)).date(),
        trouble=today.trouble,
        troubles=list(today.troubles),
        papers=today.papers,
        digests=today.digests,
        deliveries=counts,
        overdue_since=today.overdue_since,
        stages=[StageOfToday.of(stage) for stage in today.stages],
    )


@operations_router.get("/sources", responses=responses())
def list_sources(call: ReadsOperations) -> Page[Source]:
    """Return the configured sources and their last checks, without addresses: some contain a key."""
    with call.store.read() as tx:
        states = sources.list_states(tx)
    items = [
        Source(
            name=source.name,
            kind=source.kind,
            checked_at=state and state.checked_at,
            succeeded_at=state and state.succeeded_at,
            entries=state and state.entries,
            failure=state.failure if state else "",
        )
        for source in call.app.config.source
        for state in [states.get(source.name)]
    ]
    return Page(items=items, next=None)


@operations_router.get("/bounces", responses=responses())
def list_bounces(call: ReadsOperations, page: Annotated[NumberedPageQuery, Query()]) -> Page[Bounce]:
    """Return bounces, newest first."""
    with call.store.read() as tx:
        found = bounces.list_newest(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, show=Bounce.model_validate, cursor=lambda one: one.id)


@operations_router.get("/log", responses=responses())
def list_log(call: ReadsOperations, page: Annotated[NumberedPageQuery, Query()]) -> Page[LogLine]:
    """Return the audit log, newest first."""
    with call.store.read() as tx:
        found = audit.list_changes(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, show=LogLine.model_validate, cursor=lambda one: one.id)

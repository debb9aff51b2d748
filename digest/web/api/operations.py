"""Operations: the state of today, the sources, the bounces and the audit log."""

from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BaseModel, Field

from digest.models import BounceKind, DeliveryState
from digest.store import audit, bounces, daily_status, sources
from digest.store.daily_status import Trouble
from digest.web.api.access import ReadsOperations
from digest.web.api.fields import NumberedPageQuery, Page, Shown, new_router, page_of
from digest.web.api.problems import responses

router = new_router("operations")


class Today(BaseModel):
    """The state of the newsletter today."""

    on: date
    trouble: Trouble | None = Field(description="The first problem; null if everything is working.")
    papers: int = Field(description="Papers of today's edition.")
    digests: int = Field(description="Digests with papers that were created today.")
    deliveries: dict[str, int] = Field(
        description="Number by state of the emails queued today or not finished.", examples=[{"sent": 120, "queued": 2}]
    )
    overdue_since: datetime | None = Field(description="Since when the oldest email that can be sent has been waiting.")


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


@router.get("/today", responses=responses())
def get_today(call: ReadsOperations) -> Today:
    """Return the state of today."""
    timezone = ZoneInfo(call.app.config.newsletter.timezone)
    on = call.now.astimezone(timezone).date()
    since = datetime.combine(on, time(), tzinfo=timezone).astimezone(UTC)
    with call.store.read() as tx:
        today = daily_status.get(tx, on=on, since=since, now=call.now)
    counts = {state.value: today.deliveries[state] for state in DeliveryState if state in today.deliveries}
    return Today(
        on=on,
        trouble=today.trouble,
        papers=today.papers,
        digests=today.digests,
        deliveries=counts,
        overdue_since=today.overdue_since,
    )


@router.get("/sources", responses=responses())
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


@router.get("/bounces", responses=responses())
def list_bounces(call: ReadsOperations, page: Annotated[NumberedPageQuery, Query()]) -> Page[Bounce]:
    """Return bounces, newest first."""
    with call.store.read() as tx:
        found = bounces.list_newest(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, show=Bounce.model_validate, cursor=lambda one: one.id)


@router.get("/log", responses=responses())
def list_log(call: ReadsOperations, page: Annotated[NumberedPageQuery, Query()]) -> Page[LogLine]:
    """Return the audit log, newest first."""
    with call.store.read() as tx:
        found = audit.list_changes(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, show=LogLine.model_validate, cursor=lambda one: one.id)

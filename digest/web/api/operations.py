"""How it goes: today, the sources, what came back, and what was changed."""

from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BaseModel, Field

from digest.models import BounceKind, Change, DeliveryState, Trouble
from digest.store import audit, bounces, daily_status, sources
from digest.web.api.access import ReadsOperations
from digest.web.api.fields import Numbered, Page, a_router, page_of
from digest.web.api.problems import responses

router = a_router("operations")


class Today(BaseModel):
    """The newsletter's day."""

    on: date
    trouble: Trouble | None = Field(description="The first thing to do something about; null where all is well.")
    papers: int = Field(description="Of today's edition.")
    digests: int = Field(description="Decided today that have papers.")
    deliveries: dict[str, int] = Field(
        description="Queued today, or not settled, by state.", examples=[{"sent": 120, "queued": 2}]
    )
    overdue_since: datetime | None = Field(description="Of the mail that may be sent and has waited longest.")


class Source(BaseModel):
    """How a source did when it was last asked."""

    name: str
    kind: str
    checked_at: datetime | None = Field(description="Null where it never was.")
    succeeded_at: datetime | None
    entries: int | None = Field(description="In what was read last.")
    failure: str = Field(description="Why the last check failed, or empty.")


class Bounce(BaseModel):
    """What came back after a mail was taken, or what the mail server said at once."""

    id: int
    delivery_id: int | None
    kind: BounceKind
    status: str = Field(examples=["5.1.1"])
    reply: str
    bounced_at: datetime


class LogLine(BaseModel):
    """What was changed, and by whom."""

    id: int
    at: datetime
    who: str = Field(description="An admin, a token, or the way.", examples=["desk@example.org"])
    what: str = Field(description="The command that does the same.", examples=["profile edit"])
    subject: str = Field(description="What it was done to. Subscribers stand here by number.")


@router.get("/today", responses=responses())
def get_today(call: ReadsOperations) -> Today:
    """How it goes today."""
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
    """The sources that are configured, and how each did. Their addresses are left out: some hold a key."""
    with call.store.read() as tx:
        states = sources.list_states(tx)
    return Page(items=[_source(s.name, s.kind, states.get(s.name)) for s in call.app.config.source], next=None)


@router.get("/bounces", responses=responses())
def list_bounces(call: ReadsOperations, page: Annotated[Numbered, Query()]) -> Page[Bounce]:
    """What came back, the newest first."""
    with call.store.read() as tx:
        found = bounces.list_newest(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, shown=_bounce, cursor=lambda one: one.id)


@router.get("/log", responses=responses())
def list_log(call: ReadsOperations, page: Annotated[Numbered, Query()]) -> Page[LogLine]:
    """What was changed, the newest first."""
    with call.store.read() as tx:
        found = audit.list_changes(tx, before=page.number, limit=page.limit + 1)
    return page_of(found, page.limit, shown=_line, cursor=lambda one: one.id)


def _source(name: str, kind: str, state: sources.SourceState | None) -> Source:
    return Source(
        name=name,
        kind=kind,
        checked_at=state and state.checked_at,
        succeeded_at=state and state.succeeded_at,
        entries=state and state.entries,
        failure=state.failure if state else "",
    )


def _bounce(kept: bounces.StoredBounce) -> Bounce:
    return Bounce(
        id=kept.id,
        delivery_id=kept.delivery_id,
        kind=kept.kind,
        status=kept.status,
        reply=kept.reply,
        bounced_at=kept.bounced_at,
    )


def _line(change: Change) -> LogLine:
    return LogLine(id=change.id, at=change.at, who=change.who, what=change.what, subject=change.subject)

"""Who must not be mailed."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from digest import models
from digest.admin import subscriber_actions
from digest.models import SuppressionReason
from digest.security import addresses
from digest.store import suppressions
from digest.subscribers.fields import one_line
from digest.web.api.access import ReadsSubscribers, WritesSubscribers
from digest.web.api.fields import Address, Line, Page, Paging, Wanted, a_router, page_of
from digest.web.api.problems import responses, told_as

router = a_router("suppressions")


class Suppression(BaseModel):
    """That an address must not be mailed. It is kept under a pseudonym, which tells nobody the address."""

    pseudonym: str = Field(examples=["0f343b0931126a20f133d67c2b018a3b"])
    reason: SuppressionReason
    suppressed_at: datetime
    evidence: str = Field(description="What it rests on.")


class SuppressionsSought(Paging):
    """Which suppressions."""

    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="What `next` was on the page before."
    )
    email: Annotated[str, StringConstraints(max_length=254)] | None = Field(
        None, description="Only what stands against this address."
    )


class NewSuppression(Wanted):
    """Whom not to mail."""

    email: Address = Field(examples=["reader@example.org"])
    reason: Line = Field("", description="Why, for whoever looks at it later.")


class Lift(Wanted):
    """Whom to mail again."""

    email: Address = Field(examples=["reader@example.org"])


class Lifted(BaseModel):
    """What stands against an address now."""

    suppression: Suppression | None = Field(description="Null where nothing does.")


@router.get("/suppressions", responses=responses())
def list_suppressions(call: ReadsSubscribers, sought: Annotated[SuppressionsSought, Query()]) -> Page[Suppression]:
    """Who must not be mailed, subscriber or not, by pseudonym; or what stands against one address."""
    with call.store.read() as tx:
        if sought.email is not None:
            stands = call.app.membership.find_suppression(tx, sought.email)
            return Page(items=[] if stands is None else [_record(stands)], next=None)
        found = suppressions.list_after(tx, sought.cursor or "", limit=sought.limit + 1)
    return page_of(found, sought.limit, shown=_record, cursor=lambda one: one.pseudonym)


@router.post("/suppressions", responses=responses(body=True))
def add_suppression(call: WritesSubscribers, new: NewSuppression) -> Suppression:
    """Never mail an address, whoever says yes for it. What stands now: a weightier reason stays."""
    address = addresses.normalize(new.email)
    with call.writing() as tx:
        membership = call.app.membership
        return _record(
            subscriber_actions.suppress(tx, membership, address, one_line(new.reason), by=call.by, now=call.now)
        )


@router.post("/suppressions/lift", responses=responses(409, body=True))
def lift_suppression(call: WritesSubscribers, lift: Lift) -> Lifted:
    """Take back what an admin did. 409 for what only the address's owner can lift, and where nothing stands."""
    with call.writing() as tx, told_as(409):
        stands = subscriber_actions.lift(tx, call.app.membership, lift.email, by=call.by, now=call.now)
    return Lifted(suppression=None if stands is None else _record(stands))


def _record(stands: models.Suppression) -> Suppression:
    return Suppression(
        pseudonym=stands.pseudonym,
        reason=stands.reason,
        suppressed_at=stands.suppressed_at,
        evidence=stands.evidence,
    )

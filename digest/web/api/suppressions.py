"""Suppressions: addresses that must not be mailed."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from digest.admin import subscriber_actions
from digest.models import SuppressionReason
from digest.security import addresses
from digest.store import suppressions
from digest.subscribers.fields import one_line
from digest.web.api.access import ReadsSubscribers, WritesSubscribers
from digest.web.api.fields import Address, Line, Page, PageQuery, RequestBody, Shown, new_router, page_of
from digest.web.api.problems import as_problem, responses

router = new_router("suppressions")


class Suppression(Shown):
    """An address that must not be mailed. It is stored as a pseudonym, from which the address cannot be found."""

    pseudonym: str = Field(examples=["0f343b0931126a20f133d67c2b018a3b"])
    reason: SuppressionReason
    suppressed_at: datetime
    evidence: str = Field(description="The mail server's or the admin's reason.")


class SuppressionQuery(PageQuery):
    """Which suppressions to list."""

    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="The value of `next` on the page before."
    )
    email: Annotated[str, StringConstraints(max_length=254)] | None = Field(
        None, description="Only the suppression of this address."
    )


class NewSuppression(RequestBody):
    """An address to suppress."""

    email: Address = Field(examples=["reader@example.org"])
    reason: Line = Field("", description="Reason (shown to other admins).")


class Lift(RequestBody):
    """An address to mail again."""

    email: Address = Field(examples=["reader@example.org"])


class LiftResult(BaseModel):
    """The suppression of the address now."""

    suppression: Suppression | None = Field(description="Null if the address may be mailed.")


@router.get("/suppressions", responses=responses())
def list_suppressions(call: ReadsSubscribers, query: Annotated[SuppressionQuery, Query()]) -> Page[Suppression]:
    """Return suppressions by pseudonym, or that of one address."""
    with call.store.read() as tx:
        if query.email is not None:
            found = [s] if (s := call.app.membership.find_suppression(tx, query.email)) else []
        else:
            found = suppressions.list_after(tx, query.cursor or "", limit=query.limit + 1)
    return page_of(found, query.limit, show=Suppression.model_validate, cursor=lambda one: one.pseudonym)


@router.post("/suppressions", responses=responses(body=True))
def add_suppression(call: WritesSubscribers, new: NewSuppression) -> Suppression:
    """Suppress an address. Returns its suppression: a stronger reason that it had before stays."""
    address = addresses.normalize(new.email)
    with call.writing() as tx:
        membership = call.app.membership
        suppression = subscriber_actions.suppress(tx, membership, address, one_line(new.reason), **call.signed)
    return Suppression.model_validate(suppression)


@router.post("/suppressions/lift", responses=responses(409, body=True))
def lift_suppression(call: WritesSubscribers, lift: Lift) -> LiftResult:
    """Lift the suppression by an admin. 409 if there is none, or only the subscriber can lift it."""
    with call.writing() as tx, as_problem(409):
        left = subscriber_actions.lift(tx, call.app.membership, lift.email, **call.signed)
    return LiftResult(suppression=Suppression.model_validate(left) if left else None)

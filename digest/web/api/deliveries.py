"""Deliveries: list, retry, resolve and resend mails; hold and release sending."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from digest.admin import outbox_actions
from digest.models import BounceKind, DeliveryState, MailKind
from digest.store import Transaction, bounces, deliveries, outbox
from digest.subscribers.fields import one_line
from digest.web.api.access import ReadsDeliveries, WritesDeliveries
from digest.web.api.fields import MAX_ID, Id, Ids, Line, NumberedPageQuery, Page, RequestBody, Shown, new_router
from digest.web.api.problems import as_problem, responses

router = new_router("deliveries")


class Delivery(BaseModel):
    """A mail in the outbox and its state."""

    id: int = Field(examples=[42])
    kind: MailKind
    subscriber_id: int
    email: str
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_at: datetime | None = Field(description="When a deferred email is tried again.")
    reply: str = Field(description="The mail server's last reply.", examples=["250 2.0.0 Ok"])


class DeliveryBounce(Shown):
    """A bounce of a mail."""

    kind: BounceKind
    status: str = Field(examples=["5.1.1"])
    reply: str
    bounced_at: datetime


class DeliveryDetails(Delivery):
    """A mail with its bounces."""

    sent_at: datetime | None
    came_back: list[DeliveryBounce]


class DeliveryQuery(NumberedPageQuery):
    """Which deliveries to list."""

    state: DeliveryState | None = None


class SomeDeliveries(RequestBody):
    """Deliveries by number."""

    ids: Ids


class AllDeliveries(RequestBody):
    """All deliveries."""

    all: Literal[True]


class Resolution(RequestBody):
    """What happened to deliveries in doubt."""

    ids: Ids
    arrived: bool = Field(description="True if they arrived; otherwise the same emails are sent again.")


class OneDelivery(RequestBody):
    """A delivery by number."""

    id: int = Field(ge=1, le=MAX_ID)


class ChangedDeliveries(BaseModel):
    """The deliveries that were changed."""

    ids: list[int]


class Hold(Shown):
    """A stop of all sending, by every process."""

    held_at: datetime
    reason: str


class HoldStatus(BaseModel):
    """Whether sending is on hold."""

    hold: Hold | None = Field(description="Null if sending is not on hold.")


class NewHold(RequestBody):
    """Why to hold sending."""

    reason: Line = ""


@router.get("/deliveries", responses=responses())
def list_deliveries(call: ReadsDeliveries, query: Annotated[DeliveryQuery, Query()]) -> Page[Delivery]:
    """Return deliveries, newest first."""
    with call.store.read() as tx:
        found = deliveries.list_page(
            tx, deliveries.DeliveryFilter(state=query.state), before=query.number, limit=query.limit
        )
    items = [Delivery(**outbox_actions.delivery_record(d)) for d in found.deliveries]
    return Page(items=items, next=str(found.before) if found.before else None)


@router.get("/deliveries/{id:number}", responses=responses(404))
def get_delivery(call: ReadsDeliveries, id: Id) -> DeliveryDetails:  # noqa: A002
    """Return one delivery with its bounces."""
    with call.store.read() as tx:
        found = deliveries.get(tx, id)
        came_back = [DeliveryBounce.model_validate(bounce) for bounce in bounces.list_by_delivery(tx, id)]
        record = outbox_actions.delivery_record(found)
        return DeliveryDetails(**record, sent_at=deliveries.find_sent_at(tx, id), came_back=came_back)


@router.post("/deliveries/retry", responses=responses(body=True))
def retry_deliveries(call: WritesDeliveries, which: SomeDeliveries | AllDeliveries) -> ChangedDeliveries:
    """Retry mails that were deferred or have failed."""
    with call.writing() as tx:
        ids = which.ids if isinstance(which, SomeDeliveries) else []
        return ChangedDeliveries(ids=outbox_actions.retry(tx, ids, **call.signed))


@router.post("/deliveries/resolve", responses=responses(body=True))
def resolve_deliveries(call: WritesDeliveries, said: Resolution) -> ChangedDeliveries:
    """Settle mails in doubt."""
    with call.writing() as tx:
        return ChangedDeliveries(ids=outbox_actions.resolve(tx, said.ids, arrived=said.arrived, **call.signed))


@router.post("/deliveries/resend", status_code=201, responses=responses(404, 409, body=True))
def resend_delivery(call: WritesDeliveries, which: OneDelivery, response: Response) -> Delivery:
    """Send a digest again, as a new mail. 409 if it cannot be sent again."""
    with call.store.read() as tx:
        deliveries.get(tx, which.id)
    with call.writing() as tx, as_problem(409):
        again = outbox_actions.resend(tx, call.app.membership, which.id, **call.signed)
        response.headers["Location"] = call.url(f"/deliveries/{again}")
        return Delivery(**outbox_actions.delivery_record(deliveries.get(tx, again)))


@router.get("/hold", responses=responses())
def get_hold(call: ReadsDeliveries) -> HoldStatus:
    """Return whether sending is on hold."""
    with call.store.read() as tx:
        return _hold_status(tx)


@router.put("/hold", responses=responses(body=True))
def hold(call: WritesDeliveries, new: NewHold) -> HoldStatus:
    """Hold all sending, by every process. An existing hold stays as it is."""
    with call.writing() as tx:
        outbox_actions.hold(tx, one_line(new.reason), **call.signed)
        return _hold_status(tx)


@router.delete("/hold", responses=responses())
def release(call: WritesDeliveries) -> HoldStatus:
    """Release the hold."""
    with call.writing() as tx:
        outbox_actions.release(tx, **call.signed)
        return _hold_status(tx)


def _hold_status(tx: Transaction) -> HoldStatus:
    found = outbox.find_hold(tx)
    return HoldStatus(hold=None if found is None else Hold.model_validate(found))

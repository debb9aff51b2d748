"""Mails that were decided, what became of them, and whether anything is sent."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from digest import models
from digest.admin import outbox_actions
from digest.models import BounceKind, DeliveryState, MailKind
from digest.store import Transaction, bounces, deliveries, outbox
from digest.store import deliveries as sent
from digest.subscribers.fields import one_line
from digest.web.api.access import ReadsDeliveries, WritesDeliveries
from digest.web.api.fields import MOST_ID, Id, Ids, Line, Numbered, Page, Wanted, a_router
from digest.web.api.problems import responses, told_as

router = a_router("deliveries")


class Delivery(BaseModel):
    """A mail that was decided, and how far it has come."""

    id: int = Field(examples=[42])
    kind: MailKind
    subscriber_id: int
    email: str
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_at: datetime | None = Field(description="Of one that was put off: when it is tried again.")
    reply: str = Field(description="The mail server's last word.", examples=["250 2.0.0 Ok"])


class CameBack(BaseModel):
    """What came back of a mail."""

    kind: BounceKind
    status: str = Field(examples=["5.1.1"])
    reply: str
    bounced_at: datetime


class DeliveryInFull(Delivery):
    """The same, with what only one has."""

    sent_at: datetime | None
    came_back: list[CameBack]


class DeliveriesSought(Numbered):
    """Which deliveries."""

    state: DeliveryState | None = None


class These(Wanted):
    """Some deliveries."""

    ids: Ids


class All(Wanted):
    """All of them."""

    all: Literal[True]


class Resolution(Wanted):
    """What became of deliveries in doubt."""

    ids: Ids
    arrived: bool = Field(description="They arrived; else the same mails are sent again.")


class Once(Wanted):
    """One delivery."""

    id: int = Field(ge=1, le=MOST_ID)


class Done(BaseModel):
    """The deliveries that it was done to; others stay as they are."""

    ids: list[int]


class Hold(BaseModel):
    """Nothing is sent, by any process."""

    held_at: datetime
    reason: str


class Holding(BaseModel):
    """Whether anything is sent."""

    hold: Hold | None = Field(description="Null where mails are sent.")


class NewHold(Wanted):
    """Why nothing shall be sent."""

    reason: Line = ""


@router.get("/deliveries", responses=responses())
def list_deliveries(call: ReadsDeliveries, sought: Annotated[DeliveriesSought, Query()]) -> Page[Delivery]:
    """Mails, the newest first."""
    with call.store.read() as tx:
        found = sent.list_page(tx, sent.DeliveryFilter(state=sought.state), before=sought.number, limit=sought.limit)
    items = [Delivery(**_values(one)) for one in found.deliveries]
    return Page(items=items, next=str(found.before) if found.before else None)


@router.get("/deliveries/{id:number}", responses=responses(404))
def get_delivery(call: ReadsDeliveries, id: Id) -> DeliveryInFull:  # noqa: A002
    """One mail, and what came back of it."""
    with call.store.read() as tx:
        found = deliveries.get(tx, id)
        came_back = [CameBack(**bounce) for bounce in bounces.list_by_delivery(tx, id)]
        return DeliveryInFull(**_values(found), sent_at=deliveries.find_sent_at(tx, id), came_back=came_back)


@router.post("/deliveries/retry", responses=responses(body=True))
def retry_deliveries(call: WritesDeliveries, which: These | All) -> Done:
    """Try mails again that were put off or have failed."""
    with call.writing() as tx:
        ids = which.ids if isinstance(which, These) else []
        return Done(ids=outbox_actions.retry(tx, ids, by=call.by, now=call.now))


@router.post("/deliveries/resolve", responses=responses(body=True))
def resolve_deliveries(call: WritesDeliveries, said: Resolution) -> Done:
    """Decide what became of mails in doubt."""
    with call.writing() as tx:
        return Done(ids=outbox_actions.resolve(tx, said.ids, arrived=said.arrived, by=call.by, now=call.now))


@router.post("/deliveries/resend", status_code=201, responses=responses(404, 409, body=True))
def resend_delivery(call: WritesDeliveries, which: Once, response: Response) -> Delivery:
    """Send a digest that was sent and never came once more, as a mail of its own. 409 where it may not be."""
    with call.store.read() as tx:
        deliveries.get(tx, which.id)
    with call.writing() as tx, told_as(409):
        again = outbox_actions.resend(tx, call.app.membership, which.id, by=call.by, now=call.now)
        response.headers["Location"] = call.url(f"/deliveries/{again}")
        return Delivery(**_values(deliveries.get(tx, again)))


@router.get("/hold", responses=responses())
def get_hold(call: ReadsDeliveries) -> Holding:
    """Whether anything is sent."""
    with call.store.read() as tx:
        return _holding(tx)


@router.put("/hold", responses=responses(body=True))
def hold(call: WritesDeliveries, new: NewHold) -> Holding:
    """Send nothing from now on, by any process. A hold that is on already stays as it is."""
    with call.writing() as tx:
        outbox_actions.hold(tx, one_line(new.reason), by=call.by, now=call.now)
        return _holding(tx)


@router.delete("/hold", responses=responses())
def release(call: WritesDeliveries) -> Holding:
    """Let sending go on."""
    with call.writing() as tx:
        outbox_actions.release(tx, by=call.by, now=call.now)
        return _holding(tx)


def _holding(tx: Transaction) -> Holding:
    found = outbox.find_hold(tx)
    return Holding(hold=None if found is None else Hold(held_at=found.held_at, reason=found.reason))


def _values(delivery: models.Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "kind": delivery.kind,
        "subscriber_id": delivery.subscriber.id,
        "email": delivery.subscriber.email,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at,
        "next_at": delivery.next_at if delivery.state is DeliveryState.DEFERRED else None,
        "reply": delivery.reply,
    }

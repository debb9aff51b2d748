"""Subscribers: looked for, added, changed, and what admins do for them."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Query, Response
from pydantic import Field, StringConstraints

from digest import models
from digest.admin import subscriber_actions
from digest.models import SubscriberState
from digest.store import Transaction, subscribers
from digest.store.subscriber_search import PageCursor
from digest.store.subscriber_search import SubscriberFilter as Sought
from digest.subscribers import fields
from digest.subscribers.pauses import parse_until
from digest.web.api import people, rules
from digest.web.api.access import Call, ReadsSubscribers, WritesSubscribers
from digest.web.api.fields import Id, Line, Page, Paging, Wanted, a_router
from digest.web.api.people import Choices, NewSubscriber, Subscriber, SubscriberInFull
from digest.web.api.problems import Refused, responses, told_as

router = a_router("subscribers")


class SubscribersSought(Paging):
    """Which subscribers."""

    cursor: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,500}$")] | None = Field(
        None, description="What `next` was on the page before."
    )
    search: Line = Field("", description="Any part of an address or a name.")
    state: SubscriberState | None = None


class Pause(Wanted):
    """Until when."""

    until: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = Field(
        None, description="A date to come; null until they resume.", examples=["2027-06-03"]
    )


@router.get("/subscribers", responses=responses())
def list_subscribers(call: ReadsSubscribers, sought: Annotated[SubscribersSought, Query()]) -> Page[Subscriber]:
    """Subscribers by address."""
    place = PageCursor(after=_address(sought.cursor), limit=sought.limit)
    with call.store.read() as tx:
        page = subscribers.list_page(tx, Sought(state=sought.state, text=sought.search), place)
    return Page(items=[people.record(s) for s in page.people], next=_cursor(page.after))


@router.post("/subscribers", status_code=201, responses=responses(409, body=True))
def add_subscriber(call: WritesSubscribers, new: NewSubscriber, response: Response) -> SubscriberInFull:
    """Add somebody. Who has not agreed yet is asked by mail. 409 for who is there already, or must not be mailed."""
    newsletter = call.app.config.newsletter
    own = None if new.keywords is None else rules.own(new.keywords)
    plain = fields.new_subscriber(
        new.email, timezone=newsletter.timezone, language=newsletter.language, confirmed=new.confirmed
    )
    with call.writing() as tx:
        chosen = people.changed(call.app, tx, plain, new)
        with told_as(409):
            added = subscriber_actions.add(tx, call.app.membership, chosen, own, by=call.by, now=call.now)
        response.headers["Location"] = call.url(f"/subscribers/{added.id}")
        return people.in_full(tx, added.id)


@router.get("/subscribers/{id:number}", responses=responses(404))
def get_subscriber(call: ReadsSubscribers, id: Id) -> SubscriberInFull:  # noqa: A002
    """One subscriber."""
    with call.store.read() as tx:
        return people.in_full(tx, id)


@router.patch("/subscribers/{id:number}", responses=responses(404, body=True))
def edit_subscriber(call: WritesSubscribers, id: Id, choices: Choices) -> SubscriberInFull:  # noqa: A002
    """Change what somebody has chosen."""
    own = None if choices.keywords is None else rules.own(choices.keywords)
    with call.writing() as tx:
        before = people.get(tx, id)
        after = people.changed(call.app, tx, before, choices)
        if after != before or own is not None:
            subscriber_actions.edit(tx, after, own, by=call.by, now=call.now)
        return people.in_full(tx, id)


@router.delete("/subscribers/{id:number}", status_code=204, response_class=Response, responses=responses(404))
def remove_subscriber(call: WritesSubscribers, id: Id) -> None:  # noqa: A002
    """Take somebody out. What bars their address stays, and the consent log."""
    with call.writing() as tx:
        subscriber_actions.remove(tx, call.app.membership, people.get(tx, id), by=call.by, now=call.now)
    call.afterwards(call.store.erase_deleted_rows)


@router.post("/subscribers/{id:number}/erase", status_code=204, response_class=Response, responses=responses(404))
def erase_subscriber(call: WritesSubscribers, id: Id) -> None:  # noqa: A002
    """Forget somebody at their own wish; they are not mailed again."""
    with call.writing() as tx:
        subscriber_actions.erase(tx, call.app.membership, people.get(tx, id).email, by=call.by, now=call.now)
    call.afterwards(call.store.erase_deleted_rows)


@router.post("/subscribers/{id:number}/confirm", responses=responses(404, 409))
def confirm_subscriber(call: WritesSubscribers, id: Id) -> SubscriberInFull:  # noqa: A002
    """Say that somebody has agreed already. 409 for who is not pending, or must not be mailed."""
    return _done(
        call,
        id,
        lambda tx, s: subscriber_actions.confirm_by_admin(tx, call.app.membership, s, by=call.by, now=call.now),
    )


@router.post("/subscribers/{id:number}/ask", responses=responses(404, 409))
def ask_subscriber(call: WritesSubscribers, id: Id) -> SubscriberInFull:  # noqa: A002
    """Mail somebody again whether they want the digest. 409 for who was asked today, or is not to be asked."""
    return _done(
        call,
        id,
        lambda tx, s: subscriber_actions.request_confirmation(tx, call.app.membership, s, by=call.by, now=call.now),
    )


@router.post("/subscribers/{id:number}/pause", responses=responses(404, 409, body=True))
def pause_subscriber(call: WritesSubscribers, id: Id, pause: Pause) -> SubscriberInFull:  # noqa: A002
    """Send somebody no digests for a while. 409 for who gets none anyway."""

    def act(tx: Transaction, s: models.Subscriber) -> object:
        until = _until(pause, s, call)
        return subscriber_actions.pause(tx, s, until, by=call.by, now=call.now)

    return _done(call, id, act)


@router.post("/subscribers/{id:number}/resume", responses=responses(404, 409))
def resume_subscriber(call: WritesSubscribers, id: Id) -> SubscriberInFull:  # noqa: A002
    """Send somebody digests again. 409 for who does not pause."""
    return _done(call, id, lambda tx, s: subscriber_actions.resume(tx, s, by=call.by, now=call.now))


@router.post("/subscribers/{id:number}/unsubscribe", responses=responses(404))
def unsubscribe_subscriber(call: WritesSubscribers, id: Id) -> SubscriberInFull:  # noqa: A002
    """Take somebody off the list at their word; a last mail says goodbye."""
    return _done(
        call, id, lambda tx, s: subscriber_actions.unsubscribe(tx, call.app.membership, s, by=call.by, now=call.now)
    )


def _done(call: Call, number: int, act: Callable[[Transaction, models.Subscriber], object]) -> SubscriberInFull:
    """Do something with somebody; what they are then."""
    with call.writing() as tx:
        subscriber = people.get(tx, number)
        with told_as(409):
            act(tx, subscriber)
        return people.in_full(tx, number)


def _until(pause: Pause, subscriber: models.Subscriber, call: Call) -> datetime | None:
    with told_as(422):
        return parse_until(pause.until or "", subscriber.schedule, call.now)


def _cursor(address: str) -> str | None:
    """An address has no place in the logs of proxies: not as it is."""
    return base64.urlsafe_b64encode(address.encode()).decode().rstrip("=") if address else None


def _address(cursor: str | None) -> str:
    try:
        return base64.urlsafe_b64decode((cursor or "") + "=" * (-len(cursor or "") % 4)).decode()
    except ValueError:
        raise Refused(422, "query.cursor: is none that a page gave") from None

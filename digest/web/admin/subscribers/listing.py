"""The list of subscribers, searched by any part of an address or name, and its export as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from starlette.responses import Response

from digest.models import Subscriber, SubscriberState
from digest.store import subscriber_search
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers.fields import csv_in_parts, one_line
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import next_digest_at
from digest.web.auth import admin_router
from digest.web.dependencies import Context, one_of
from digest.web.rendering import Samples, admin_template, attachment

_PAGE_SIZE = 50
_MAX_ADDRESS = 254  # characters
_CHUNK = 1000  # subscribers that the export reads at once

router = admin_router("/admin/subscribers")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSubscriber:
    """A line of the list."""

    id: int
    email: str
    name: str
    state: SubscriberState
    profiles: tuple[str, ...]
    next_at: str  # when their next digest is due, as a local time; "" if none is
    problem: str  # what is wrong with what is stored, or why there was no last digest; "" if nothing is


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberList:
    """A page of the list of subscribers, and its filters."""

    people: tuple[ListedSubscriber, ...]
    total: int | None  # on all pages; None where counting would take long
    text: str
    state: str
    with_problem: bool  # only those with a problem are listed
    states: tuple[SubscriberState, ...]
    before: str  # addresses where the previous and the next page begin, "" if there is none
    after: str
    done: Annotated[str, Samples("", "removed", "erased")]


@router.get("")
def list_subscribers(
    context: Context, q: str = "", state: str = "", problem: str = "", before: str = "", after: str = "", done: str = ""
) -> Response:
    """A page of the list: of a state, with `q` anywhere in the address or name, before or after an address.

    With `problem` only those with a problem are listed.
    """
    wanted = SubscriberFilter(state=one_of(SubscriberState, state), text=one_line(q), has_problem=bool(problem))
    place = PageCursor(before=before[:_MAX_ADDRESS], after=after[:_MAX_ADDRESS], limit=_PAGE_SIZE)
    with context.store.read() as tx:
        found = subscriber_search.list_page(tx, wanted, place)
    shown = SubscriberList(
        people=tuple(
            ListedSubscriber(
                id=one.id,
                email=one.email,
                name=one.name,
                state=one.state,
                profiles=one.profiles,
                next_at=context.local_time(
                    next_digest_at(one, context.now) if one.state is SubscriberState.ACTIVE else None
                ),
                problem=problem_of(one, context.now),
            )
            for one in found.people
        ),
        total=found.total,
        text=wanted.text,
        state=wanted.state or "",
        with_problem=wanted.has_problem,
        states=tuple(SubscriberState),
        before=found.before,
        after=found.after,
        done=done,
    )
    return context.render(admin_template("subscribers"), shown)


@router.get("/export")
def export_subscribers(context: Context) -> Response:
    """The CSV that `digest subscriber export` prints, made while it is sent, so that its size takes no memory."""

    def chunks() -> Iterator[list[Subscriber]]:
        after = ""
        while True:
            with context.store.read() as tx:  # for each chunk: a slow download holds no transaction open
                chunk = subscriber_search.list_after(tx, after, limit=_CHUNK)
            yield [subscriber for subscriber in chunk if subscriber.state.is_subscribed]
            if len(chunk) < _CHUNK:
                return
            after = chunk[-1].email

    return attachment(csv_in_parts(chunks()), "text/csv", "subscribers.csv")

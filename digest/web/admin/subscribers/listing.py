"""All subscribers, found by any part of an address or name, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.models import Admin, Subscriber, SubscriberState
from digest.store import Store, subscribers
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers.fields import one_line
from digest.subscribers.schedule import next_slot
from digest.web.admin.lists import local
from digest.web.pages import Answer, Page, Visit
from digest.web.template_samples import Samples

_A_PAGE = 50
_LONGEST = 254  # characters of an address


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSubscriber:
    """A line of the list."""

    id: int
    email: str
    name: str
    state: SubscriberState
    profiles: tuple[str, ...]
    next_at: str  # when their next digest comes, a local time; "" for who gets none


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberList:
    """What the page shows."""

    people: tuple[ListedSubscriber, ...]
    total: int | None  # on all pages; None where counting would take long
    text: str
    state: str
    states: tuple[SubscriberState, ...]
    before: str  # addresses where the pages beside it begin, "" where there is none
    after: str
    done: Annotated[str, Samples("", "removed", "erased")]


@dataclass(frozen=True, slots=True)
class ListingSubscribers:
    """The page at /admin/subscribers."""

    store: Store
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        text = one_line(visit.query.get("q", ""))
        before, after = (visit.query.get(name, "")[:_LONGEST] for name in ("before", "after"))
        state = next((state for state in SubscriberState if state.value == visit.query.get("state")), None)
        with self.store.read() as tx:
            found = subscribers.list_page(
                tx, SubscriberFilter(state=state, text=text), PageCursor(before=before, after=after, limit=_A_PAGE)
            )
        return _page(
            SubscriberList(
                people=tuple(_listed(one, visit.now, self.timezone) for one in found.people),
                total=found.total,
                text=text,
                state=state.value if state else "",
                states=tuple(SubscriberState),
                before=found.before,
                after=found.after,
                done=visit.query.get("done", ""),
            )
        )


def _listed(one: Subscriber, now: datetime, timezone: ZoneInfo) -> ListedSubscriber:
    next_at = next_slot(one.schedule, now) if one.state is SubscriberState.ACTIVE else None
    return ListedSubscriber(
        id=one.id,
        email=one.email,
        name=one.name,
        state=one.state,
        profiles=one.profiles,
        next_at=local(next_at, timezone),
    )


def _page(shows: SubscriberList) -> Page:
    return Page(template="desk-subscribers.html.j2", shows=shows)

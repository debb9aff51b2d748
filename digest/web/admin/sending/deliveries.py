"""The mails that were decided, newest first: looked for, and several at once tried again or settled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.admin import outbox_actions
from digest.mail.encoding import clean
from digest.models import Admin, Delivery, DeliveryState, MailKind
from digest.store import Store, Transaction, deliveries, subscribers
from digest.store.deliveries import DeliveryFilter
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.web.admin.lists import link, one_of, typed
from digest.web.pages import Answer, Page, Redirect, Visit, parse_number
from digest.web.rendering import local
from digest.web.template_samples import Samples

_MOST = 50  # mails on a page
_MOST_PEOPLE = 50  # whose mails are looked for at once

TO_RETRY = {DeliveryState.DEFERRED, DeliveryState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A line of the list; `at` is a local time."""

    id: int
    at: str
    to: str
    subscriber_id: int
    kind: MailKind
    state: DeliveryState
    attempts: int
    reply: str
    can_retry: bool
    in_doubt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDeliveries:
    """A part of the list, and what was asked for."""

    states: tuple[DeliveryState, ...] = tuple(DeliveryState)
    kinds: tuple[MailKind, ...] = tuple(MailKind)
    state: str
    kind: str
    text: str
    deliveries: tuple[ListedDelivery, ...]
    older: str  # the path of the next page, "" for none
    too_many: bool  # people are called so: the mails of some are shown
    done: Annotated[str, Samples("", "retry", "arrived", "again", "none")]  # what was done just now
    count: int  # to how many


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a list is asked for, as its addresses have it."""

    state: DeliveryState | None = None
    kind: MailKind | None = None
    text: str = ""

    def path(self, **more: str | int) -> str:
        return link("/admin/deliveries", state=self.state or "", kind=self.kind or "", q=self.text, **more)


@dataclass(frozen=True, slots=True)
class ListingDeliveries:
    """The page at /admin/deliveries."""

    store: Store
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        asked = _asked(visit)
        before = visit.number_in("before")
        with self.store.read() as tx:
            people, too_many = _people(tx, asked.text)
            sought = DeliveryFilter(state=asked.state, kind=asked.kind, subscriber_ids=people)
            found = deliveries.list_page(tx, sought, before=before, limit=_MOST)
        shows = ShownDeliveries(
            state=asked.state or "",
            kind=asked.kind or "",
            text=asked.text,
            deliveries=tuple(_listed(delivery, self.timezone) for delivery in found.deliveries),
            older=asked.path(before=found.before) if found.before else "",
            too_many=too_many,
            done=visit.query.get("done", ""),
            count=visit.number_in("count"),
        )
        return Page(template="desk-deliveries.html.j2", shows=shows)

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: those that are ticked. Nothing is done to others, nor to what is in another state by now."""
        done = visit.form.get("do", "")
        ids = [found for written in visit.form.getlist("id") if (found := parse_number(written))]
        with self.store.write() as tx:
            changed = settle(tx, done, ids, by=admin.email, now=visit.now) if ids else []
        return Redirect(path=_asked(visit).path(done=done if changed else "none", count=len(changed)))


def settle(tx: Transaction, how: str, ids: list[int], *, by: str, now: datetime) -> list[int]:
    """Try mails again ("retry"), or decide on those in doubt ("arrived", "again"). The ids of those that were so."""
    if how == "retry":
        return outbox_actions.retry(tx, ids, by=by, now=now)
    if how in {"arrived", "again"}:
        return outbox_actions.resolve(tx, ids, arrived=how == "arrived", by=by, now=now)
    return []


def _asked(visit: Visit) -> _Asked:
    """By a link or by a form, which stands on a list and comes back to it."""
    if visit.posted:
        visit = Visit(query=visit.form, client=visit.client, now=visit.now)
    state, kind = typed(visit, "state"), typed(visit, "kind")
    return _Asked(state=one_of(DeliveryState, state), kind=one_of(MailKind, kind), text=typed(visit, "q"))


def _people(tx: Transaction, text: str) -> tuple[list[int] | None, bool]:
    """Whose mails are looked for, by number or by a part of an address or a name; whether there are more of them."""
    if not text:
        return None, False
    if found := parse_number(text):
        return [found], False
    page = subscribers.list_page(tx, SubscriberFilter(text=text), PageCursor(limit=_MOST_PEOPLE))
    return [one.id for one in page.people], bool(page.after)


def _listed(delivery: Delivery, timezone: ZoneInfo) -> ListedDelivery:
    return ListedDelivery(
        id=delivery.id,
        at=local(delivery.queued_at, timezone),
        to=delivery.subscriber.email,
        subscriber_id=delivery.subscriber.id,
        kind=delivery.kind,
        state=delivery.state,
        attempts=delivery.attempts,
        reply=clean(delivery.reply),
        can_retry=delivery.state in TO_RETRY,
        in_doubt=delivery.state is DeliveryState.IN_DOUBT,
    )

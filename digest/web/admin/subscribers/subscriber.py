"""One subscriber: all that an admin needs to know of them, and what can be done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from digest.admin import subscriber_actions
from digest.errors import NotFoundError, UsageError
from digest.models import (
    Admin,
    BounceKind,
    ConsentEvent,
    Delivery,
    DeliveryState,
    MailKind,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
)
from digest.store import Store, Transaction, bounces, deliveries, profiles, subscribers
from digest.subscribers.fields import one_line
from digest.subscribers.membership import Membership
from digest.subscribers.pauses import MAX_PAUSE, parse_until
from digest.subscribers.schedule import next_slot
from digest.web.admin.lists import local
from digest.web.forms.mail_form import EVERY_DAY, MailForm, WeekdayChoice, weekday_choices
from digest.web.pages import Answer, Fields, Page, Redirect, Visit
from digest.web.template_samples import Samples

_LAST = 10  # deliveries and bounces
_MOST_REASON = 200  # characters
_FOR_GOOD = {"remove": "removed", "erase": "erased"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What a button does something with."""

    tx: Transaction
    membership: Membership
    whom: Subscriber
    form: Fields
    by: str
    now: datetime

    @property
    def signed(self) -> dict[str, Any]:
        """Who does it, and when."""
        return {"by": self.by, "now": self.now}


_ACTS: dict[str, Callable[[Doing], object]] = {
    "pause": lambda on: subscriber_actions.pause(on.tx, on.whom, _until(on.form, on.whom, on.now), **on.signed),
    "resume": lambda on: subscriber_actions.resume(on.tx, on.whom, **on.signed),
    "vouch": lambda on: subscriber_actions.confirm_by_admin(on.tx, on.membership, on.whom, **on.signed),
    "ask": lambda on: subscriber_actions.request_confirmation(on.tx, on.membership, on.whom, **on.signed),
    "unsubscribe": lambda on: subscriber_actions.unsubscribe(on.tx, on.membership, on.whom, **on.signed),
    "suppress": lambda on: subscriber_actions.suppress(
        on.tx, on.membership, on.whom.email, _reason(on.form), **on.signed
    ),
    "lift": lambda on: subscriber_actions.lift(on.tx, on.membership, on.whom.email, **on.signed),
    "remove": lambda on: subscriber_actions.remove(on.tx, on.membership, on.whom, **on.signed),
    "erase": lambda on: subscriber_actions.erase(on.tx, on.membership, on.whom.email, **on.signed),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConsent:
    """A line of a table: what a subscriber agreed to at a local time, and by which way."""

    at: str
    what: ConsentEvent
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A line of a table: a mail that was queued at a local time, and what the server said."""

    at: str
    what: MailKind
    said: str
    state: DeliveryState
    delivery: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBounce:
    """A line of a table: what came back at a local time, and what it said."""

    at: str
    what: BounceKind
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """What stands against mailing them."""

    reason: SuppressionReason
    since: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubscriber:
    """What the page shows. Times are local, but for what says otherwise."""

    id: int
    email: str
    name: str
    state: SubscriberState
    resumes_at: str
    next_at: str
    next_on_their_clock: str
    form: MailForm  # what they get and how it comes, as text
    days: Annotated[tuple[WeekdayChoice, ...], Samples((), EVERY_DAY[:2], EVERY_DAY)]
    profiles: tuple[str, ...]
    keywords: str
    new_email: str
    has_feed: bool
    created_at: str
    confirmed_at: str
    last_digest_at: str
    barred: Barred | None
    consents: tuple[ListedConsent, ...]
    deliveries: tuple[ListedDelivery, ...]
    bounces: tuple[ListedBounce, ...]
    can: Annotated[frozenset[str], Samples(frozenset(), frozenset(_ACTS))]  # of admin/subscriber_actions.py
    first_on: date  # that a pause may end on
    last_on: date
    done: Annotated[str, Samples("", *_ACTS, "added", "saved")] = ""
    typed: str = ""  # a date that no pause can end on
    unsure: Annotated[str, Samples("", *_FOR_GOOD)] = ""  # what was to be done without the tick


@dataclass(frozen=True, slots=True)
class SeeingToSomebody:
    """The page at /admin/subscribers/ID."""

    store: Store
    membership: Membership
    timezone: ZoneInfo

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        return self._page(visit)

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: what its button says. Raises UsageError where that cannot be done (any more), NotFoundError."""
        do = visit.form.get("do", "")
        if do in _FOR_GOOD and "sure" not in visit.form:
            return self._page(visit, unsure=do)
        if do == "pause" and self._cannot_end(visit):
            return self._page(visit, typed=visit.form.get("until", ""))
        with self.store.write() as tx:
            whom = get(tx, visit.id)
            if do not in subscriber_actions.possible_actions(tx, self.membership, whom, now=visit.now):
                raise UsageError(f"{whom.email} is {whom.state.value}: that cannot be done with them now")
            _ACTS[do](
                Doing(tx=tx, membership=self.membership, whom=whom, form=visit.form, by=admin.email, now=visit.now)
            )
        if do in _FOR_GOOD:
            return Redirect(path=f"/admin/subscribers?done={_FOR_GOOD[do]}", afterwards=self.store.erase_deleted_rows)
        return Redirect(path=f"/admin/subscribers/{visit.id}?done={do}")

    def _cannot_end(self, visit: Visit) -> bool:
        with self.store.read() as tx:
            whom = get(tx, visit.id)
        try:
            _until(visit.form, whom, visit.now)
        except UsageError:
            return True
        return False

    def _page(self, visit: Visit, *, typed: str = "", unsure: str = "") -> Page:
        with self.store.read() as tx:
            shown = self._shown(tx, get(tx, visit.id), visit.now)
        shown = replace(shown, done=visit.query.get("done", ""), typed=typed, unsure=unsure)
        status = 422 if typed or unsure else 200
        return Page(template="desk-subscriber.html.j2", shows=shown, status=status)

    def _shown(self, tx: Transaction, whom: Subscriber, now: datetime) -> ShownSubscriber:
        own = profiles.find_personal(tx, whom.id)
        dates = subscribers.get_dates(tx, whom.id)
        next_at = next_slot(whom.schedule, now) if whom.state is SubscriberState.ACTIVE else None
        form, clock = MailForm.of(whom), ZoneInfo(whom.schedule.timezone)
        today = now.astimezone(clock).date()
        stands = self.membership.find_suppression(tx, whom.email)
        return ShownSubscriber(
            id=whom.id,
            email=whom.email,
            name=whom.name,
            state=whom.state,
            resumes_at=local(whom.resumes_at, self.timezone),
            next_at=local(next_at, self.timezone),
            next_on_their_clock=local(next_at, clock),
            form=form,
            days=tuple(day for day in weekday_choices(form) if day.chosen),
            profiles=whom.profiles,
            keywords=own.rules if own else "",
            new_email=whom.new_email,
            has_feed=bool(whom.feed),
            created_at=local(dates["created_at"], self.timezone),
            confirmed_at=local(dates["confirmed_at"], self.timezone),
            last_digest_at=local(whom.last_digest_at, self.timezone),
            barred=self._barred(stands),
            consents=self._consents(tx, whom),
            deliveries=self._deliveries(deliveries.list_recent(tx, whom, limit=_LAST)),
            bounces=self._bounces(tx, whom),
            can=subscriber_actions.possible_actions(tx, self.membership, whom, now=now),
            first_on=today + timedelta(days=1),
            last_on=today + MAX_PAUSE,
        )

    def _barred(self, stands: Suppression | None) -> Barred | None:
        if stands is None:
            return None
        since = local(stands.suppressed_at, self.timezone)
        return Barred(reason=stands.reason, since=since, evidence=stands.evidence)

    def _consents(self, tx: Transaction, whom: Subscriber) -> tuple[ListedConsent, ...]:
        history = reversed(self.membership.list_consents(tx, whom.email))
        return tuple(ListedConsent(at=local(c.at, self.timezone), what=c.event, said=c.origin) for c in history)

    def _deliveries(self, last: Sequence[Delivery]) -> tuple[ListedDelivery, ...]:
        return tuple(
            ListedDelivery(
                at=local(d.queued_at, self.timezone), what=d.kind, said=d.reply, state=d.state, delivery=d.id
            )
            for d in last
        )

    def _bounces(self, tx: Transaction, whom: Subscriber) -> tuple[ListedBounce, ...]:
        last = bounces.list_by_address(tx, self.membership.pseudonyms.of(whom.email))[: -_LAST - 1 : -1]
        return tuple(
            ListedBounce(
                at=local(kept["bounced_at"], self.timezone),
                what=BounceKind(kept["kind"]),
                said=" ".join(filter(None, (kept["status"], kept["reply"]))),
            )
            for kept in last
        )


def get(tx: Transaction, subscriber_id: int) -> Subscriber:
    """The subscriber of a number. Raises NotFoundError, also where they are gone: numbers are given out once."""
    found = subscribers.find_by_id(tx, subscriber_id)
    if found is None:
        raise NotFoundError("subscriber", str(subscriber_id))
    return found


def _until(form: Fields, whom: Subscriber, now: datetime) -> datetime | None:
    return parse_until(form.get("until", ""), whom.schedule, now)


def _reason(form: Fields) -> str:
    return one_line(form.get("reason", ""))[:_MOST_REASON]

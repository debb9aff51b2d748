"""Subscribers and suppressions: list, add, change, import, explain, and the actions of admins."""

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, Field, StringConstraints

from digest import models
from digest.admin import subscriber_actions
from digest.explain import Verdict
from digest.models import DeliveryState, SubscriberState, SuppressionReason
from digest.security import addresses
from digest.store import Transaction, profiles, subscriber_search, subscribers, suppressions
from digest.store.subscriber_search import PageCursor, SubscriberFilter
from digest.subscribers import fields
from digest.subscribers.fields import FIELDS, one_line
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import next_digest_at, parse_until
from digest.web.api.access import PATH, Call, ReadsSubscribers, WritesSubscribers
from digest.web.api.fields import (
    Address,
    Id,
    Line,
    Page,
    PageQuery,
    QueryFields,
    RequestBody,
    RuleHint,
    Rules,
    Score,
    Shown,
    hints_for,
    new_router,
    page_of,
    personal_rules,
)
from digest.web.api.problems import Refused, as_problem, responses

router = new_router("subscribers")
suppressions_router = new_router("suppressions")


class Subscriber(Shown):
    """A subscriber, whatever their state."""

    id: int = Field(examples=[12])
    email: str = Field(examples=["reader@example.org"])
    name: str = Field(description=FIELDS["name"].description)
    state: SubscriberState
    timezone: str = Field(description=FIELDS["timezone"].description, examples=["Europe/Berlin"])
    send_at: str = Field(description=FIELDS["send_at"].description, examples=["07:00"])
    days: str = Field(description=FIELDS["days"].description, examples=["daily", "mon,thu"])
    language: str = Field(description=FIELDS["language"].description, examples=["en"])
    max_papers: int = Field(description=FIELDS["max_papers"].description)
    announce: str = Field(description=FIELDS["announce"].description, examples=["all", "new,cross"])
    trending: bool = Field(description=FIELDS["trending"].description)
    profiles: list[str] = Field(description=FIELDS["profiles"].description)
    resumes_at: datetime | None = Field(description="When a pause ends.")
    last_digest_at: datetime | None
    next_digest_at: datetime | None = Field(description="When the next digest is due; null if none is.")
    problem: str = Field(
        description="What is wrong, such as an unknown time zone, or why the last digest could not be made. Or empty."
    )


class SubscriberDetails(Subscriber):
    """A subscriber with their own keywords and dates."""

    keywords: str = Field(description="The subscriber's own rules; empty for none.")
    hints: list[RuleHint] = Field(description="Phrases in the keywords that may be meant as lists or operators.")
    created_at: datetime | None
    confirmed_at: datetime | None


class SubscriberChanges(RequestBody):
    """New values of some fields. A field that is missing or null stays as it is."""

    name: Line | None = Field(None, description=FIELDS["name"].description)
    timezone: Line | None = Field(None, description=FIELDS["timezone"].description, examples=["Europe/Berlin"])
    send_at: Line | None = Field(None, description=FIELDS["send_at"].description, examples=["07:00"])
    days: Line | None = Field(None, description=FIELDS["days"].description, examples=["mon,thu"])
    language: Line | None = Field(None, description=FIELDS["language"].description, examples=["en"])
    max_papers: int | None = Field(None, ge=1, le=fields.MAX_PAPERS, description=FIELDS["max_papers"].description)
    announce: Line | None = Field(None, description=FIELDS["announce"].description, examples=["new,cross"])
    trending: bool | None = Field(None, description=FIELDS["trending"].description)
    profiles: list[Line] | None = Field(None, max_length=500, description=FIELDS["profiles"].description)
    keywords: Rules | None = Field(None, description="The subscriber's own rules, including mutes; empty for none.")

    def apply_to(self, call: Call, tx: Transaction, subscriber: models.Subscriber) -> models.Subscriber:
        """Return the subscriber with these values. Raises UsageError."""
        values = self.model_dump(include=set(FIELDS), exclude_none=True)
        return fields.change(subscriber, values, call.app.subscriber_options(tx))


class NewSubscriber(SubscriberChanges):
    """A subscriber to add. Fields that are missing get the newsletter's defaults.

    Without `profiles` and `keywords` they get no digests.
    """

    email: Address = Field(examples=["reader@example.org"])
    confirmed: bool = Field(False, description="They have already agreed; otherwise they get a confirmation email.")


class SubscriberQuery(PageQuery):
    """Which subscribers to list."""

    cursor: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,500}$")] | None = Field(
        None, description="The value of `next` on the page before."
    )
    search: Line = Field("", description="Any part of an address or a name.")
    state: SubscriberState | None = None

    @property
    def after(self) -> str:
        """The last address of the page before; "" on the first page. Raises Refused."""
        encoded = self.cursor or ""
        try:
            return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            raise Refused(422, "query.cursor: is not the `next` of a page") from None


class Pause(RequestBody):
    """How long to pause."""

    until: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = Field(
        None, description="A date in the future; null to pause until they resume.", examples=["2027-06-03"]
    )


class ExplainQuery(QueryFields):
    """Which paper to explain."""

    paper: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")] = Field(
        description="Its id, or a link that contains it.", examples=["arxiv:2504.17830"]
    )


class PlaceInDigest(Shown):
    """Where a paper is in a digest."""

    slot_at: datetime
    section: str
    score: Score
    rules: list[str]
    number: int = Field(description="Position among the papers that did not fit, from 1; 0 for a paper that is shown.")
    shown: int = Field(description="Number of papers in that digest.")
    delivery: int = Field(description="Number of the delivery; 0 for a future digest.")
    state: DeliveryState | None


class Explanation(Shown):
    """Whether a subscriber got a paper, and why."""

    verdict: Verdict
    answer: str = Field(description="The verdict in plain words.")
    paper: str
    title: str
    facts: list[str] = Field(description="The reasons, in the order in which they were decided.")
    place: PlaceInDigest | None


@router.get("/subscribers", responses=responses())
def list_subscribers(call: ReadsSubscribers, query: Annotated[SubscriberQuery, Query()]) -> Page[Subscriber]:
    """Return subscribers by address."""
    place = PageCursor(after=query.after, limit=query.limit)
    with call.store.read() as tx:
        page = subscriber_search.list_page(tx, SubscriberFilter(state=query.state, text=query.search), place)
    # Encoded, so that addresses do not appear in the logs of proxies as they are.
    after = base64.urlsafe_b64encode(page.after.encode()).decode().rstrip("=")
    return Page(items=[_subscriber(call, s) for s in page.people], next=after or None)


@router.post("/subscribers", status_code=201, responses=responses(409, body=True))
def add_subscriber(call: WritesSubscribers, new: NewSubscriber, response: Response) -> SubscriberDetails:
    """Add a subscriber. 409 if the address is already a subscriber, or suppressed."""
    newsletter = call.app.config.newsletter
    own = None if new.keywords is None else personal_rules(call, new.keywords)
    plain = fields.new_subscriber(
        new.email, timezone=newsletter.timezone, language=newsletter.language, confirmed=new.confirmed
    )
    with call.writing() as tx:
        subscriber = new.apply_to(call, tx, plain)
        with as_problem(409):
            added = subscriber_actions.add(tx, call.app.membership, subscriber, own, **call.signed)
        response.headers["Location"] = call.url(f"/subscribers/{added.id}")
        return _details(call, tx, added.id)


@router.get("/subscribers/{id:number}", responses=responses(404))
def get_subscriber(call: ReadsSubscribers, id: Id) -> SubscriberDetails:  # noqa: A002
    """Return one subscriber."""
    with call.store.read() as tx:
        return _details(call, tx, id)


@router.patch("/subscribers/{id:number}", responses=responses(404, body=True))
def edit_subscriber(call: WritesSubscribers, id: Id, changes: SubscriberChanges) -> SubscriberDetails:  # noqa: A002
    """Change some fields of a subscriber."""
    own = None if changes.keywords is None else personal_rules(call, changes.keywords)
    with call.writing() as tx:
        before = subscribers.get_by_id(tx, id)
        after = changes.apply_to(call, tx, before)
        if after != before or own is not None:
            subscriber_actions.edit(tx, after, own, **call.signed)
        return _details(call, tx, id)


@router.delete("/subscribers/{id:number}", status_code=204, response_class=Response, responses=responses(404))
def remove_subscriber(call: WritesSubscribers, id: Id) -> None:  # noqa: A002
    """Remove a subscriber. A suppression of their address stays, and the consent log."""
    with call.writing() as tx:
        subscriber_actions.remove(tx, call.app.membership, subscribers.get_by_id(tx, id), **call.signed)
    call.app.forget_deleted(lambda act: call.services.background.submit(act, page=PATH))


@router.post("/subscribers/{id:number}/erase", status_code=204, response_class=Response, responses=responses(404))
def erase_subscriber(call: WritesSubscribers, id: Id) -> None:  # noqa: A002
    """Erase a subscriber at their own request. They are not mailed again."""
    with call.writing() as tx:
        subscriber_actions.erase(tx, call.app.membership, subscribers.get_by_id(tx, id).email, **call.signed)
    call.app.forget_deleted(lambda act: call.services.background.submit(act, page=PATH))


@router.post("/subscribers/{id:number}/confirm", responses=responses(404, 409))
def confirm_subscriber(call: WritesSubscribers, id: Id) -> SubscriberDetails:  # noqa: A002
    """Record that a subscriber has agreed. 409 if they are not pending, or suppressed."""
    return _act(call, id, lambda tx, s: subscriber_actions.confirm_by_admin(tx, call.app.membership, s, **call.signed))


@router.post("/subscribers/{id:number}/ask", responses=responses(404, 409))
def ask_subscriber(call: WritesSubscribers, id: Id) -> SubscriberDetails:  # noqa: A002
    """Send the confirmation mail again. 409 if one was sent today, or there is nothing to confirm."""
    membership = call.app.membership
    return _act(call, id, lambda tx, s: subscriber_actions.request_confirmation(tx, membership, s, **call.signed))


@router.post("/subscribers/{id:number}/pause", responses=responses(404, 409, body=True))
def pause_subscriber(call: WritesSubscribers, id: Id, pause: Pause) -> SubscriberDetails:  # noqa: A002
    """Pause a subscriber's digests. 409 if they get none anyway."""

    def act(tx: Transaction, s: models.Subscriber) -> object:
        with as_problem(422):
            until = parse_until(pause.until or "", s.schedule, call.now)
        return subscriber_actions.pause(tx, s, until, **call.signed)

    return _act(call, id, act)


@router.post("/subscribers/{id:number}/resume", responses=responses(404, 409))
def resume_subscriber(call: WritesSubscribers, id: Id) -> SubscriberDetails:  # noqa: A002
    """End a subscriber's pause. 409 if they are not paused."""
    return _act(call, id, lambda tx, s: subscriber_actions.resume(tx, s, **call.signed))


@router.post("/subscribers/{id:number}/unsubscribe", responses=responses(404))
def unsubscribe_subscriber(call: WritesSubscribers, id: Id) -> SubscriberDetails:  # noqa: A002
    """Unsubscribe a subscriber at their own request. They get a last mail with the way back."""
    return _act(call, id, lambda tx, s: subscriber_actions.unsubscribe(tx, call.app.membership, s, **call.signed))


@router.get("/subscribers/{id:number}/explain", responses=responses(404))
def explain_paper(call: ReadsSubscribers, id: Id, query: Annotated[ExplainQuery, Query()]) -> Explanation:  # noqa: A002
    """Explain why a subscriber got a paper, or did not, or will get it."""
    with call.store.read() as tx:
        subscriber = subscribers.get_by_id(tx, id)
        return Explanation.model_validate(call.app.explain(tx, subscriber.email, query.paper, now=call.now))


def _act(call: Call, number: int, act: Callable[[Transaction, models.Subscriber], object]) -> SubscriberDetails:
    """Do something with a subscriber, and return them as they are then."""
    with call.writing() as tx:
        subscriber = subscribers.get_by_id(tx, number)
        with as_problem(409):
            act(tx, subscriber)
        return _details(call, tx, number)


def _subscriber(call: Call, s: models.Subscriber) -> Subscriber:
    return Subscriber(
        **fields.record(s),
        id=s.id,
        last_digest_at=s.last_digest_at,
        next_digest_at=next_digest_at(s, call.now) if s.state is SubscriberState.ACTIVE else None,
        problem=problem_of(s, call.now),
    )


def _details(call: Call, tx: Transaction, number: int) -> SubscriberDetails:
    """Return a subscriber as they are now. Raises NotFoundError."""
    own = profiles.find_personal(tx, number)
    known = _subscriber(call, subscribers.get_by_id(tx, number)).model_dump() | subscribers.get_dates(tx, number)
    keywords = own.rules if own else ""
    return SubscriberDetails(**known, keywords=keywords, hints=hints_for(keywords))


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

    suppression: Suppression | None = Field(description="Null if the address can get email.")


@suppressions_router.get("/suppressions", responses=responses())
def list_suppressions(call: ReadsSubscribers, query: Annotated[SuppressionQuery, Query()]) -> Page[Suppression]:
    """Return suppressions by pseudonym, or that of one address."""
    with call.store.read() as tx:
        if query.email is not None:
            found = [s] if (s := call.app.membership.find_suppression(tx, query.email)) else []
        else:
            found = suppressions.list_after(tx, query.cursor or "", limit=query.limit + 1)
    return page_of(found, query.limit, show=Suppression.model_validate, cursor=lambda one: one.pseudonym)


@suppressions_router.post("/suppressions", responses=responses(body=True))
def add_suppression(call: WritesSubscribers, new: NewSuppression) -> Suppression:
    """Suppress an address, and return its suppression: a stronger reason that it had before stays."""
    address = addresses.normalize(new.email)
    with call.writing() as tx:
        membership = call.app.membership
        suppression = subscriber_actions.suppress(tx, membership, address, one_line(new.reason), **call.signed)
    return Suppression.model_validate(suppression)


@suppressions_router.post("/suppressions/lift", responses=responses(409, body=True))
def lift_suppression(call: WritesSubscribers, lift: Lift) -> LiftResult:
    """Lift the suppression by an admin. 409 if there is none, or only the subscriber can lift it."""
    with call.writing() as tx, as_problem(409):
        left = subscriber_actions.lift(tx, call.app.membership, lift.email, **call.signed)
    return LiftResult(suppression=Suppression.model_validate(left) if left else None)

"""One subscriber: the forms that add and edit them, their data, the actions of admins, and why a paper was sent."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic_core import to_json
from starlette.responses import Response

from digest.admin import subscriber_actions
from digest.errors import UsageError
from digest.explain import Explanation
from digest.mail import Templates
from digest.models import (
    BounceKind,
    CompiledRules,
    ConsentEvent,
    DeliveryState,
    MailKind,
    Schedule,
    Subscriber,
    SubscriberState,
)
from digest.security import addresses
from digest.store import Transaction, bounces, deliveries, profiles, subscribers
from digest.subscribers.data_export import export_personal_data
from digest.subscribers.fields import MAX_PAPERS, one_line
from digest.subscribers.membership import Membership
from digest.subscribers.problems import problem_of
from digest.subscribers.schedule import MAX_PAUSE, next_digest_at, parse_until
from digest.web.admin.subscribers.bounces_and_suppressions import ListedSuppression, shown_suppression
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Fields, PathId, PostedForm, RequestContext
from digest.web.forms import (
    EVERY_DAY,
    Choice,
    Keywords,
    MailFields,
    MailForm,
    WeekdayChoice,
    choices,
    read_affordable_keywords,
    weekday_choices,
)
from digest.web.rendering import Samples, admin_template, attachment, local

_MAX_EVENTS = 10  # deliveries and bounces
_ACTIONS = ("pause", "resume", "vouch", "ask", "unsubscribe", "suppress", "lift", "remove", "erase")
_PERMANENT = {"remove": "removed", "erase": "erased"}

router = admin_router("/admin/subscribers")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberForm:
    """The form that adds or edits a subscriber."""

    id: int  # 0 for a new subscriber
    email: str
    why_not: str  # why the address cannot be added
    confirmed: bool  # checked: they have agreed already
    mails: MailFields
    profiles: tuple[Choice, ...]
    keywords: Keywords


@dataclass(frozen=True, slots=True, kw_only=True)
class _Submitted:
    """A submitted form, parsed as far as possible."""

    form: MailForm
    rules: CompiledRules | None  # None if the keywords are invalid
    keywords: Keywords
    follows: frozenset[str]

    @classmethod
    def parse(cls, context: RequestContext, posted: Fields) -> "_Submitted":
        rules, keywords = read_affordable_keywords(context, posted.get("rules", ""))
        follows = frozenset(posted.getlist("profile"))
        return cls(form=MailForm.typed(posted), rules=rules, keywords=keywords, follows=follows)

    def mistakes(self, before: Subscriber, templates: Templates) -> frozenset[str]:
        return self.form.read(before, templates, most_papers=MAX_PAPERS)[1]

    def apply(self, tx: Transaction, before: Subscriber, templates: Templates) -> Subscriber:
        changed, _ = self.form.read(before, templates, most_papers=MAX_PAPERS)
        return replace(changed, profiles=tuple(p.name for p in profiles.list_shared(tx) if p.name in self.follows))


@router.get("/new")
def show_empty_form(context: Context) -> Response:
    """The form for a new subscriber."""
    return _show_form(context, _new_subscriber(context, "", confirmed=False), Keywords())


@router.post("/new")
def add_subscriber(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Add a subscriber. Unless they have agreed already, a mail asks them to confirm."""
    email, submitted = one_line(form.get("email", "")), _Submitted.parse(context, form)
    new = _new_subscriber(context, email, confirmed="confirmed" in form)
    mistakes = submitted.mistakes(new, context.app.templates)
    if mistakes or submitted.rules is None:
        return _show_form(context, new, submitted.keywords, submitted=submitted, mistakes=mistakes)
    own = submitted.rules if submitted.keywords.text else None
    try:
        with context.store.write() as tx:
            applied = replace(submitted.apply(tx, new, context.app.templates), email=addresses.normalize(email))
            added = subscriber_actions.add(tx, context.membership, applied, own, by=admin.email, now=context.now)
    except UsageError as error:
        return _show_form(context, new, submitted.keywords, submitted=submitted, why_not=str(error))
    return context.redirect(f"/admin/subscribers/{added.id}?done=added")


@router.get("/{id}/edit")
def show_form(context: Context, subscriber_id: PathId) -> Response:
    """The form with what is stored. Raises NotFoundError."""
    with context.store.read() as tx:
        subscriber = subscribers.get_by_id(tx, subscriber_id)
        own = profiles.find_personal(tx, subscriber.id)
    return _show_form(context, subscriber, Keywords(own.rules if own else ""))


@router.post("/{id}/edit")
def edit_subscriber(context: Context, subscriber_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Save the form, or show its mistakes. Raises NotFoundError."""
    with context.store.read() as tx:
        before = subscribers.get_by_id(tx, subscriber_id)
    submitted = _Submitted.parse(context, form)
    mistakes = submitted.mistakes(before, context.app.templates)
    if mistakes or submitted.rules is None:
        return _show_form(context, before, submitted.keywords, submitted=submitted, mistakes=mistakes)
    with context.store.write() as tx:
        before = subscribers.get_by_id(tx, subscriber_id)
        changed = submitted.apply(tx, before, context.app.templates)
        own = profiles.find_personal(tx, before.id)
        rules = submitted.rules if submitted.keywords.text != (own.rules if own else "") else None
        if changed != before or rules is not None:
            subscriber_actions.edit(tx, changed, rules, by=admin.email, now=context.now)
    return context.redirect(f"/admin/subscribers/{subscriber_id}?done=saved")


def _new_subscriber(context: Context, email: str, *, confirmed: bool) -> Subscriber:
    newsletter = context.app.config.newsletter
    return Subscriber(
        email=email,
        state=SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        language=newsletter.language,
        schedule=Schedule(timezone=newsletter.timezone),
    )


def _show_form(
    context: Context,
    subscriber: Subscriber,
    keywords: Keywords,
    *,
    submitted: _Submitted | None = None,
    mistakes: frozenset[str] = frozenset(),
    why_not: str = "",
) -> Response:
    """Render the form as it is stored, or as it was submitted with `mistakes`."""
    with context.store.read() as tx:
        shared = [profile.name for profile in profiles.list_shared(tx)]
    form, follows = MailForm.of(subscriber), frozenset(subscriber.profiles)
    if submitted is not None:
        form, follows = submitted.form, submitted.follows
    page = SubscriberForm(
        id=subscriber.id,
        email=subscriber.email,
        why_not=why_not,
        confirmed=subscriber.state is SubscriberState.ACTIVE,
        mails=MailFields.of(form, subscriber, context.app.templates, most_papers=MAX_PAPERS, mistakes=mistakes),
        profiles=choices(shared, follows),
        keywords=keywords,
    )
    return context.render(admin_template("subscriber-form"), page, status=422 if submitted else 200)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConsent:
    """A consent of the subscriber, with its local time and where it was given."""

    at: str
    what: ConsentEvent
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A mail to the subscriber, with the local time when it was queued, and the server's reply."""

    at: str
    what: MailKind
    said: str
    state: DeliveryState
    delivery: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBounce:
    """A bounce, with the local time when it arrived, and its reason."""

    at: str
    what: BounceKind
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubscriber:
    """The page of one subscriber. Times are in the newsletter's time zone."""

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
    problem: str  # what is wrong with what is stored, or why there was no last digest; "" if nothing is
    barred: ListedSuppression | None
    consents: tuple[ListedConsent, ...]
    deliveries: tuple[ListedDelivery, ...]
    bounces: tuple[ListedBounce, ...]
    can: Annotated[frozenset[str], Samples(frozenset(), frozenset(_ACTIONS))]  # of admin/subscriber_actions.py
    first_on: date  # when a pause may end
    last_on: date
    done: Annotated[str, Samples("", *_ACTIONS, "added", "saved")] = ""
    typed: str = ""  # a date on which no pause can end
    unsure: Annotated[str, Samples("", *_PERMANENT)] = ""  # what was asked for without the checkbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The page that explains why a paper was sent or not."""

    id: int
    email: str
    asked: str  # a paper, as it was typed
    found: Explanation | None  # None if no paper was asked for


@router.get("/{id}")
def show_subscriber(context: Context, subscriber_id: PathId, done: str = "") -> Response:
    """One subscriber. Raises NotFoundError."""
    return _show(context, subscriber_id, done=done)


@router.post("/{id}")
def change_subscriber(context: Context, subscriber_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Perform the action of the pressed button. Raises NotFoundError, and UsageError if it is no longer possible."""
    do, until = form.get("do", ""), form.get("until", "")
    if do in _PERMANENT and "sure" not in form:
        return _show(context, subscriber_id, unsure=do)
    with context.store.read() as tx:
        subscriber = subscribers.get_by_id(tx, subscriber_id)
    if do == "pause":
        try:
            parse_until(until, subscriber.schedule, context.now)
        except UsageError:
            return _show(context, subscriber_id, typed=until)
    with context.store.write() as tx:
        subscriber = subscribers.get_by_id(tx, subscriber_id)
        if do not in subscriber_actions.possible_actions(tx, context.membership, subscriber, now=context.now):
            raise UsageError(f"{subscriber.email} is {subscriber.state.value}: this action is not possible now")
        _act(tx, context.membership, subscriber, form, by=admin.email, now=context.now)
    if do in _PERMANENT:
        context.app.forget_deleted(context.run_after_response)
        return context.redirect(f"/admin/subscribers?done={_PERMANENT[do]}")
    return context.redirect(f"/admin/subscribers/{subscriber_id}?done={do}")


@router.get("/{id}/why")
def explain_paper(context: Context, subscriber_id: PathId, paper: str = "") -> Response:
    """Explain why a paper was sent to the subscriber or not. Takes up to two seconds for a digest to come.

    Raises NotFoundError.
    """
    asked = one_line(paper)
    with context.store.read() as tx:
        subscriber = subscribers.get_by_id(tx, subscriber_id)
        found = context.app.explain(tx, subscriber.email, asked, now=context.now) if asked else None
    page = Why(id=subscriber.id, email=subscriber.email, asked=asked, found=found)
    return context.render(admin_template("why"), page)


@router.get("/{id}/export")
def export_subscriber(context: Context, subscriber_id: PathId) -> Response:
    """Everything that is stored about the subscriber, as JSON. Raises NotFoundError."""
    with context.store.read() as tx:
        data = export_personal_data(tx, context.membership, subscribers.get_by_id(tx, subscriber_id).email)
    return attachment(to_json(data, indent=2) + b"\n", "application/json", f"subscriber-{subscriber_id}.json")


def _act(
    tx: Transaction, membership: Membership, subscriber: Subscriber, form: Fields, *, by: str, now: datetime
) -> None:
    match form.get("do"):
        case "pause":
            until = parse_until(form.get("until", ""), subscriber.schedule, now)
            subscriber_actions.pause(tx, subscriber, until, by=by, now=now)
        case "resume":
            subscriber_actions.resume(tx, subscriber, by=by, now=now)
        case "vouch":
            subscriber_actions.confirm_by_admin(tx, membership, subscriber, by=by, now=now)
        case "ask":
            subscriber_actions.request_confirmation(tx, membership, subscriber, by=by, now=now)
        case "unsubscribe":
            subscriber_actions.unsubscribe(tx, membership, subscriber, by=by, now=now)
        case "suppress":
            reason = one_line(form.get("reason", ""))
            subscriber_actions.suppress(tx, membership, subscriber.email, reason, by=by, now=now)
        case "lift":
            subscriber_actions.lift(tx, membership, subscriber.email, by=by, now=now)
        case "remove":
            subscriber_actions.remove(tx, membership, subscriber, by=by, now=now)
        case "erase":
            subscriber_actions.erase(tx, membership, subscriber.email, by=by, now=now)


def _show(context: Context, subscriber_id: int, **shown: str) -> Response:
    """Render the page of a subscriber. `shown` has `done`, `typed` or `unsure`."""
    with context.store.read() as tx:
        page = _page(context, tx, subscribers.get_by_id(tx, subscriber_id))
    status = 422 if "typed" in shown or "unsure" in shown else 200
    return context.render(admin_template("subscriber"), replace(page, **shown), status=status)  # type: ignore[arg-type]


def _page(context: Context, tx: Transaction, subscriber: Subscriber) -> ShownSubscriber:
    time = context.local_time
    own = profiles.find_personal(tx, subscriber.id)
    dates = subscribers.get_dates(tx, subscriber.id)
    next_at = next_digest_at(subscriber, context.now) if subscriber.state is SubscriberState.ACTIVE else None
    form, timezone = MailForm.of(subscriber), subscriber.schedule.zone
    today = context.now.astimezone(timezone).date()
    suppression = context.membership.find_suppression(tx, subscriber.email)
    all_bounces = bounces.list_by_address(tx, context.membership.pseudonyms.of(subscriber.email))
    return ShownSubscriber(
        id=subscriber.id,
        email=subscriber.email,
        name=subscriber.name,
        state=subscriber.state,
        resumes_at=time(subscriber.resumes_at),
        next_at=time(next_at),
        next_on_their_clock=local(next_at, timezone),
        form=form,
        days=tuple(day for day in weekday_choices(form) if day.chosen),
        profiles=subscriber.profiles,
        keywords=own.rules if own else "",
        new_email=subscriber.new_email,
        has_feed=bool(subscriber.feed),
        created_at=time(dates["created_at"]),
        confirmed_at=time(dates["confirmed_at"]),
        last_digest_at=time(subscriber.last_digest_at),
        problem=problem_of(subscriber, context.now),
        barred=shown_suppression(context, suppression, subscriber) if suppression else None,
        consents=tuple(
            ListedConsent(at=time(consent.at), what=consent.event, said=consent.origin)
            for consent in reversed(context.membership.list_consents(tx, subscriber.email))
        ),
        deliveries=tuple(
            ListedDelivery(at=time(each.queued_at), what=each.kind, said=each.reply, state=each.state, delivery=each.id)
            for each in deliveries.list_newest(tx, subscriber_id=subscriber.id, limit=_MAX_EVENTS)
        ),
        bounces=tuple(
            ListedBounce(
                at=time(bounce.bounced_at),
                what=bounce.kind,
                said=" ".join(filter(None, (bounce.status, bounce.reply))),
            )
            for bounce in all_bounces[: -_MAX_EVENTS - 1 : -1]
        ),
        can=subscriber_actions.possible_actions(tx, context.membership, subscriber, now=context.now),
        first_on=today + timedelta(days=1),
        last_on=today + MAX_PAUSE,
    )

"""The forms that add a subscriber, and that edit what a subscriber gets and when."""

from dataclasses import dataclass, replace

from starlette.responses import Response

from digest.admin import subscriber_actions
from digest.errors import UsageError
from digest.mail import Templates
from digest.models import CompiledRules, Schedule, Subscriber, SubscriberState
from digest.security import addresses
from digest.store import Transaction, profiles
from digest.subscribers.fields import MAX_PAPERS, one_line
from digest.web.admin.subscribers.subscriber import get_subscriber
from digest.web.admin_auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, Fields, PathId, PostedForm
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.forms.mail_form import Choice, MailFields, MailForm, choices, skip_slot_served_today
from digest.web.rendering import admin_template

router = admin_router("/admin/subscribers")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberForm:
    """What the form shows."""

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
    def parse(cls, posted: Fields) -> "_Submitted":
        rules, keywords = read_keywords(posted.get("rules", ""))
        follows = frozenset(posted.getlist("profile"))
        return cls(form=MailForm.typed(posted), rules=rules, keywords=keywords, follows=follows)

    def mistakes(self, before: Subscriber, templates: Templates) -> frozenset[str]:
        return self.form.read(before, templates, most_papers=MAX_PAPERS)[1]

    def apply(self, tx: Transaction, before: Subscriber, templates: Templates) -> Subscriber:
        changed, _ = self.form.read(before, templates, most_papers=MAX_PAPERS)
        return replace(changed, profiles=tuple(name for name in _shared(tx) if name in self.follows))


@router.get("/new")
def show_empty_form(context: Context) -> Response:
    """The form for a new subscriber."""
    return _show(context, _new_subscriber(context, "", confirmed=False), Keywords())


@router.post("/new")
def add_subscriber(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Add a subscriber. Unless they have agreed already, a mail asks them to confirm."""
    email, submitted = one_line(form.get("email", "")), _Submitted.parse(form)
    new = _new_subscriber(context, email, confirmed="confirmed" in form)
    mistakes = submitted.mistakes(new, context.app.templates)
    if mistakes or submitted.rules is None:
        return _show(context, new, submitted.keywords, submitted=submitted, mistakes=mistakes)
    own = submitted.rules if submitted.keywords.text else None
    try:
        with context.store.write() as tx:
            applied = replace(submitted.apply(tx, new, context.app.templates), email=addresses.normalize(email))
            added = subscriber_actions.add(tx, context.membership, applied, own, by=admin.email, now=context.now)
    except UsageError as error:
        return _show(context, new, submitted.keywords, submitted=submitted, why_not=str(error))
    return context.redirect(f"/admin/subscribers/{added.id}?done=added")


@router.get("/{id}/edit")
def show_form(context: Context, subscriber_id: PathId) -> Response:
    """The form with what is stored. Raises NotFoundError."""
    with context.store.read() as tx:
        subscriber = get_subscriber(tx, subscriber_id)
        own = profiles.find_personal(tx, subscriber.id)
    return _show(context, subscriber, Keywords(own.rules if own else ""))


@router.post("/{id}/edit")
def edit_subscriber(context: Context, subscriber_id: PathId, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Save the form, or show its mistakes. Raises NotFoundError."""
    with context.store.read() as tx:
        before = get_subscriber(tx, subscriber_id)
    submitted = _Submitted.parse(form)
    mistakes = submitted.mistakes(before, context.app.templates)
    if mistakes or submitted.rules is None:
        return _show(context, before, submitted.keywords, submitted=submitted, mistakes=mistakes)
    with context.store.write() as tx:
        before = get_subscriber(tx, subscriber_id)
        changed = skip_slot_served_today(before, submitted.apply(tx, before, context.app.templates), at=context.now)
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


def _show(
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
        shared = _shared(tx)
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


def _shared(tx: Transaction) -> list[str]:
    return [profile.name for profile in profiles.list_shared(tx)]

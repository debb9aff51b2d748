"""The settings page, which every digest links to; pausing digests; and muting a keyword, by the link beside it."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hmac import compare_digest
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import CostlyRuleError, RuleError, UsageError
from digest.models import Schedule, Subscriber, SubscriberState
from digest.security.links import Scope
from digest.store import Transaction, profiles, subscribers
from digest.subscribers.mutes import add_mute, check_mute, is_muted, remove_mute
from digest.subscribers.schedule import MAX_PAUSE, next_digest_at, parse_until, paused, rescheduled, resumed
from digest.web.auth import CurrentReader, find_live_session, find_still, get_by_link, public_router, reader_router
from digest.web.dependencies import Context, Fields, PostedForm, RequestContext, link
from digest.web.forms import (
    MAX_CHOSEN_PAPERS,
    Choice,
    Keywords,
    MailFields,
    MailForm,
    choices,
    read_affordable_keywords,
    typed_keywords,
)
from digest.web.rendering import partly_shown

router = reader_router("/settings")
link_router = public_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment in a subscriber's time zone."""

    on: date
    at: str  # "07:30"

    @classmethod
    def of(cls, at: datetime, schedule: Schedule) -> "Moment":
        """Return the moment `at` in the time zone of `schedule`."""
        local = at.astimezone(schedule.zone)
        return cls(on=local.date(), at=f"{local:%H:%M}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the page shows."""

    saved: bool
    paused: bool
    next: Moment | None  # when the next digest comes; None if the subscriber gets none
    resumes: Moment | None
    profiles: tuple[Choice, ...]
    keywords: Keywords
    mails: MailFields


@router.get("")
def show_settings(context: Context, reader: CurrentReader, saved: str | None = None) -> Response:
    """The settings as they are stored."""
    return _show(context, reader, saved=saved is not None)


@router.post("")
def save_settings(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Save one of the page's two forms, or show it again with its mistakes marked.

    Each form saves its own fields, so of two open tabs the last save counts. Raises HTTPException 400 for other forms.
    """
    match form.get("part"):
        case "interests":
            return _save_interests(context, form, reader)
        case "mails":
            return _save_mails(context, form, reader)
    raise HTTPException(400)


def _save_interests(context: Context, form: Fields, reader: Subscriber) -> Response:
    rules, keywords = read_affordable_keywords(context, typed_keywords(form))
    follows = frozenset(form.getlist("profile"))
    if rules is None or "again" in form or "split" in form:  # again: back from trying the keywords
        return _show(context, reader, keywords=keywords, follows=follows)
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in")
        names = tuple(profile.name for profile in profiles.list_shared(tx) if profile.name in follows)
        subscribers.save(tx, replace(still, profiles=names))
        profiles.set_personal(tx, reader.id, rules, now=context.now)
    return context.redirect("/settings?saved=1")


def _save_mails(context: Context, form: Fields, reader: Subscriber) -> Response:
    typed = MailForm.typed(form)
    _, mistakes = typed.read(reader, context.app.templates)
    if mistakes:
        return _show(context, reader, form=typed, mistakes=mistakes)
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is None:
            return context.redirect("/sign-in")
        changed, _ = typed.read(still, context.app.templates)
        subscribers.save(tx, rescheduled(still, changed, context.now))
    return context.redirect("/settings?saved=1")


def _show(
    context: Context,
    reader: Subscriber,
    *,
    saved: bool = False,
    keywords: Keywords | None = None,
    follows: frozenset[str] | None = None,
    form: MailForm | None = None,
    mistakes: frozenset[str] = frozenset(),
) -> Response:
    """The page with what was typed, or else with what is stored. `mistakes` are fields of `form`."""
    with context.store.read() as tx:
        shared = [profile.name for profile in profiles.list_shared(tx)]
        own = profiles.find_personal(tx, reader.id)
    stored = own.rules if own else ""
    schedule, templates = reader.schedule, context.app.templates
    next_at = next_digest_at(reader, context.now) if reader.state is SubscriberState.ACTIVE else None
    page = Settings(
        saved=saved,
        paused=reader.state is SubscriberState.PAUSED,
        next=Moment.of(next_at, schedule) if next_at else None,
        resumes=Moment.of(reader.resumes_at, schedule) if reader.resumes_at else None,
        profiles=choices(shared, reader.profiles if follows is None else follows),
        # Rules that an older version allowed, or that take too long since there are more papers, find nothing.
        keywords=keywords or read_affordable_keywords(context, stored)[1],
        mails=MailFields.of(
            form or MailForm.of(reader), reader, templates, most_papers=MAX_CHOSEN_PAPERS, mistakes=mistakes
        ),
    )
    wrong = mistakes or (keywords is not None and keywords.mistakes)
    return context.render("settings.html.j2", page, status=422 if wrong else 200)


# Pausing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What the page shows."""

    by_link: bool  # not signed in: the page shows nothing else of the subscriber
    email: str  # partly
    saved: bool
    active: bool
    paused: bool
    resumes_on: date | None
    first_on: date  # that a pause may end on
    last_on: date
    typed: str  # a date
    wrong: bool  # `typed` is no date that a pause can end on


@router.get("/pause")
def show_pause(context: Context, reader: CurrentReader, saved: str | None = None) -> Response:
    """Whether the subscriber pauses, and until when."""
    return _show_pause(context, reader, saved=saved is not None)


@router.post("/pause")
def change_pause(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Begin a pause, change until when it lasts, or end it."""
    typed = form.get("until", "")
    try:
        until = parse_until(typed, reader.schedule, context.now)
    except UsageError:
        return _show_pause(context, reader, mistake=typed)
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is not None and still.state.is_subscribed:
            if form.get("do") != "resume":
                subscribers.save(tx, paused(still, until))
            elif still.state is SubscriberState.PAUSED:
                subscribers.save(tx, resumed(still, context.now))
    token = context.request.path_params.get("token")
    return context.redirect(f"/pause/{token}?saved=1" if token else "/settings/pause?saved=1")


@link_router.get("/pause/{token}")
def show_pause_by_link(context: Context, token: str, saved: str | None = None) -> Response:
    """Whether the link's subscriber pauses, and until when."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.PAUSE, token)
    return _show_pause(context, reader, saved=saved is not None)


@link_router.post("/pause/{token}")
def change_pause_by_link(context: Context, token: str, form: PostedForm) -> Response:
    """Begin a pause of the link's subscriber, change until when it lasts, or end it."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.PAUSE, token)
    return change_pause(context, form, reader)


def _show_pause(context: Context, reader: Subscriber, *, saved: bool = False, mistake: str | None = None) -> Response:
    """The page; `mistake` is what was typed if no pause can end on it."""
    zone = reader.schedule.zone
    today = context.now.astimezone(zone).date()
    resumes_on = reader.resumes_at.astimezone(zone).date() if reader.resumes_at else None
    page = Pause(
        by_link="token" in context.request.path_params,
        email=partly_shown(reader.email),
        saved=saved,
        active=reader.state is SubscriberState.ACTIVE,
        paused=reader.state is SubscriberState.PAUSED,
        resumes_on=resumes_on,
        first_on=today + timedelta(days=1),
        last_on=today + MAX_PAUSE,
        typed=mistake if mistake is not None else resumes_on.isoformat() if resumes_on else "",
        wrong=mistake is not None,
    )
    return context.render("pause.html.j2", page, status=200 if mistake is None else 422, language=reader.language)


# Muting


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """What the page shows."""

    by_link: bool  # not signed in: the link is the permission
    keyword: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMute:
    """Why a keyword cannot be muted.

    It is not a valid rule, or (`own`) the subscriber's keywords no longer are, or (`costly`) both together would take
    too long to match.
    """

    keyword: str
    own: bool
    costly: bool = False


@dataclass(frozen=True, slots=True)
class MuteSignIn:
    """A link that was not made for its keyword asks the subscriber to sign in."""

    keyword: str


@router.get("/mute")
def show_mute(context: Context, reader: CurrentReader, keyword: str = "") -> Response:
    """Ask whether to mute the keyword, or say that it is muted. Changes nothing."""
    return _show_mute(context, reader, keyword.strip())


@router.post("/mute")
def change_mute(context: Context, form: PostedForm, reader: CurrentReader, keyword: str = "") -> Response:
    """Add the line that mutes the keyword to the subscriber's own keywords, or remove it."""
    return _change_mute(context, reader, keyword.strip(), form, path="/settings/mute")


@link_router.get("/mute/{token}")
def show_mute_by_link(context: Context, token: str, keyword: str = "") -> Response:
    """Ask whether to mute the keyword of the link, or say that it is muted. Changes nothing."""
    keyword = keyword.strip()
    reader, is_signed = _verify_mute_link(context, token, keyword)
    if is_signed:
        return _show_mute(context, reader, keyword)
    with context.store.read() as tx:
        session = find_live_session(tx, context)
    if session is not None and session.reader.id == reader.id:
        return context.redirect(link("/settings/mute", keyword=keyword))
    return context.render("mute-sign-in.html.j2", MuteSignIn(keyword), language=reader.language)


@link_router.post("/mute/{token}")
def change_mute_by_link(context: Context, token: str, form: PostedForm, keyword: str = "") -> Response:
    """Mute the keyword of the link, or end that."""
    keyword = keyword.strip()
    reader, is_signed = _verify_mute_link(context, token, keyword)
    if not is_signed:
        return context.render("mute-sign-in.html.j2", MuteSignIn(keyword), status=403, language=reader.language)
    return _change_mute(context, reader, keyword, form, path=f"/mute/{token}")


def _verify_mute_link(context: RequestContext, token: str, keyword: str) -> tuple[Subscriber, bool]:
    """Return (the link's subscriber, True if it was signed for this keyword).

    Links of 0.1.0 were signed for no keyword.
    """
    with context.store.read() as tx:
        reader, signed = get_by_link(tx, context, Scope.MUTE, token)
    return reader, compare_digest(signed.about, context.app.links.text_hash(keyword))


def _show_mute(context: RequestContext, reader: Subscriber, keyword: str) -> Response:
    with context.store.read() as tx:
        rules = _own_rules(tx, reader)
    try:
        muted = is_muted(rules, keyword)
    except RuleError:
        return _refuse_mute(context, reader, keyword, own=False)
    page = Mute(by_link="token" in context.request.path_params, keyword=keyword, muted=muted)
    return context.render("mute.html.j2", page, language=reader.language)


def _change_mute(context: RequestContext, reader: Subscriber, keyword: str, form: Fields, *, path: str) -> Response:
    try:
        check_mute(keyword)
    except RuleError:
        return _refuse_mute(context, reader, keyword, own=False)
    change = remove_mute if form.get("do") == "undo" else add_mute
    try:
        with context.store.read() as tx:
            rules = change(_own_rules(tx, reader), keyword)
        if change is add_mute:
            context.app.check_cost(rules, now=context.now)
        with context.store.write() as tx:
            if find_still(tx, reader) is not None:
                profiles.set_personal(tx, reader.id, change(_own_rules(tx, reader), keyword), now=context.now)
    except RuleError as error:
        return _refuse_mute(context, reader, keyword, own=True, costly=isinstance(error, CostlyRuleError))
    return context.redirect(f"{path}?keyword={quote(keyword, safe='')}")


def _own_rules(tx: Transaction, reader: Subscriber) -> str:
    own = profiles.find_personal(tx, reader.id)
    return own.rules if own else ""


def _refuse_mute(
    context: RequestContext, reader: Subscriber, keyword: str, *, own: bool, costly: bool = False
) -> Response:
    page = NoMute(keyword=keyword, own=own, costly=costly)
    return context.render("no-mute.html.j2", page, status=422, language=reader.language)

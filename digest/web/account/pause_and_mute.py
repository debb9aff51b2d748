"""Pausing digests, signed in or by a link; and muting a keyword, by the link beside it in every digest."""

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.errors import RuleError, UsageError
from digest.models import Subscriber, SubscriberState
from digest.security.links import Scope
from digest.store import Transaction, profiles, subscribers
from digest.subscribers.mutes import add_mute, check_mute, is_muted, remove_mute
from digest.subscribers.schedule import MAX_PAUSE, parse_until, paused, resumed
from digest.web.auth import CurrentReader, find_still, get_by_link, public_router, reader_router
from digest.web.dependencies import Context, PostedForm
from digest.web.rendering import partly_shown

router = reader_router("/settings/pause")
link_router = public_router()


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


@router.get("")
def show_pause(context: Context, reader: CurrentReader, saved: str | None = None) -> Response:
    """Whether the subscriber pauses, and until when."""
    return _show_pause(context, reader, saved=saved is not None)


@router.post("")
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
    zone = ZoneInfo(reader.schedule.timezone)
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

    keyword: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMute:
    """Why a keyword cannot be muted: it is not a valid rule, or (`own`) the subscriber's keywords no longer are."""

    keyword: str
    own: bool


@link_router.get("/mute/{token}")
def show_mute(context: Context, token: str, keyword: str = "") -> Response:
    """Ask whether to mute the keyword, or say that it is muted. Changes nothing."""
    keyword = keyword.strip()
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.MUTE, token)
        rules = _own_rules(tx, reader)
    try:
        page = Mute(keyword=keyword, muted=is_muted(rules, keyword))
    except RuleError:
        return _refuse_mute(context, reader, keyword, own=False)
    return context.render("mute.html.j2", page, language=reader.language)


@link_router.post("/mute/{token}")
def change_mute(context: Context, token: str, form: PostedForm, keyword: str = "") -> Response:
    """Add the line that mutes the keyword to the subscriber's own keywords, or remove it."""
    keyword = keyword.strip()
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.MUTE, token)
    try:
        check_mute(keyword)
    except RuleError:
        return _refuse_mute(context, reader, keyword, own=False)
    change = remove_mute if form.get("do") == "undo" else add_mute
    try:
        with context.store.write() as tx:
            if find_still(tx, reader) is not None:
                profiles.set_personal(tx, reader.id, change(_own_rules(tx, reader), keyword), now=context.now)
    except RuleError:
        return _refuse_mute(context, reader, keyword, own=True)
    return context.redirect(f"/mute/{token}?keyword={quote(keyword, safe='')}")


def _own_rules(tx: Transaction, reader: Subscriber) -> str:
    own = profiles.find_personal(tx, reader.id)
    return own.rules if own else ""


def _refuse_mute(context: Context, reader: Subscriber, keyword: str, *, own: bool) -> Response:
    page = NoMute(keyword=keyword, own=own)
    return context.render("no-mute.html.j2", page, status=422, language=reader.language)

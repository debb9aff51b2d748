"""The settings page: what a subscriber gets, and when. Every digest has a link that leads there."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.models import Schedule, Subscriber, SubscriberState
from digest.security.links import Scope
from digest.store import profiles, subscribers
from digest.subscribers.schedule import next_slot
from digest.web.auth import CurrentReader, find_still, get_by_link, public_router, reader_router
from digest.web.dependencies import Context, Fields, PostedForm
from digest.web.forms import (
    MAX_CHOSEN_PAPERS,
    Choice,
    Keywords,
    MailFields,
    MailForm,
    choices,
    read_keywords,
    skip_slot_served_today,
)

router = reader_router("/settings")
link_router = public_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment in a subscriber's time zone."""

    on: date
    at: str  # "07:30"

    @classmethod
    def of(cls, at: datetime, schedule: Schedule) -> "Moment":
        """The moment `at` in the time zone of `schedule`."""
        local = at.astimezone(ZoneInfo(schedule.timezone))
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


@link_router.get("/preferences/{token}")
def sign_in_by_link(context: Context, token: str) -> Response:
    """Sign in the subscriber of a settings link, and go on to the settings. Stores nothing."""
    with context.store.read() as tx:
        reader, _ = get_by_link(tx, context, Scope.PREFERENCES, token)
    return context.redirect("/settings", cookie=context.services.sessions.begin(reader, now=context.now))


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
    rules, keywords = read_keywords(form.get("rules", ""))
    follows = frozenset(form.getlist("profile"))
    if rules is None or "again" in form:  # again: back from trying the keywords
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
        subscribers.save(tx, skip_slot_served_today(still, changed, at=context.now))
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
    schedule, templates = reader.schedule, context.app.templates
    next_at = next_slot(schedule, context.now) if reader.state is SubscriberState.ACTIVE else None
    page = Settings(
        saved=saved,
        paused=reader.state is SubscriberState.PAUSED,
        next=Moment.of(next_at, schedule) if next_at else None,
        resumes=Moment.of(reader.resumes_at, schedule) if reader.resumes_at else None,
        profiles=choices(shared, reader.profiles if follows is None else follows),
        keywords=keywords or Keywords(own.rules if own else ""),
        mails=MailFields.of(
            form or MailForm.of(reader), reader, templates, most_papers=MAX_CHOSEN_PAPERS, mistakes=mistakes
        ),
    )
    wrong = mistakes or (keywords is not None and keywords.mistakes)
    return context.render("settings.html.j2", page, status=422 if wrong else 200)

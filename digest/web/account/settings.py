"""What a reader gets, and when: the first of their own pages."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from digest.mail import Templates
from digest.models import CompiledRules, Schedule, Subscriber, SubscriberState
from digest.store import Store, Transaction, profiles, subscribers
from digest.subscribers.schedule import next_slot
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.forms.mail_form import (
    MAX_CHOSEN_PAPERS,
    Choice,
    MailFields,
    MailForm,
    choices,
    skip_slot_served_today,
)
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.reader_auth import find_still

_SAVED = Redirect(path="/settings?saved=1")
_GONE = Redirect(path="/sign-in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment on a reader's clock."""

    on: date
    at: str  # "07:30"

    @classmethod
    def of(cls, at: datetime, schedule: Schedule) -> "Moment":
        """The same moment, as somebody with this schedule says it."""
        local = at.astimezone(ZoneInfo(schedule.timezone))
        return cls(on=local.date(), at=f"{local:%H:%M}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the page shows."""

    saved: bool
    paused: bool
    next: Moment | None  # when the next digest comes; None for who gets none
    resumes: Moment | None
    profiles: tuple[Choice, ...]
    keywords: Keywords
    mails: MailFields


@dataclass(frozen=True, slots=True)
class Choosing:
    """The page at /settings. Each of its two forms saves its own fields; of two that are open the last one counts."""

    store: Store
    templates: Templates

    def look(self, visit: Visit, reader: Subscriber) -> Answer:
        """GET"""
        return self._page(visit, reader)

    def act(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST: saves, or marks what cannot be read. Raises HTTPException 400 for what is neither form."""
        match visit.form.get("part"):
            case "interests":
                return self._save_interests(visit, reader)
            case "mails":
                return self._save_mails(visit, reader)
        raise HTTPException(400)

    def _save_interests(self, visit: Visit, reader: Subscriber) -> Answer:
        rules, keywords = read_keywords(visit.form.get("rules", ""))
        follows = frozenset(visit.form.getlist("profile"))
        if rules is None or "again" in visit.form:  # again: somebody comes back from trying their keywords
            return self._page(visit, reader, keywords=keywords, follows=follows)
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                _save_interests(tx, still, rules, follows, at=visit.now)
        return _GONE if still is None else _SAVED

    def _save_mails(self, visit: Visit, reader: Subscriber) -> Answer:
        form = MailForm.typed(visit.form)
        _, mistakes = form.read(reader, self.templates)
        if mistakes:
            return self._page(visit, reader, form=form, mistakes=mistakes)
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                changed, _ = form.read(still, self.templates)
                subscribers.save(tx, skip_slot_served_today(still, changed, at=visit.now))
        return _GONE if still is None else _SAVED

    def _page(
        self,
        visit: Visit,
        reader: Subscriber,
        *,
        keywords: Keywords | None = None,
        follows: frozenset[str] | None = None,
        form: MailForm | None = None,
        mistakes: frozenset[str] = frozenset(),
    ) -> Page:
        with self.store.read() as tx:
            shared = [profile.name for profile in profiles.list_shared(tx)]
            own = profiles.find_personal(tx, reader.id)
        schedule = reader.schedule
        next_at = next_slot(schedule, visit.now) if reader.state is SubscriberState.ACTIVE else None
        settings = Settings(
            saved="saved" in visit.query,
            paused=reader.state is SubscriberState.PAUSED,
            next=Moment.of(next_at, schedule) if next_at else None,
            resumes=Moment.of(reader.resumes_at, schedule) if reader.resumes_at else None,
            profiles=choices(shared, follows if follows is not None else reader.profiles),
            keywords=keywords or Keywords(own.rules if own else ""),
            mails=MailFields.of(
                form or MailForm.of(reader), reader, self.templates, most_papers=MAX_CHOSEN_PAPERS, mistakes=mistakes
            ),
        )
        wrong = bool(mistakes) or (keywords is not None and bool(keywords.mistakes))
        return Page(template="settings.html.j2", shows=settings, language=reader.language, status=422 if wrong else 200)


def _save_interests(
    tx: Transaction, reader: Subscriber, rules: CompiledRules, follows: frozenset[str], *, at: datetime
) -> None:
    there = tuple(profile.name for profile in profiles.list_shared(tx) if profile.name in follows)
    subscribers.save(tx, replace(reader, profiles=there))
    profiles.set_personal(tx, reader.id, rules, now=at)

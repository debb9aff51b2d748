"""Pausing, by the link in every digest and for who is signed in."""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from digest.errors import UsageError
from digest.models import Subscriber, SubscriberState
from digest.security.links import Links, Scope
from digest.store import Store, subscribers
from digest.subscribers.pauses import MAX_PAUSE, parse_until, paused, resumed
from digest.web.context import partly_shown
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.reader_auth import TOO_OLD, find_holder, find_still


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What the page shows."""

    by_link: bool  # not signed in: nothing else is shown of its reader
    email: str  # partly
    saved: bool
    active: bool
    paused: bool
    resumes_on: date | None
    first_on: date  # that a pause may end on
    last_on: date
    typed: str  # a date
    wrong: bool  # `typed` is none that a pause can end on


@dataclass(frozen=True, slots=True)
class Pausing:
    """The pages at /pause/TOKEN and /settings/pause."""

    store: Store
    links: Links

    def look(self, visit: Visit, reader: Subscriber) -> Answer:
        """GET, signed in."""
        return _page(visit, reader)

    def act(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST, signed in: pauses, changes until when, or ends the pause."""
        return self._save(visit, reader, back="/settings/pause")

    def look_by_link(self, visit: Visit) -> Answer:
        """GET: asks, and changes nothing."""
        reader = self._holder(visit)
        return TOO_OLD if reader is None else _page(visit, reader)

    def act_by_link(self, visit: Visit) -> Answer:
        """POST: the same as for who is signed in."""
        reader = self._holder(visit)
        return TOO_OLD if reader is None else self._save(visit, reader, back=f"/pause/{visit.token}")

    def _holder(self, visit: Visit) -> Subscriber | None:
        with self.store.read() as tx:
            return find_holder(tx, self.links, Scope.PAUSE, visit)

    def _save(self, visit: Visit, reader: Subscriber, *, back: str) -> Answer:
        typed = visit.form.get("until", "")
        try:
            until = parse_until(typed, reader.schedule, visit.now)
        except UsageError:
            return _page(visit, reader, typed=typed)
        with self.store.write() as tx:
            still = find_still(tx, reader)
            if still is not None and still.state.is_subscribed:
                ends = visit.form.get("do") == "resume"
                if not ends:
                    subscribers.save(tx, paused(still, until))
                elif still.state is SubscriberState.PAUSED:
                    subscribers.save(tx, resumed(still, visit.now))
        return Redirect(path=f"{back}?saved=1")


def _page(visit: Visit, reader: Subscriber, *, typed: str | None = None) -> Page:
    zone = ZoneInfo(reader.schedule.timezone)
    today = visit.now.astimezone(zone).date()
    resumes_on = reader.resumes_at.astimezone(zone).date() if reader.resumes_at else None
    shows = Pause(
        by_link=bool(visit.token),
        email=partly_shown(reader.email),
        saved="saved" in visit.query,
        active=reader.state is SubscriberState.ACTIVE,
        paused=reader.state is SubscriberState.PAUSED,
        resumes_on=resumes_on,
        first_on=today + timedelta(days=1),
        last_on=today + MAX_PAUSE,
        typed=typed if typed is not None else resumes_on.isoformat() if resumes_on else "",
        wrong=typed is not None,
    )
    status = 200 if typed is None else 422
    return Page(template="pause.html.j2", shows=shows, language=reader.language, status=status)

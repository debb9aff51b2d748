"""How it goes today, and whether anything is sent."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from digest.admin import outbox_actions
from digest.admin.forecast import next_hour
from digest.models import Admin, DailyStatus, DeliveryState, Hold, Role, Trouble
from digest.store import Store, daily_status
from digest.subscribers.fields import one_line
from digest.web.admin.sending.coming import ShownHour, shown_hour
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.template_samples import Samples

_MOST_REASON = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many deliveries are in a state."""

    state: DeliveryState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownToday:
    """What the page shows."""

    on: date
    trouble: Trouble | None
    papers: int
    digests: int
    deliveries: tuple[Counted, ...]
    hold: Hold | None
    coming: ShownHour | None  # None where nobody waits
    begin: Annotated[str, Samples("", "profile", "people")] = ""  # what a new installation lacks first


@dataclass(frozen=True, slots=True)
class LookingAtToday:
    """The page at /admin, and the buttons that hold and release all sending."""

    store: Store
    timezone: ZoneInfo

    def look(self, visit: Visit, admin: Admin) -> Answer:
        """GET; an editor has another page to begin with."""
        if admin.role is Role.EDITOR:
            return Redirect(path="/admin/profiles")
        on = visit.now.astimezone(self.timezone).date()
        since = datetime.combine(on, time(), tzinfo=self.timezone).astimezone(UTC)
        with self.store.read() as tx:
            today = daily_status.get(tx, on=on, since=since, now=visit.now)
            hour = next_hour(tx, timezone=self.timezone, now=visit.now)
            begin = daily_status.missing_for_launch(tx)
        shows = _shown(today, on, shown_hour(hour, self.timezone) if hour else None)
        return Page(template="today.html.j2", shows=replace(shows, begin=begin))

    def hold(self, visit: Visit, admin: Admin) -> Answer:
        """POST: nothing is sent any more, by any process."""
        reason = one_line(visit.form.get("reason", ""))[:_MOST_REASON] or f"held by {admin.email}"
        with self.store.write() as tx:
            outbox_actions.hold(tx, reason, by=admin.email, now=visit.now)
        return Redirect(path="/admin")

    def release(self, visit: Visit, admin: Admin) -> Answer:
        """POST: sending goes on."""
        with self.store.write() as tx:
            outbox_actions.release(tx, by=admin.email, now=visit.now)
        return Redirect(path="/admin")


def _shown(today: DailyStatus, on: date, coming: ShownHour | None) -> ShownToday:
    return ShownToday(
        on=on,
        trouble=today.trouble,
        papers=today.papers,
        digests=today.digests,
        deliveries=tuple(
            Counted(state=state, count=n) for state in DeliveryState if (n := today.deliveries.get(state))
        ),
        hold=today.hold,
        coming=coming,
    )

"""The first admin page: today's status, and the buttons that hold and release all sending."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.admin import outbox_actions
from digest.admin.forecast import next_hour
from digest.models import DeliveryState, Hold, Role, Trouble
from digest.store import daily_status
from digest.subscribers.fields import one_line
from digest.web.admin.lists import MAX_REASON
from digest.web.admin.sending.next_digests import ShownHour, shown_hour
from digest.web.admin_auth import CurrentAdmin, admin_router, require_role
from digest.web.dependencies import Context, PostedForm
from digest.web.template_samples import Samples

router = admin_router("/admin", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The number of deliveries in a state."""

    state: DeliveryState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownToday:
    """Today's status of the newsletter."""

    on: date
    trouble: Trouble | None
    papers: int
    digests: int
    deliveries: tuple[Counted, ...]
    hold: Hold | None
    coming: ShownHour | None  # None if no subscriber is due soon
    begin: Annotated[str, Samples("", "profile", "people")] = ""  # what a new installation needs first


@router.get("")
def show_today(context: Context, admin: CurrentAdmin) -> Response:
    """Today's status. Editors are redirected to the profiles."""
    if admin.role is Role.EDITOR:
        return context.redirect("/admin/profiles")
    timezone = ZoneInfo(context.app.config.newsletter.timezone)
    on = context.now.astimezone(timezone).date()
    since = datetime.combine(on, time(), tzinfo=timezone).astimezone(UTC)
    with context.store.read() as tx:
        today = daily_status.get(tx, on=on, since=since, now=context.now)
        hour = next_hour(tx, timezone=timezone, now=context.now)
        begin = daily_status.missing_for_launch(tx)
    counts = ((state, today.deliveries.get(state)) for state in DeliveryState)
    page = ShownToday(
        on=on,
        trouble=today.trouble,
        papers=today.papers,
        digests=today.digests,
        deliveries=tuple(Counted(state=state, count=count) for state, count in counts if count),
        hold=today.hold,
        coming=shown_hour(hour, timezone) if hour else None,
        begin=begin,
    )
    return context.render("today.html.j2", page)


@router.post("/hold", dependencies=[require_role(Role.ADMIN)])
def hold_sending(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Stop all sending, in every process."""
    reason = one_line(form.get("reason", ""))[:MAX_REASON] or f"held by {admin.email}"
    with context.store.write() as tx:
        outbox_actions.hold(tx, reason, by=admin.email, now=context.now)
    return context.redirect("/admin")


@router.post("/release", dependencies=[require_role(Role.ADMIN)])
def release_sending(context: Context, admin: CurrentAdmin) -> Response:
    """Continue sending."""
    with context.store.write() as tx:
        outbox_actions.release(tx, by=admin.email, now=context.now)
    return context.redirect("/admin")

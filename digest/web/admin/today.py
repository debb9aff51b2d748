"""Today's status, with the buttons that hold and release all sending; and the next digests, selected in advance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from starlette.responses import Response

from digest.admin import outbox_actions
from digest.mail.encoding import clean
from digest.models import DeliveryState, Digest, Hold, Role, Stage, StageState, StageStatus
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.isolation import describe_fault, do_for_all
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.store import Transaction, daily_status, outbox, subscribers
from digest.store.daily_status import Trouble
from digest.store.subscribers import ScheduleGroup
from digest.subscribers.fields import one_line
from digest.subscribers.schedule import next_digest_at
from digest.web.auth import CurrentAdmin, admin_router, require_role
from digest.web.dependencies import Context, PostedForm, RequestContext
from digest.web.rendering import Samples, admin_template, local

MAX_DECIDED = 200  # subscribers

_HOUR = timedelta(hours=1)
_MAX_READ = 1000  # subscribers, some of whom were served in that hour or are due later
_MAX_SCHEDULES = 300  # from which subscribers are taken
_MAX_NAMED = 10  # subscribers
_MAX_REASONS = 10

router = admin_router("/admin", role=Role.EDITOR)
next_router = admin_router("/admin/next")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """A future hour, and the subscribers who are due in it."""

    now: datetime  # when it was found
    begins_at: datetime
    slots: Mapping[ScheduleGroup, datetime]  # when the subscribers of a group are due
    counts: Mapping[ScheduleGroup, int]  # subscribers of a group
    is_exact: bool = True  # otherwise estimated from a sample, because there are very many subscribers

    @property
    def ends_at(self) -> datetime:
        """The end of the hour."""
        return self.begins_at + _HOUR

    @property
    def people(self) -> int:
        """The number of subscribers who are due."""
        return sum(self.counts.values())


def next_hour(tx: Transaction, *, timezone: ZoneInfo, now: datetime) -> Hour | None:
    """Return the clock hour in `timezone` that contains the next slot (perhaps the current hour), or None if there is
    none.
    """
    known, is_exact = subscribers.count_by_schedule(tx)
    coming = {group: slot for group in known if (slot := next_digest_at(group, now))}
    if not coming:
        return None
    first = min(coming.values()).astimezone(timezone)
    begins_at = first.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    within = {group: slot for group, slot in coming.items() if slot < begins_at + _HOUR}
    counts = {group: known[group] for group in within}
    return Hour(now=now, begins_at=begins_at, slots=within, counts=counts, is_exact=is_exact)


def forecast(
    tx: Transaction,
    compiled_profiles: CompiledProfiles,
    selection_settings: SelectionSettings,
    hour: Hour,
) -> tuple[Sequence[Digest], Mapping[str, str]]:
    """Select the digests of an hour, as publishing would, for at most `MAX_DECIDED` of its subscribers. Only reads.

    Return (the digests, {owner of rules that cannot be read, or address of a subscriber: error}).
    """
    usual = sorted(hour.counts, key=lambda group: -hour.counts[group])[:_MAX_SCHEDULES]
    some = subscribers.list_by_schedules(tx, {group.schedule for group in usual}, limit=_MAX_READ)
    slots = [(subscriber, next_digest_at(subscriber, hour.now)) for subscriber in some]
    due = [(subscriber, slot) for subscriber, slot in slots if slot is not None and slot < hour.ends_at]
    selector = PaperSelector(compiled_profiles, selection_settings, now=max(hour.now, min(hour.slots.values())))
    decided: list[Digest] = []
    faults: dict[str, str] = {}
    do_for_all(
        due[:MAX_DECIDED],
        lambda some: decided.extend(selector.select(tx, some)),
        failed=lambda one, error: faults.update({one[0].email: describe_fault(error)}),
    )
    return decided, selector.invalid_rules | faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHour:
    """The next hour in which a subscriber is due; times are local."""

    begins_at: str  # "2026-06-03 07:00"
    ends_at: str  # "08:00"
    people: int
    is_exact: bool  # False: the number is an estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The number of deliveries in a state."""

    state: DeliveryState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStage:
    """A stage that `digest serve` runs regularly, and its last runs; times are local."""

    stage: Stage
    state: StageState
    started_at: str
    succeeded_at: str  # "" if it never succeeded
    failed_at: str
    failure: str  # the last error, also if a later run succeeded

    @classmethod
    def of(cls, context: RequestContext, status: StageStatus) -> Self:
        """Return a stage as pages show it."""
        record = status.record
        return cls(
            stage=record.stage,
            state=status.state,
            started_at=context.local_time(record.started_at),
            succeeded_at=context.local_time(record.succeeded_at),
            failed_at=context.local_time(record.failed_at),
            failure=clean(record.failure),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownToday:
    """Today's status of the newsletter."""

    on: date
    trouble: Trouble | None  # the most urgent of `troubles`
    troubles: tuple[Trouble, ...]
    papers: int
    digests: int
    deliveries: tuple[Counted, ...]
    hold: Hold | None
    coming: ShownHour | None  # None if no subscriber is due soon
    begin: Annotated[str, Samples("", "profile", "people")] = ""  # what a new installation needs first
    stages: tuple[ShownStage, ...] = ()  # that ran at least once


@router.get("")
def show_today(context: Context, admin: CurrentAdmin) -> Response:
    """Today's status. Editors are redirected to the profiles."""
    if admin.role is Role.EDITOR:
        return context.redirect("/admin/profiles")
    timezone = ZoneInfo(context.app.config.newsletter.timezone)
    with context.store.read() as tx:
        today = context.app.daily_status(tx, now=context.now)
        hour = next_hour(tx, timezone=timezone, now=context.now)
        begin = daily_status.missing_for_launch(tx)
    counts = ((state, today.deliveries.get(state)) for state in DeliveryState)
    page = ShownToday(
        on=context.now.astimezone(timezone).date(),
        trouble=today.trouble,
        troubles=today.troubles,
        papers=today.papers,
        digests=today.digests,
        deliveries=tuple(Counted(state=state, count=count) for state, count in counts if count),
        hold=today.hold,
        coming=shown_hour(hour, timezone) if hour else None,
        begin=begin,
        stages=tuple(ShownStage.of(context, status) for status in today.stages),
    )
    return context.render("today.html.j2", page)


@router.post("/hold", dependencies=[require_role(Role.ADMIN)])
def hold_sending(context: Context, form: PostedForm, admin: CurrentAdmin) -> Response:
    """Stop all sending, in every process."""
    reason = one_line(form.get("reason", "")) or f"held by {admin.email}"
    with context.store.write() as tx:
        outbox_actions.hold(tx, reason, by=admin.email, now=context.now)
    return context.redirect("/admin")


@router.post("/release", dependencies=[require_role(Role.ADMIN)])
def release_sending(context: Context, admin: CurrentAdmin) -> Response:
    """Continue sending."""
    with context.store.write() as tx:
        outbox_actions.release(tx, by=admin.email, now=context.now)
    return context.redirect("/admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A subscriber who will get a mail."""

    subscriber_id: int
    email: str
    papers: int
    first: str  # the first paper's title


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDigests:
    """A reason for getting no mail, and how many subscribers it concerns."""

    reason: str
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNext:
    """What subscribers will get in that hour."""

    hour: ShownHour
    decided: int  # for how many of the subscribers the digest was selected
    mails: int
    papers: int
    first: tuple[Recipient, ...]
    without: tuple[EmptyDigests, ...]
    unreadable: tuple[tuple[str, str], ...]  # (owner of invalid rules, error)
    hold: Hold | None


@dataclass(frozen=True, slots=True)
class NoNextHour:
    """The page if no subscriber is due soon."""

    hour: None = None


@next_router.get("")
def show_next(context: Context) -> Response:
    """Select digests as `digest run` would, and record nothing."""
    timezone = ZoneInfo(context.app.config.newsletter.timezone)
    with context.store.read() as tx:
        hour = next_hour(tx, timezone=timezone, now=context.now)
        if hour is None:
            return context.render(admin_template("next"), NoNextHour())
        decided, unreadable = forecast(tx, context.app.compiled_profiles, context.app.selection_settings, hour)
        hold = outbox.find_hold(tx)
    mails = [digest for digest in decided if digest.items]
    reasons = Counter(digest.empty_reason for digest in decided if not digest.items)
    page = ShownNext(
        hour=shown_hour(hour, timezone),
        decided=len(decided),
        mails=len(mails),
        papers=sum(len(digest.items) for digest in mails),
        first=tuple(
            Recipient(
                subscriber_id=digest.subscriber.id,
                email=digest.subscriber.email,
                papers=len(digest.items),
                first=clean(digest.items[0].paper.title),
            )
            for digest in mails[:_MAX_NAMED]
        ),
        without=tuple(EmptyDigests(reason=reason, people=n) for reason, n in reasons.most_common(_MAX_REASONS)),
        unreadable=tuple((clean(owner), error) for owner, error in unreadable.items())[:_MAX_REASONS],
        hold=hold,
    )
    return context.render(admin_template("next"), page)


def shown_hour(hour: Hour, timezone: ZoneInfo) -> ShownHour:
    """Return an hour as pages show it. An estimated number of subscribers is rounded to two digits."""
    digits = len(str(hour.people))
    return ShownHour(
        begins_at=local(hour.begins_at, timezone),
        ends_at=f"{hour.ends_at.astimezone(timezone):%H:%M}",
        people=hour.people if hour.is_exact else round(hour.people, 2 - digits),
        is_exact=hour.is_exact,
    )

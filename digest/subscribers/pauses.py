"""Pausing: no digest until a date, or until its reader says so. Pure.

The digest after a pause is the catch-up: the best of what matched since the last one, as far back as `CATCH_UP`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.errors import UsageError
from digest.models import Schedule, Subscriber, SubscriberState

CATCH_UP = timedelta(days=30)  # what is older has been overtaken

MAX_PAUSE = timedelta(days=2 * 366)
_JUST = timedelta(seconds=1)


def parse_until(written: str, schedule: Schedule, now: datetime) -> datetime | None:
    """The moment that "2026-06-03" means to somebody: midnight at its beginning on their clock; None for "".

    Raises UsageError for what is no date to come, or over two years away.
    """
    if not written.strip():
        return None
    day = parse_day(written)
    today = now.astimezone(ZoneInfo(schedule.timezone)).date()
    if day <= today:
        raise UsageError(f"{day} has begun already; a pause ends on a date to come")
    if day > today + MAX_PAUSE:
        raise UsageError(f"{day} is too far away; a pause lasts two years at most, or until its reader ends it")
    return start_of_day(day, schedule)


def parse_day(written: str) -> date:
    """The date that "2026-06-03" is. Raises UsageError."""
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        raise UsageError(f"{written!r} is not a date; write one such as 2026-06-03") from None


def start_of_day(day: date, schedule: Schedule) -> datetime:
    """Midnight at the beginning of a day, on somebody's clock. Raises UsageError where that is before all time."""
    try:
        return datetime.combine(day, time(), tzinfo=ZoneInfo(schedule.timezone)).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{day} is too long ago") from None


def paused(subscriber: Subscriber, until: datetime | None) -> Subscriber:
    """They pause from now on. Raises UsageError for who gets no digests anyway."""
    if not subscriber.state.is_subscribed:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to pause")
    return replace(subscriber, state=SubscriberState.PAUSED, resumes_at=until)


def resumed(subscriber: Subscriber, now: datetime) -> Subscriber:
    """They get digests again: the next at the first hour of theirs after the pause. Raises UsageError for others."""
    if subscriber.state is not SubscriberState.PAUSED:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}, not paused")
    ended_at = min(subscriber.resumes_at or now, now) - _JUST  # an hour that comes at that very moment counts
    last_slot_at = ended_at if subscriber.last_slot_at is None else max(subscriber.last_slot_at, ended_at)
    return replace(subscriber, state=SubscriberState.ACTIVE, resumes_at=None, last_slot_at=last_slot_at)


def catches_up(subscriber: Subscriber) -> bool:
    """Whether their last slot was moved past their last digest: by the end of a pause, or as they came back.

    By another hour of theirs, too, where the slot passes as served; they missed nothing, and it makes no difference.
    """
    last_slot_at, last_digest_at = subscriber.last_slot_at, subscriber.last_digest_at
    return last_slot_at is not None and last_digest_at is not None and last_slot_at > last_digest_at

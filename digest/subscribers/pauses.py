"""Pausing: no digests until a date, or until the subscriber resumes. Nothing here reads or writes the database.

The digest after a pause catches up: it has the best matches since the last digest, as far back as `CATCH_UP`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from digest.errors import UsageError
from digest.models import Schedule, Subscriber, SubscriberState

CATCH_UP = timedelta(days=30)  # older papers are no longer news

MAX_PAUSE = timedelta(days=2 * 366)
_JUST_BEFORE = timedelta(seconds=1)


def parse_until(written: str, schedule: Schedule, now: datetime) -> datetime | None:
    """Parse a date such as "2026-06-03": the start of that day in the subscriber's time zone, or None for "".

    Raises UsageError if it is not a date in the future, or more than two years away.
    """
    if not written.strip():
        return None
    day = parse_day(written)
    today = now.astimezone(ZoneInfo(schedule.timezone)).date()
    if day <= today:
        raise UsageError(f"{day} has already begun; choose a date in the future")
    if day > today + MAX_PAUSE:
        raise UsageError(f"{day} is too far away; a pause lasts at most two years, or until the subscriber ends it")
    return start_of_day(day, schedule)


def parse_day(written: str) -> date:
    """Parse a date such as "2026-06-03". Raises UsageError."""
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        raise UsageError(f"{written!r} is not a date; write one such as 2026-06-03") from None


def start_of_day(day: date, schedule: Schedule) -> datetime:
    """Return when a day starts in a schedule's time zone. Raises UsageError if that is too early for a date."""
    try:
        return datetime.combine(day, time(), tzinfo=ZoneInfo(schedule.timezone)).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{day} is too long ago") from None


def paused(subscriber: Subscriber, until: datetime | None) -> Subscriber:
    """Return the subscriber as paused. Raises UsageError if they get no digests anyway."""
    if not subscriber.state.is_subscribed:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}: there is nothing to pause")
    return replace(subscriber, state=SubscriberState.PAUSED, resumes_at=until)


def resumed(subscriber: Subscriber, now: datetime) -> Subscriber:
    """Return the subscriber as active; the next digest is for their first slot after the pause. Raises UsageError."""
    if subscriber.state is not SubscriberState.PAUSED:
        raise UsageError(f"{subscriber.email} is {subscriber.state.value}, not paused")
    ended_at = min(subscriber.resumes_at or now, now) - _JUST_BEFORE  # a slot at that very moment counts
    last_slot_at = ended_at if subscriber.last_slot_at is None else max(subscriber.last_slot_at, ended_at)
    return replace(subscriber, state=SubscriberState.ACTIVE, resumes_at=None, last_slot_at=last_slot_at)


def catches_up(subscriber: Subscriber) -> bool:
    """Return whether the last slot is later than the last digest, because of a pause or because they had left.

    A changed schedule can have that effect, too; then nothing was missed, and catching up makes no difference.
    """
    last_slot_at, last_digest_at = subscriber.last_slot_at, subscriber.last_digest_at
    return last_slot_at is not None and last_digest_at is not None and last_slot_at > last_digest_at

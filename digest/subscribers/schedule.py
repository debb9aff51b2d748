"""When subscribers are due, and pauses: no digests until a date, or until the subscriber resumes.

Only the last served slot is stored, so a machine that was off catches up. Nothing here reads or writes the database.

A slot is a subscriber's sending time on one of their days. Each local date has at most one, also when clocks change: a
time that is skipped in spring is as much later as the clock jumped, and of a time that occurs twice in autumn the first
counts.
"""

import difflib
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from digest.errors import UsageError
from digest.models import EVERY_DAY, WEEKDAYS, Schedule, Subscriber, SubscriberState, Weekday

CATCH_UP = timedelta(days=30)  # how far back the digest after a pause looks: older papers are no longer news
MAX_PAUSE = timedelta(days=2 * 366)
_JUST_BEFORE = timedelta(seconds=1)
_CACHED = 1000  # parsed values: the rows of an import have the same few times, days and time zones
_DAYS_OF_WEEK = tuple(Weekday)
_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMED_DAYS = {name: day for day, full in zip(Weekday, _FULL_NAMES, strict=True) for name in (day.value, full)}


def slot_due(schedule: Schedule, last_slot_at: datetime | None, now: datetime) -> datetime | None:
    """Return the newest slot at or before `now` that has not been served, or None.

    A machine that was off for a week sends one digest, not seven.
    """
    today = _local_date(schedule, now)
    past = (_slot_on(schedule, today - timedelta(days=n)) for n in range(-1, 9))
    slot_at = next((slot for slot in past if slot is not None and slot <= now), None)
    if slot_at is None or (last_slot_at is not None and slot_at <= last_slot_at):
        return None
    return slot_at


def next_slot(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the first slot after `now`, or None for a schedule without days."""
    today = _local_date(schedule, now)
    coming = (_slot_on(schedule, today + timedelta(days=n)) for n in range(-1, 9))
    return next((slot for slot in coming if slot is not None and slot > now), None)


def _local_date(schedule: Schedule, now: datetime) -> date:
    return now.astimezone(ZoneInfo(schedule.timezone)).date()


def _slot_on(schedule: Schedule, day: date) -> datetime | None:
    if _DAYS_OF_WEEK[day.weekday()] not in schedule.days:
        return None
    local = datetime.combine(day, schedule.send_at, tzinfo=ZoneInfo(schedule.timezone))
    return local.astimezone(UTC)


@lru_cache(_CACHED)
def parse_timezone(name: str) -> str:
    """Check the name of an IANA time zone. Raises UsageError with the nearest one."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "write an IANA name such as 'Europe/Berlin'"
        raise UsageError(f"no time zone {name!r}; {hint}") from None
    return name


@lru_cache(_CACHED)
def parse_send_at(written: str) -> time:
    """Parse a local time, "7:30" or "07:30". Raises UsageError."""
    try:
        return datetime.strptime(written.strip(), "%H:%M").time()  # noqa: DTZ007  (a local hour has no zone)
    except ValueError:
        raise UsageError(f"{written!r} is not a time; write HH:MM, such as 07:30") from None


@lru_cache(_CACHED)
def parse_days(written: str) -> frozenset[Weekday]:
    """Parse "daily", "weekdays" or a list such as "mon,thu". Raises UsageError."""
    named = {"daily": EVERY_DAY, "weekdays": WEEKDAYS}
    asked = written.strip().lower()
    if asked in named:
        return named[asked]
    try:
        return frozenset(_NAMED_DAYS[day.strip()] for day in asked.split(","))
    except KeyError:
        raise UsageError(f"{written!r} is not a list of days; write daily, weekdays or some such as mon,thu") from None


def format_days(days: frozenset[Weekday]) -> str:
    """Return the text that `parse_days` reads as these days."""
    named = {EVERY_DAY: "daily", WEEKDAYS: "weekdays"}
    return named.get(days) or ",".join(day for day in Weekday if day in days)


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
        raise UsageError(f"{day} is too far in the past") from None


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
    """Return True if the last slot is later than the last digest, because of a pause or because they had left.

    A changed schedule can have that effect, too; then nothing was missed, and catching up makes no difference.
    """
    last_slot_at, last_digest_at = subscriber.last_slot_at, subscriber.last_digest_at
    return last_slot_at is not None and last_digest_at is not None and last_slot_at > last_digest_at

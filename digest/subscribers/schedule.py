"""When subscribers are due, and pauses: no digests until a date, or until the subscriber resumes.

Only the last served slot is stored, so a machine that was off catches up. Nothing here reads or writes the database.

A slot is a subscriber's sending time on one of their days. Each local date has at most one, also when clocks change: a
time that is skipped in spring is as much later as the clock jumped, and of a time that occurs twice in autumn the first
counts. A date on which a slot was served has no further one, whatever the subscriber changes.

A stored time in the future was written while a clock was wrong. It is ignored, or the subscriber would get nothing
until then; `publish` corrects it.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import available_timezones

from digest.errors import UsageError
from digest.models import CLOCK_SKEW, EVERY_DAY, WEEKDAYS, Schedule, Subscriber, SubscriberState, Weekday
from digest.spelling import nearest
from digest.timezones import MAX_NAME, find_zone

CATCH_UP = timedelta(days=30)  # how far back the digest after a pause looks: older papers are no longer news
MAX_PAUSE = timedelta(days=2 * 366)
_LONGEST_WEEK = 9  # days, with the dates on both sides of the date line
_CACHED = 1000  # parsed values: the rows of an import have the same few times, days and time zones
_DAYS_OF_WEEK = tuple(Weekday)

# Files beside the zones: the zone of this machine, and variants whose clock counts leap seconds.
_NOT_A_ZONE = re.compile(r"localtime$|posixrules$|Factory$|posix/|right/")

# What spreadsheets and people write, in the languages of the pages, as far as it can mean only one thing.
_TIME = re.compile(r"([0-9]{1,2})(?:[:.h]([0-9]{2})(?::00)?)?\s*(am|pm|a\.m\.|p\.m\.|h|uhr)?", re.IGNORECASE)
_DAY_NAMES = (
    *(("monday", "montag"), ("tuesday", "dienstag"), ("wednesday", "mittwoch"), ("thursday", "donnerstag")),
    *(("friday", "freitag"), ("saturday", "samstag"), ("sunday", "sonntag")),
)
_SETS_OF_DAYS = {
    **dict.fromkeys(("daily", "everyday", "täglich"), EVERY_DAY),
    **dict.fromkeys(("weekdays", "weekday", "workdays"), WEEKDAYS),
    **dict.fromkeys(("weekends", "weekend"), EVERY_DAY - WEEKDAYS),
}
_DAY_RANGE = re.compile(r"\s*(?:[-\u2010-\u2015]|\b(?:to|through|bis)\b)\s*")
_DAY_SEPARATOR = re.compile(r"[\s,;/+&|]+(?:(?:and|und)\s+)?")
_DATES = (
    re.compile(r"(?P<year>[0-9]{4})(?P<sign>[-/.])(?P<month>[0-9]{1,2})(?P=sign)(?P<day>[0-9]{1,2})"),
    re.compile(r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"),
)
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?Z?$")  # of a date that a program exported as a time
_MAX_DAYS_TEXT = 200  # characters: the patterns of days take the square of the length


class Scheduled(Protocol):
    """An active subscriber, or several who are due at the same times."""

    @property
    def schedule(self) -> Schedule: ...
    @property
    def confirmed_at(self) -> datetime | None: ...
    @property
    def slots_from(self) -> datetime | None: ...
    @property
    def last_slot_at(self) -> datetime | None: ...


def next_digest_at(who: Scheduled, now: datetime) -> datetime | None:
    """Return the slot of the next digest: one that was due before `now` and is not served, or the first after `now`.

    Returns None for a schedule without days. Only active subscribers get digests, which the caller checks.
    """
    due = digest_due(who, now)
    if due is not None and due < now:
        return due
    last_slot_at = past(who.last_slot_at, now)
    served_on = None if last_slot_at is None else _local_date(who.schedule, last_slot_at)
    for day, slot in _slots(who.schedule, now, range(-1, _LONGEST_WEEK + 1)):
        if slot > now and (served_on is None or day > served_on):
            return slot
    return None


def digest_due(who: Scheduled, now: datetime) -> datetime | None:
    """Return the slot for which an active subscriber is due at `now`, or None."""
    last_slot_at = past(who.last_slot_at, now)
    slot_at = slot_due(who.schedule, last_slot_at, now)
    if slot_at is None:
        return None
    begins = [past(who.slots_from, now), None if last_slot_at else past(who.confirmed_at, now)]
    return None if any(at is not None and slot_at < at for at in begins) else slot_at


def slot_due(schedule: Schedule, last_slot_at: datetime | None, now: datetime) -> datetime | None:
    """Return the newest slot at or before `now`, or None if a slot of its date or a later one was served.

    A machine that was off for a week sends one digest, not seven.
    """
    for day, slot_at in _slots(schedule, now, range(1, -_LONGEST_WEEK, -1)):
        if slot_at <= now:
            was_served = last_slot_at is not None and day <= _local_date(schedule, last_slot_at)
            return None if was_served else slot_at
    return None


def past(at: datetime | None, now: datetime) -> datetime | None:
    """Return a stored time, or None if it is in the future: it was written while a clock was wrong."""
    return None if at is None or at > now + CLOCK_SKEW else at


def rescheduled(before: Subscriber, after: Subscriber, now: datetime) -> Subscriber:
    """Return `after`; if its schedule has changed, a slot before `now` that only the new one has counts as served."""
    if after.schedule == before.schedule:
        return after
    after = replace(after, problem="")
    passed = digest_due(after, now)
    return after if passed is None or digest_due(before, now) is not None else replace(after, last_slot_at=passed)


def _local_date(schedule: Schedule, now: datetime) -> date:
    return now.astimezone(schedule.zone).date()


def _slots(schedule: Schedule, now: datetime, days: range) -> Iterator[tuple[date, datetime]]:
    """Yield the local date and the time of the slots on some days, counted from the date of `now`."""
    today = _local_date(schedule, now)
    for days_later in days:
        day = today + timedelta(days=days_later)
        if _DAYS_OF_WEEK[day.weekday()] in schedule.days:
            yield day, datetime.combine(day, schedule.send_at, tzinfo=schedule.zone).astimezone(UTC)


@lru_cache(_CACHED)
def parse_timezone(written: str) -> str:
    """Return the name of an IANA time zone, which may be written in any case. Raises UsageError with the nearest."""
    name = written.strip()
    if find_zone(name) is None or _NOT_A_ZONE.match(name):
        if len(name) > MAX_NAME:
            raise UsageError("no time zone has such a long name; write an IANA name such as 'Europe/Berlin'")
        folded = name.casefold().replace(" ", "_")
        zones = _timezones()
        if folded in zones:
            return zones[folded]
        near = _similar_timezone(folded)
        hint = f"did you mean {near!r}?" if near else "write an IANA name such as 'Europe/Berlin'"
        raise UsageError(f"no time zone {written!r}; {hint}")
    return name


@lru_cache(1)
def _timezones() -> dict[str, str]:
    """Return all names, by their spelling in lower case."""
    return {name.casefold(): name for name in sorted(available_timezones()) if not _NOT_A_ZONE.match(name)}


@lru_cache(_CACHED)
def _similar_timezone(folded: str) -> str:
    """Return the time zone with a similar name, or that is named after this city or country, or ""."""
    zones = _timezones()
    cities = {zone.rpartition("/")[2]: zone for zone in zones if not zone.startswith("etc/")}  # Etc/GMT+2 is UTC-2
    folded_zone = nearest(folded, zones) or cities.get(nearest(folded, cities), "")
    return zones.get(folded_zone, "")


@lru_cache(_CACHED)
def parse_send_at(written: str) -> time:
    """Parse a local time: "7:30", "07:30:00", "7 AM", "7.30". Raises UsageError."""
    found = _TIME.fullmatch(unicodedata.normalize("NFKC", written).strip())
    if found is not None and (found[2] or found[3]):  # 7 alone may be morning or evening
        hour, suffix = int(found[1]), (found[3] or "").lower().replace(".", "")
        if suffix in {"am", "pm"}:
            hour = hour % 12 + (12 if suffix == "pm" else 0) if 1 <= hour <= 12 else 24
        if hour < 24 and int(found[2] or 0) < 60:
            return time(hour, int(found[2] or 0))
    raise UsageError(f"{written!r} is not a time; write HH:MM, such as 07:30")


@lru_cache(_CACHED)
def parse_days(written: str) -> frozenset[Weekday]:
    """Parse "daily", "weekdays", a list such as "mon,thu", or a range such as "Mon-Fri". Raises UsageError."""
    text = unicodedata.normalize("NFKC", written[:_MAX_DAYS_TEXT]).strip().casefold().replace("every day", "everyday")
    days: set[Weekday] = set()
    try:
        for part in _DAY_SEPARATOR.split(_DAY_RANGE.sub("-", text)):
            if part in _SETS_OF_DAYS:
                days |= _SETS_OF_DAYS[part]
            elif part:
                first, dash, last = part.partition("-")
                begin, end = _day_number(first), _day_number(last if dash else first)
                days |= {_DAYS_OF_WEEK[number % 7] for number in range(begin, begin + (end - begin) % 7 + 1)}
    except LookupError:
        days.clear()
    if not days or len(written) > _MAX_DAYS_TEXT:
        raise UsageError(f"{written!r} is not a list of days; write daily, weekdays or some such as mon,thu")
    return frozenset(days)


def _day_number(written: str) -> int:
    """Return the number of a day, Monday's is 0: "mo", "Mon.", "mondays". Raises LookupError."""
    name = written.rstrip(".")
    for number, full_names in enumerate(_DAY_NAMES):
        for full in full_names:
            if name == full[:2] or (len(name) > 2 and f"{full}s".startswith(name)):
                return number
    raise LookupError(name)


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
    today = _local_date(schedule, now)
    if day <= today:
        raise UsageError(f"{day} has already begun; choose a date in the future")
    if day > today + MAX_PAUSE:
        raise UsageError(f"{day} is too far away; a pause lasts at most two years, or until the subscriber ends it")
    return start_of_day(day, schedule)


def parse_day(written: str) -> date:
    """Parse a date such as "2026-06-03", also as "2026/6/3", "3.6.2026" or with midnight. Raises UsageError."""
    text = _MIDNIGHT.sub("", unicodedata.normalize("NFKC", written).strip())
    try:
        for form in _DATES:
            if found := form.fullmatch(text):
                return date(int(found["year"]), int(found["month"]), int(found["day"]))
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{written!r} is not a date; write one such as 2026-06-03") from None


def start_of_day(day: date, schedule: Schedule) -> datetime:
    """Return when a day starts in a schedule's time zone. Raises UsageError if that is too early for a date."""
    try:
        return datetime.combine(day, time(), tzinfo=schedule.zone).astimezone(UTC)
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
    ended_at = min(subscriber.resumes_at or now, now)
    return replace(subscriber, state=SubscriberState.ACTIVE, resumes_at=None, slots_from=ended_at)


def catches_up(subscriber: Subscriber) -> bool:
    """Return True if they missed digests since the last one, because of a pause or because they had left."""
    slots_from, last_digest_at = subscriber.slots_from, subscriber.last_digest_at
    return slots_from is not None and last_digest_at is not None and slots_from > last_digest_at

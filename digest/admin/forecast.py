"""What goes out next: the hour in which somebody's time comes, and what those would get as things stand now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from digest.models import Digest, Schedule, Subscriber
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.store import Transaction, subscribers
from digest.subscribers.schedule import next_slot

MAX_DECIDED = 200  # subscribers

_HOUR = timedelta(hours=1)
_MOST_SCHEDULES = 300  # of which people are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """An hour to come, and whose time comes in it."""

    begins_at: datetime
    slots: Mapping[Schedule, datetime]  # when it comes for those with this schedule
    counts: Mapping[Schedule, int]  # how many they are
    is_exact: bool = True  # else counted by a sample, as there are very many subscribers

    @property
    def ends_at(self) -> datetime:
        """It is over then."""
        return self.begins_at + _HOUR

    @property
    def people(self) -> int:
        """How many they are together."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is decided for an hour to come, as things stand now."""

    hour: Hour
    decided: Sequence[Digest]  # for the first of its people, as publishing would
    unreadable: Mapping[str, str]  # whose rules cannot be read, and why


def next_hour(tx: Transaction, *, timezone: ZoneInfo, now: datetime) -> Hour | None:
    """The next hour of the clock in `timezone` in which somebody's time comes; None where nobody waits for any."""
    known = subscribers.count_by_schedule(tx)
    coming = {schedule: slot for schedule in known.counts if (slot := next_slot(schedule, now))}
    if not coming:
        return None
    first = min(coming.values()).astimezone(timezone)
    begins_at = first.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    within = {schedule: slot for schedule, slot in coming.items() if slot < begins_at + _HOUR}
    counts = {schedule: known.counts[schedule] for schedule in within}
    return Hour(begins_at=begins_at, slots=within, counts=counts, is_exact=known.is_exact)


def forecast(
    tx: Transaction, compiled_profiles: CompiledProfiles, selection_settings: SelectionSettings, hour: Hour
) -> Forecast:
    """What the people of an hour would get. Reads only, and decides for `MAX_DECIDED` of them at most."""
    selector = PaperSelector(compiled_profiles, selection_settings, now=min(hour.slots.values()))
    decided = selector.select(tx, _some(tx, hour))
    return Forecast(hour=hour, decided=decided, unreadable=selector.invalid_rules)


def _some(tx: Transaction, hour: Hour) -> list[tuple[Subscriber, datetime]]:
    """(subscriber, slot) of some of them: of the times that most have chosen, where there are very many."""
    usual = sorted(hour.counts, key=lambda schedule: -hour.counts[schedule])[:_MOST_SCHEDULES]
    people = subscribers.list_by_schedules(tx, usual, limit=MAX_DECIDED)
    return [(one, hour.slots[one.schedule]) for one in people]

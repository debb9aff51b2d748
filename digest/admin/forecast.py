"""The next hour in which subscribers are due, and what they would get now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from digest.models import Digest, Schedule
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.store import Transaction, subscribers
from digest.subscribers.schedule import next_slot

MAX_DECIDED = 200  # subscribers

_HOUR = timedelta(hours=1)
_MAX_SCHEDULES = 300  # from which subscribers are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """A future hour, and the subscribers who are due in it."""

    begins_at: datetime
    slots: Mapping[Schedule, datetime]  # when subscribers with this schedule are due
    counts: Mapping[Schedule, int]  # subscribers with this schedule
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
    coming = {schedule: slot for schedule in known if (slot := next_slot(schedule, now))}
    if not coming:
        return None
    first = min(coming.values()).astimezone(timezone)
    begins_at = first.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    within = {schedule: slot for schedule, slot in coming.items() if slot < begins_at + _HOUR}
    counts = {schedule: known[schedule] for schedule in within}
    return Hour(begins_at=begins_at, slots=within, counts=counts, is_exact=is_exact)


def forecast(
    tx: Transaction, compiled_profiles: CompiledProfiles, selection_settings: SelectionSettings, hour: Hour
) -> tuple[Sequence[Digest], Mapping[str, str]]:
    """Select the digests of an hour, as publishing would, for at most `MAX_DECIDED` of its subscribers. Only reads.

    Returns (the digests, {owner of rules that cannot be read: error}).
    """
    selector = PaperSelector(compiled_profiles, selection_settings, now=min(hour.slots.values()))
    usual = sorted(hour.counts, key=lambda schedule: -hour.counts[schedule])[:_MAX_SCHEDULES]
    some = subscribers.list_by_schedules(tx, usual, limit=MAX_DECIDED)
    decided = selector.select(tx, [(subscriber, hour.slots[subscriber.schedule]) for subscriber in some])
    return decided, selector.invalid_rules

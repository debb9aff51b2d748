"""The form for when and how somebody is mailed: as it is stored, as it was typed, and read."""

from dataclasses import dataclass, replace
from typing import Self

from digest import roster
from digest.errors import UsageError
from digest.mail import Templates
from digest.models import Subscriber, Weekday
from digest.roster import ANNOUNCED
from digest.schedule import parse_days, parse_send_at, parse_timezone
from digest.web.pages import Fields

MOST_CHOSEN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MailForm:
    """Its fields, as text."""

    name: str
    send_at: str
    timezone: str
    days: frozenset[str]
    language: str
    max_papers: str
    announced: frozenset[str]
    trending: bool

    @classmethod
    def of(cls, reader: Subscriber) -> Self:
        """As it is stored."""
        schedule = reader.schedule
        return cls(
            name=reader.name,
            send_at=f"{schedule.send_at:%H:%M}",
            timezone=schedule.timezone,
            days=frozenset(day.value for day in schedule.days),
            language=reader.language,
            max_papers=str(reader.max_papers),
            announced=frozenset(name for name, types in ANNOUNCED.items() if types & reader.announce_types),
            trending=reader.wants_trending,
        )

    @classmethod
    def typed(cls, form: Fields) -> Self:
        """As it was posted."""
        return cls(
            name=form.get("name", ""),
            send_at=form.get("send_at", ""),
            timezone=form.get("timezone", ""),
            days=frozenset(form.getlist("day")) & {day.value for day in Weekday},
            language=form.get("language", ""),
            max_papers=form.get("max_papers", "").strip(),
            announced=frozenset(form.getlist("announce")) & ANNOUNCED.keys(),
            trending="trending" in form,
        )

    def read(self, reader: Subscriber, templates: Templates) -> tuple[Subscriber, frozenset[str]]:
        """(the reader with what they chose, the names of the fields that cannot be read, which stay as they were)."""
        mistakes: set[str] = set()
        schedule = reader.schedule
        changed = replace(reader, name=roster.one_line(self.name), wants_trending=self.trending)
        try:
            schedule = replace(schedule, send_at=parse_send_at(self.send_at))
        except UsageError:
            mistakes.add("send_at")
        try:
            schedule = replace(schedule, timezone=parse_timezone(self.timezone))
        except UsageError:
            mistakes.add("timezone")
        if self.days:
            schedule = replace(schedule, days=parse_days(",".join(self.days)))
        else:
            mistakes.add("days")
        try:
            changed = replace(changed, language=templates.languages.checked(self.language))
        except UsageError:
            mistakes.add("language")
        if self._asks_for_a_number(at_most=max(MOST_CHOSEN, reader.max_papers)):
            changed = replace(changed, max_papers=int(self.max_papers))
        else:
            mistakes.add("max_papers")
        if self.announced:
            changed = replace(changed, announce_types=roster.parse_announced(",".join(self.announced)))
        else:
            mistakes.add("announced")
        return replace(changed, schedule=schedule), frozenset(mistakes)

    def _asks_for_a_number(self, *, at_most: int) -> bool:
        written = self.max_papers
        return written.isascii() and written.isdecimal() and len(written) <= 4 and 1 <= int(written) <= at_most

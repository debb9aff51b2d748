"""The form for when and how somebody is mailed: as it is stored, as it was typed, and read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Self, TypeVar

from digest.errors import UsageError
from digest.mail import Templates
from digest.models import Schedule, Subscriber, Weekday
from digest.subscribers import fields
from digest.subscribers.fields import ANNOUNCED
from digest.subscribers.schedule import parse_days, parse_send_at, parse_timezone, slot_due
from digest.web.pages import Fields

MOST_CHOSEN = 100  # papers a digest, by a reader

ReadT = TypeVar("ReadT")


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

    def read(
        self, reader: Subscriber, templates: Templates, *, most_papers: int = MOST_CHOSEN
    ) -> tuple[Subscriber, frozenset[str]]:
        """(the reader with what was chosen, the names of the fields that cannot be read, which stay as they were)."""
        mistakes: set[str] = set()

        def read(field: str, parse: Callable[[str], ReadT], written: str, before: ReadT) -> ReadT:
            try:
                return parse(written)
            except UsageError:
                mistakes.add(field)
                return before

        was, most = reader.schedule, max(most_papers, reader.max_papers)
        parse_number = partial(fields.parse_max_papers, most=most)
        changed = replace(
            reader,
            name=fields.one_line(self.name),
            schedule=Schedule(
                timezone=read("timezone", parse_timezone, self.timezone, was.timezone),
                send_at=read("send_at", parse_send_at, self.send_at, was.send_at),
                days=read("days", parse_days, ",".join(self.days), was.days),
            ),
            language=read("language", templates.languages.checked, self.language, reader.language),
            max_papers=read("max_papers", parse_number, self.max_papers, reader.max_papers),
            announce_types=read("announced", fields.parse_announced, ",".join(self.announced), reader.announce_types),
            wants_trending=self.trending,
        )
        return changed, frozenset(mistakes)


def not_twice_today(before: Subscriber, after: Subscriber, *, at: datetime) -> Subscriber:
    """An hour that the new schedule would have had today and the old one has served is not made up for at once."""
    due = slot_due(after.schedule, before.last_slot_at, at)
    if due is None or slot_due(before.schedule, before.last_slot_at, at) is not None:
        return after
    return replace(after, last_slot_at=due)

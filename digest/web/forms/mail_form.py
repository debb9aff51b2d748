"""The form for when and how somebody is mailed: as it is stored, as it was typed, and read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, partial
from itertools import groupby
from typing import Annotated, Self, TypeVar
from zoneinfo import available_timezones

from digest.errors import UsageError
from digest.mail import Templates
from digest.models import Schedule, Subscriber, Weekday
from digest.subscribers import fields
from digest.subscribers.fields import ANNOUNCE_NAMES
from digest.subscribers.schedule import parse_days, parse_send_at, parse_timezone, slot_due
from digest.web.pages import Fields
from digest.web.template_samples import Samples

MAX_CHOSEN_PAPERS = 100  # papers a digest, by a reader

A_MONDAY = date(2024, 1, 1)

_FIELDS = frozenset({"send_at", "timezone", "days", "language", "max_papers", "announced"})
_LONGEST = 64  # characters; what is longer is not looked for among the names

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
    announced: Annotated[frozenset[str], Samples(frozenset(), frozenset(ANNOUNCE_NAMES))]
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
            announced=frozenset(name for name, types in ANNOUNCE_NAMES.items() if types & reader.announce_types),
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
            announced=frozenset(form.getlist("announce")) & ANNOUNCE_NAMES.keys(),
            trending="trending" in form,
        )

    def read(
        self, reader: Subscriber, templates: Templates, *, most_papers: int = MAX_CHOSEN_PAPERS
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
            announce_types=read("announced", fields.parse_announce, ",".join(self.announced), reader.announce_types),
            wants_trending=self.trending,
        )
        return changed, frozenset(mistakes)


def skip_slot_served_today(before: Subscriber, after: Subscriber, *, at: datetime) -> Subscriber:
    """An hour that the new schedule would have had today and the old one has served is not made up for at once."""
    due = slot_due(after.schedule, before.last_slot_at, at)
    if due is None or slot_due(before.schedule, before.last_slot_at, at) is not None:
        return after
    return replace(after, last_slot_at=due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something to tick or to select."""

    value: str
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayChoice:
    """A day of the week to tick; `example_on` is one, as templates write its name in the reader's language."""

    value: str
    example_on: date
    chosen: bool


EVERY_DAY = tuple(
    WeekdayChoice(value=day.value, example_on=A_MONDAY.replace(day=number), chosen=True)
    for number, day in enumerate(Weekday, 1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFields:
    """What the fields show."""

    form: MailForm
    zones: tuple[tuple[str, tuple[str, ...]], ...]  # by continent
    days: tuple[WeekdayChoice, ...]
    languages: tuple[Choice, ...]
    most_papers: int
    mistakes: Annotated[frozenset[str], Samples(frozenset(), _FIELDS)]  # fields of `form` that cannot be read

    @classmethod
    def of(
        cls,
        form: MailForm,
        reader: Subscriber,
        templates: Templates,
        *,
        most_papers: int,
        mistakes: frozenset[str] = frozenset(),
    ) -> Self:
        """Those of a form that is, or was, somebody's."""
        named = {language.code: language.locale.display_name or language.code for language in templates.languages}
        return cls(
            form=form,
            zones=_zones(reader.schedule.timezone),
            days=weekday_choices(form),
            languages=tuple(
                Choice(value=code, text=name, chosen=code == form.language) for code, name in named.items()
            ),
            most_papers=max(most_papers, reader.max_papers),
            mistakes=mistakes,
        )


def choices(names: Iterable[str], chosen: Iterable[str]) -> tuple[Choice, ...]:
    """Names to tick, some of which are."""
    ticked = set(chosen)
    return tuple(Choice(value=name, text=name, chosen=name in ticked) for name in names)


def weekday_choices(form: MailForm) -> tuple[WeekdayChoice, ...]:
    """The days of the week, those ticked that a form has."""
    return tuple(replace(day, chosen=day.value in form.days) for day in EVERY_DAY)


def _zones(own: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The time zones by continent, with somebody's own wherever it stands."""
    known = by_continent()
    return known if any(own in names for _, names in known) else (*known, ("", (own,)))


@cache
def suggested() -> tuple[str, ...]:
    """The zones that are named by a place, and UTC. Others are understood, too."""
    named = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return ("UTC", *sorted(named))


@cache
def by_continent() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The same in groups, each with its name; UTC has none."""
    return tuple((group, tuple(names)) for group, names in groupby(suggested(), key=_continent))


def _continent(name: str) -> str:
    continent, slash, _ = name.partition("/")
    return continent if slash else ""


def find_timezone(typed: str) -> str:
    """The zone of that name, "" where there is none."""
    name = typed.strip()
    if not name or len(name) > _LONGEST:
        return ""
    try:
        return parse_timezone(name)
    except UsageError:
        return ""

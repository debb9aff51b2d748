"""What the form for when and how somebody is mailed shows: what was typed, and what there is to choose from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Self

from digest.mail import Templates
from digest.models import Subscriber, Weekday
from digest.web.forms.mail_form import MailForm
from digest.web.forms.timezones import by_continent

A_MONDAY = date(2024, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something to tick or to select."""

    value: str
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekdays:
    """A day of the week to tick; `example_on` is one, as templates write its name in the reader's language."""

    value: str
    example_on: date
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFields:
    """What the fields show."""

    form: MailForm
    zones: tuple[tuple[str, tuple[str, ...]], ...]  # by continent
    days: tuple[Weekdays, ...]
    languages: tuple[Choice, ...]
    most_papers: int
    mistakes: frozenset[str]  # fields of `form` that cannot be read

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
            days=days_of(form),
            languages=tuple(
                Choice(value=code, text=name, chosen=code == form.language) for code, name in named.items()
            ),
            most_papers=max(most_papers, reader.max_papers),
            mistakes=mistakes,
        )

    @classmethod
    def sample(cls, mistakes: frozenset[str] = frozenset()) -> Self:
        """Some, to try templates with."""
        form = MailForm.of(Subscriber(email="reader@digest.invalid"))
        languages = (
            Choice(value="en", text="English", chosen=True),
            Choice(value="de", text="Deutsch", chosen=False),
        )
        return cls(
            form=form,
            zones=(("", ("UTC",)), ("Europe", ("Europe/Berlin",))),
            days=days_of(form),
            languages=languages,
            most_papers=100,
            mistakes=mistakes,
        )


def choices(names: Iterable[str], chosen: Iterable[str]) -> tuple[Choice, ...]:
    """Names to tick, some of which are."""
    ticked = set(chosen)
    return tuple(Choice(value=name, text=name, chosen=name in ticked) for name in names)


def days_of(form: MailForm) -> tuple[Weekdays, ...]:
    """The days of the week, those ticked that a form has."""
    return tuple(
        Weekdays(value=day.value, example_on=A_MONDAY.replace(day=number), chosen=day.value in form.days)
        for number, day in enumerate(Weekday, 1)
    )


def _zones(own: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The time zones by continent, with somebody's own wherever it stands."""
    known = by_continent()
    return known if any(own in names for _, names in known) else (*known, ("", (own,)))

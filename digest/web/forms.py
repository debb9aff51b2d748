"""Forms that several pages share: keywords, compiled or with their mistakes, and a subscriber's other fields."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from itertools import groupby
from typing import Annotated, Self
from zoneinfo import available_timezones

from digest.errors import CostlyRuleError, RuleError, UsageError
from digest.mail import Templates
from digest.matching import MAX_MISTAKES, compile_rules, list_mistakes, parse_rules
from digest.matching.language.hints import Hint, list_hints, split_line
from digest.models import CompiledRules, Subscriber, Weekday
from digest.subscribers import fields
from digest.subscribers.fields import ANNOUNCE_NAMES
from digest.subscribers.schedule import parse_timezone
from digest.web.dependencies import Fields, RequestContext, parse_number
from digest.web.rendering import Fault, Samples

MAX_CHOSEN_PAPERS = 100  # a digest, for readers; admins may choose more
A_MONDAY = date(2024, 1, 1)
_FIELDS = frozenset({"send_at", "timezone", "days", "language", "max_papers", "announced"})
_LONGEST = 64  # characters; what is longer is not looked for among the time zones


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake in a rule; line and column count from 1."""

    line: int
    column: int
    reason: str
    term: str = ""  # what occurs too often, if matching the rules would take too long

    @classmethod
    def of(cls, error: RuleError) -> Self:
        """Return the mistake that an error tells."""
        term = error.term if isinstance(error, CostlyRuleError) else ""
        return cls(error.line, error.column, error.reason, term)


@dataclass(frozen=True, slots=True)
class Keywords:
    """What a form for keywords shows: the typed text and its mistakes."""

    text: Annotated[str, Samples("", "cat", "cat\ndog")] = ""
    mistakes: Annotated[tuple[Mistake, ...], Fault()] = ()
    is_cut: bool = False  # there may be more mistakes: the rest was not read
    hints: tuple[Hint, ...] = ()  # phrases that may be meant as lists or operators


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text. All pieces joined are the whole text."""

    text: str
    wrong: bool = False  # the mistake is here


def read_keywords(typed: str) -> tuple[CompiledRules | None, Keywords]:
    """Return (the compiled rules, or None if a line is wrong; what the form shows). Browsers send CRLF line ends."""
    return read_lines(_normalized(typed))


def typed_keywords(form: Fields) -> str:
    """Return the keywords of a form; if the button at a hint was pressed, with that line split."""
    text = form.get("rules", "")
    return split_line(_normalized(text), parse_number(form["split"])) if "split" in form else text


def _normalized(typed: str) -> str:
    return typed.replace("\r\n", "\n").replace("\r", "\n").strip("\n")


def read_affordable_keywords(context: RequestContext, typed: str) -> tuple[CompiledRules | None, Keywords]:
    """Return the result of `read_keywords`; rules that would take too long to match have a mistake, too."""
    rules, keywords = read_keywords(typed)
    try:
        if rules is not None:
            context.app.check_cost(rules, now=context.now)
    except CostlyRuleError as error:
        return None, replace(keywords, mistakes=(Mistake.of(error),))
    return rules, keywords


def read_lines(text: str) -> tuple[CompiledRules | None, Keywords]:
    """Return the result of `read_keywords` for text with LF line ends, keeping empty lines at both ends."""
    try:
        return compile_rules(text), Keywords(text, hints=tuple(list_hints(text)))
    except RuleError as error:
        mistakes = mistakes_in(text, error)
        return None, Keywords(text, mistakes, len(mistakes) == MAX_MISTAKES, tuple(list_hints(text)))


def is_readable(rules: str) -> bool:
    """Return whether saved rules can be parsed: an older version may have accepted others."""
    try:
        parse_rules(rules)
    except RuleError:
        return False
    return True


def readable(keywords: Keywords) -> str:
    """Return the text with the lines that have a mistake left empty, so that the others keep their numbers."""
    wrong = {mistake.line for mistake in keywords.mistakes}
    lines = keywords.text.split("\n")
    return "\n".join("" if number in wrong else line for number, line in enumerate(lines, 1))


def marked(keywords: Keywords) -> tuple[Piece, ...]:
    """Return the text with one word marked for each mistake: the word at its column, or else the last of the line."""
    column_of = {mistake.line: mistake.column for mistake in keywords.mistakes}
    found: list[Piece] = []
    for number, line in enumerate(keywords.text.split("\n"), 1):
        found += [Piece("\n")] if number > 1 else []
        words = list(re.finditer(r"\S+", line))
        if number not in column_of or not words:
            found.append(Piece(line))
            continue
        column = column_of[number]
        word = next((word for word in words if word.end() >= column), words[-1])
        begin = max(word.start(), column - 1) if column <= word.end() else word.start()
        found += [Piece(line[:begin]), Piece(line[begin : word.end()], wrong=True), Piece(line[word.end() :])]
    return tuple(piece for piece in found if piece.text)


def mistakes_in(text: str, first: RuleError) -> tuple[Mistake, ...]:
    """Return the mistake of each line that has one, up to a limit, beginning with `first`."""
    return tuple(map(Mistake.of, list_mistakes(text, first)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MailForm:
    """The fields of the form, as text."""

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
        """Return the form as it is stored."""
        return cls(
            name=reader.name,
            send_at=f"{reader.schedule.send_at:%H:%M}",
            timezone=reader.schedule.timezone,
            days=frozenset(day.value for day in reader.schedule.days),
            language=reader.language,
            max_papers=str(reader.max_papers),
            announced=frozenset(name for name, types in ANNOUNCE_NAMES.items() if types & reader.announce_types),
            trending=reader.wants_trending,
        )

    @classmethod
    def typed(cls, form: Fields) -> Self:
        """Return the form as it was posted."""
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
        """Return (the reader with the posted values, names of fields that cannot be read and keep their values)."""
        options = fields.SubscriberOptions(
            languages=templates.languages, max_papers=max(most_papers, reader.max_papers)
        )
        values = asdict(self) | {"days": ",".join(self.days), "announce": ",".join(self.announced)}
        del values["announced"]
        changes, errors = fields.parse_changes(values, options)
        mistakes = frozenset("announced" if name == "announce" else name for name in errors)
        return fields.apply_changes(reader, changes), mistakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A checkbox or an option."""

    value: str
    text: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayChoice:
    """A checkbox for a day of the week. Templates write its name by the date `example_on`."""

    value: str
    example_on: date
    chosen: bool


EVERY_DAY = tuple(
    WeekdayChoice(value=day.value, example_on=A_MONDAY.replace(day=number), chosen=True)
    for number, day in enumerate(Weekday, 1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFields:
    """What the fields of the form show."""

    form: MailForm
    zones: tuple[tuple[str, tuple[str, ...]], ...]  # by continent
    days: tuple[WeekdayChoice, ...]
    languages: tuple[Choice, ...]
    most_papers: int
    mistakes: Annotated[frozenset[str], Samples(frozenset(), _FIELDS)]  # names of fields that cannot be read

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
        """Return the fields for a reader's form, stored or posted."""
        named = {language.code: language.locale.display_name or language.code for language in templates.languages}
        zones, own = timezones_by_continent(), reader.schedule.timezone
        return cls(
            form=form,
            zones=zones if any(own in names for _, names in zones) else (*zones, ("", (own,))),
            days=weekday_choices(form),
            languages=tuple(
                Choice(value=code, text=name, chosen=code == form.language) for code, name in named.items()
            ),
            most_papers=max(most_papers, reader.max_papers),
            mistakes=mistakes,
        )


def choices(names: Iterable[str], chosen: Iterable[str]) -> tuple[Choice, ...]:
    """Return checkboxes for `names`, with `chosen` checked."""
    checked = set(chosen)
    return tuple(Choice(value=name, text=name, chosen=name in checked) for name in names)


def weekday_choices(form: MailForm) -> tuple[WeekdayChoice, ...]:
    """Return a checkbox for each day of the week, as the form has them."""
    return tuple(replace(day, chosen=day.value in form.days) for day in EVERY_DAY)


@cache
def suggested() -> tuple[str, ...]:
    """Return the time zones to suggest: those named after a place, and UTC. Others can be typed, too."""
    named = (name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return ("UTC", *sorted(named))


@cache
def timezones_by_continent() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the suggested time zones in groups by continent; UTC has none."""
    groups = groupby(suggested(), key=lambda name: name.partition("/")[0] if "/" in name else "")
    return tuple((group, tuple(names)) for group, names in groups)


def find_timezone(typed: str) -> str:
    """Return the time zone of that name, or ""."""
    name = typed.strip()
    if not name or len(name) > _LONGEST:
        return ""
    try:
        return parse_timezone(name)
    except UsageError:
        return ""

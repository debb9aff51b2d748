"""The fields of a subscriber: each is declared, described, parsed and shown once, for pages, API, commands and CSV.

Nothing here reads or writes the database.
"""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from digest.errors import NotFoundError, UsageError
from digest.mail.languages import DEFAULT_LANGUAGE, Languages
from digest.models import EVERY_TYPE, AnnounceType, Schedule, Subscriber, SubscriberState
from digest.security import addresses
from digest.subscribers import csv_reading, schedule
from digest.text import printable_line

MAX_PAPERS = 500  # a digest

# An updated paper is one choice for people, cross-listed or not.
ANNOUNCE_NAMES = {
    "new": frozenset({AnnounceType.NEW}),
    "cross": frozenset({AnnounceType.CROSS}),
    "updates": frozenset({AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS}),
}

_MAX_NAME = 200  # characters
_MAX_CELL = 10_000  # of a CSV file
_MAX_ADDRESS = 254  # of what a wrong row shows, as is the next
_MAX_REASON = 500
_WHOLE = re.compile(r"\.0+$")  # of a number that a spreadsheet wrote as a decimal
_ANSWERS = {
    **dict.fromkeys(("yes", "y", "true", "1", "ja", "wahr"), True),
    **dict.fromkeys(("no", "n", "false", "0", "nein", "falsch"), False),
}
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # spreadsheets evaluate a cell that begins with one of these
_ESCAPE = re.compile(rf"^'(?={_FORMULA.pattern})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberOptions:
    """What an installation offers its subscribers, and the defaults."""

    languages: Languages
    profiles: Collection[str] = ()  # names of the shared profiles
    max_papers: int = MAX_PAPERS
    timezone: str = "UTC"
    language: str = DEFAULT_LANGUAGE


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a subscriber.

    `parse` takes text, or the value that `show` returns, and raises UsageError. `show` returns a value for JSON.
    """

    name: str  # in CSV, JSON and forms
    description: str
    parse: Callable[[Any, SubscriberOptions], Any]
    show: Callable[[Subscriber], Any]
    attribute: str = ""  # where Subscriber calls it something else
    in_schedule: bool = False


def one_line(text: str) -> str:
    """Return text without line ends and control characters, at most 200 characters: names go into mail headers."""
    return printable_line(text)[:_MAX_NAME].rstrip()


def parse_announce(written: str) -> frozenset[AnnounceType]:
    """Parse "all", or a list such as "new,cross". Raises UsageError."""
    if written.strip().lower() == "all":
        return EVERY_TYPE
    try:
        asked = written.lower().replace(";", ",").split(",")
        return frozenset().union(*(ANNOUNCE_NAMES[name.strip()] for name in asked))
    except KeyError:
        names = ",".join(ANNOUNCE_NAMES)
        raise UsageError(f"{written!r} is not a kind of announcement; write all, or some of {names}") from None


def format_announce(types: frozenset[AnnounceType]) -> str:
    """Return the text that `parse_announce` reads as these types."""
    return "all" if types == EVERY_TYPE else ",".join(name for name, some in ANNOUNCE_NAMES.items() if some & types)


def _parse_max_papers(written: str | int, options: SubscriberOptions) -> int:
    digits, most = _WHOLE.sub("", str(written).strip()), options.max_papers
    if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(most)) and 1 <= int(digits) <= most:
        return int(digits)
    raise UsageError(f"{written!r} is not a number of papers; write 1 to {most}")


def parse_yes_or_no(written: str | bool) -> bool:
    """Parse "yes" or "no", or what spreadsheets write instead. Raises UsageError."""
    answer = written if isinstance(written, bool) else _ANSWERS.get(written.strip().casefold())
    if answer is None:
        raise UsageError(f"{written!r} is neither yes nor no")
    return answer


def _parse_profiles(written: str | Iterable[str], options: SubscriberOptions) -> tuple[str, ...]:
    """Parse names, or one text with `;` between them, and sort them as they are stored."""
    names: set[str] = set()
    for part in re.split(r"[;\n]", written) if isinstance(written, str) else written:
        name = part.strip()
        by_comma = {piece.strip() for piece in name.split(",")}
        if isinstance(written, str) and name not in options.profiles and by_comma <= set(options.profiles):
            names |= by_comma
        elif name in options.profiles:
            names.add(name)
        elif name:
            raise NotFoundError("profile", name, options.profiles, listed_by="digest profile list")
    return tuple(sorted(names))


def _text(parse: Callable[[Any], Any]) -> Callable[[Any, SubscriberOptions], Any]:
    """Return a parser that does not depend on the installation."""
    return lambda written, _: parse(written)


_DECLARED = (
    Field("name", "The subscriber's name.", _text(one_line), lambda s: s.name),
    Field(
        "timezone",
        "Time zone, such as Europe/Berlin (the newsletter's by default).",
        _text(schedule.parse_timezone),
        lambda s: s.schedule.timezone,
        in_schedule=True,
    ),
    Field(
        "send_at",
        "Local time of the digest (07:00 by default).",
        _text(schedule.parse_send_at),
        lambda s: f"{s.schedule.send_at:%H:%M}",
        in_schedule=True,
    ),
    Field(
        "days",
        "daily, weekdays, or a list such as mon,thu (daily by default).",
        _text(schedule.parse_days),
        lambda s: schedule.format_days(s.schedule.days),
        in_schedule=True,
    ),
    Field("profiles", "Shared profiles to follow, by name.", _parse_profiles, lambda s: list(s.profiles)),
    Field(
        "language",
        "Language of emails and pages: en, de (the newsletter's by default).",
        lambda written, options: options.languages.checked(written),
        lambda s: s.language,
    ),
    Field("max_papers", "Maximum papers per digest (25 by default).", _parse_max_papers, lambda s: s.max_papers),
    Field(
        "announce",
        "Announcements to include: all, or some of new,cross,updates (all by default).",
        _text(parse_announce),
        lambda s: format_announce(s.announce_types),
        attribute="announce_types",
    ),
    Field(
        "trending",
        "Also send popular papers.",
        _text(parse_yes_or_no),
        lambda s: s.wants_trending,
        attribute="wants_trending",
    ),
)
FIELDS = {field.name: field for field in _DECLARED}
COLUMNS = ("email", *FIELDS, "paused")


def parse_changes(values: Mapping[str, object], options: SubscriberOptions) -> tuple[dict[str, Any], dict[str, str]]:
    """Parse some fields. Returns (parsed values, reasons why others cannot be read), both by the field's name."""
    changes: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in values.items():
        try:
            changes[name] = FIELDS[name].parse(value, options)
        except UsageError as error:
            errors[name] = str(error)
    return changes, errors


def apply_changes(subscriber: Subscriber, changes: Mapping[str, Any]) -> Subscriber:
    """Return the subscriber with other values of some fields, as `parse_changes` returns them."""
    in_schedule = {name: value for name, value in changes.items() if FIELDS[name].in_schedule}
    others = {FIELDS[name].attribute or name: value for name, value in changes.items() if name not in in_schedule}
    return replace(subscriber, schedule=replace(subscriber.schedule, **in_schedule), **others)


def change(subscriber: Subscriber, values: Mapping[str, object], options: SubscriberOptions) -> Subscriber:
    """Return the subscriber with some fields as written. Raises UsageError for the first that cannot be read."""
    changes, errors = parse_changes(values, options)
    for reason in errors.values():
        raise UsageError(reason)
    return apply_changes(subscriber, changes)


def new_subscriber(
    email: str, *, timezone: str, language: str, profiles: Iterable[str] = (), confirmed: bool
) -> Subscriber:
    """Return a subscriber with the defaults, not stored yet. Raises AddressError."""
    return Subscriber(
        email=addresses.normalize(email),
        schedule=Schedule(timezone=timezone),
        state=SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        language=language,
        profiles=tuple(profiles),
    )


def record(s: Subscriber) -> dict[str, Any]:
    """Return a subscriber as values for JSON."""
    shown = {name: field.show(s) for name, field in FIELDS.items()}
    return {"email": s.email, "state": s.state.value, **shown, "resumes_at": s.resumes_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """A row of a CSV file: a subscriber, or why it has none and in which column.

    `line` is where the row begins, counted from 1 with the header. Without a subscriber `email` is as written, and
    `column` is "" if the row as a whole is wrong.
    """

    line: int
    email: str
    subscriber: Subscriber | None = None
    column: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSubscribers:
    """The subscribers in a CSV file; they can be iterated once. Raises UsageError where the file cannot be read on."""

    ignored_columns: tuple[str, ...]  # as the header names them
    rows: Iterator[CsvRow]

    def __iter__(self) -> Iterator[CsvRow]:
        return self.rows

    @property
    def warning(self) -> str:
        """A sentence that names the ignored columns, "" if there are none."""
        return csv_reading.describe_ignored(self.ignored_columns, COLUMNS) if self.ignored_columns else ""


def read_csv(text: str, options: SubscriberOptions, *, confirmed: bool) -> CsvSubscribers:
    """Read subscribers from CSV with a header line; only the column email is needed.

    A row that is wrong comes with its reason, and the next one is read. Raises UsageError if the header is wrong.
    """
    table = csv_reading.read_table(text, COLUMNS, needed="email")
    rows = (_read_row(row, options, confirmed=confirmed) for row in table.rows)
    return CsvSubscribers(ignored_columns=table.ignored, rows=rows)


def _read_row(row: csv_reading.Row, options: SubscriberOptions, *, confirmed: bool) -> CsvRow:
    values = {column: _ESCAPE.sub("", cell) for column, cell in row.cells.items()}
    email = values.get("email", "")
    long = next((column for column, cell in values.items() if len(cell) > _MAX_CELL), "")
    column, reason = "", row.reason
    if long:
        column, reason = long, f"{len(values[long])} characters; at most {_MAX_CELL} are read"
    if not reason:
        subscriber, errors = _from_values(values, options, confirmed=confirmed)
        if not errors:
            return CsvRow(line=row.line, email=subscriber.email, subscriber=subscriber)
        column, reason = next(iter(errors.items()))
    return CsvRow(line=row.line, email=email[:_MAX_ADDRESS], column=column, reason=reason[:_MAX_REASON])


def _from_values(
    values: Mapping[str, str], options: SubscriberOptions, *, confirmed: bool
) -> tuple[Subscriber, dict[str, str]]:
    """Return (the subscriber of a CSV row, reasons by column); empty cells mean the default."""
    subscriber, pause = Subscriber(email=""), values.get("paused", "")
    column = "email"
    try:
        subscriber = new_subscriber(
            values.get("email", ""), timezone=options.timezone, language=options.language, confirmed=confirmed
        )
        changes, errors = parse_changes({name: values[name] for name in FIELDS if values.get(name)}, options)
        subscriber = apply_changes(subscriber, changes)
        column = "paused"
        is_paused, day = (False, None) if errors else _parse_paused(pause)
        if is_paused and confirmed:  # a subscriber who is pending cannot be paused
            until = None if day is None else schedule.start_of_day(day, subscriber.schedule)
            subscriber = schedule.paused(subscriber, until)
    except UsageError as error:
        return subscriber, {column: str(error)}
    return subscriber, errors


def _parse_paused(written: str) -> tuple[bool, date | None]:
    """Parse "", "no", "yes" or the date when digests resume. Raises UsageError."""
    if not written:
        return False, None
    with suppress(UsageError):
        return parse_yes_or_no(written), None
    with suppress(UsageError):
        return True, schedule.parse_day(written)
    raise UsageError(f"{written!r} is not a date; write one such as 2026-06-03, or yes or no")


def to_csv(people: Iterable[Subscriber]) -> str:
    """Return subscribers as CSV, from which `read_csv` reads the same ones if they are active or paused."""
    return "".join(csv_in_parts([people]))


def csv_in_parts(parts: Iterable[Iterable[Subscriber]]) -> Iterator[str]:
    """Yield the text of `to_csv` part by part, for more subscribers than fit in memory."""
    yield csv_lines([COLUMNS])
    for people in parts:
        rows = []
        for s in people:
            cells: list[object] = [s.email]
            for field in FIELDS.values():
                value = field.show(s)
                value = ";".join(value) if isinstance(value, list) else value
                cells.append(("no", "yes")[value] if isinstance(value, bool) else value)
            until = s.resumes_at.astimezone(s.schedule.zone).date().isoformat() if s.resumes_at else "yes"
            rows.append([*cells, until if s.state is SubscriberState.PAUSED else ""])
        yield csv_lines(rows)


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV. A cell that a spreadsheet would evaluate gets an apostrophe, which `read_csv` takes away."""
    text = io.StringIO()
    cells = ([f"'{cell}" if _FORMULA.match(cell) else cell for cell in map(str, row)] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(cells)
    return text.getvalue()

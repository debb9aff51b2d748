"""Subscribers as people write them: options of a command, rows of a CSV file. Pure: text in, records out, and back."""

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from digest.errors import NotFoundError, UsageError
from digest.mail.languages import Languages
from digest.models import EVERY_TYPE, AnnounceType, Schedule, Subscriber, SubscriberState
from digest.security import addresses
from digest.subscribers.pauses import parse_day, paused, start_of_day
from digest.subscribers.schedule import format_days, parse_days, parse_schedule, parse_send_at, parse_timezone

COLUMNS = (
    *("email", "name", "timezone", "send_at", "days", "profiles", "language"),
    *("max_papers", "announce", "trending", "paused"),
)

MAX_PAPERS = 500  # a digest

# How papers are announced, as people choose: an updated paper is one, cross-listed or not.
ANNOUNCE_NAMES = {
    "new": frozenset({AnnounceType.NEW}),
    "cross": frozenset({AnnounceType.CROSS}),
    "updates": frozenset({AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS}),
}

_MAX_NAME = 200  # characters
_YES, _NO = "yes", "no"
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # a spreadsheet takes such a cell for something to work out

DEFAULT_SEND_AT = "07:00"
DEFAULT_DAYS = "daily"
_DEFAULT_MAX_PAPERS = Subscriber(email="").max_papers

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for who does not say."""

    timezone: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """What became of one row: a subscriber, or the reason why not and the column that it is about.

    `line` is where the row begins, counted from 1, the header included. `email` is as written where there is no
    subscriber, and `column` "" where the row as a whole is no good.
    """

    line: int
    email: str
    subscriber: Subscriber | None = None
    column: str = ""
    reason: str = ""


def new_subscriber(
    email: str,
    *,
    name: str = "",
    timezone: str,
    send_at: str = "",
    days: str = "",
    language: str,
    profiles: Iterable[str] = (),
    confirmed: bool,
) -> Subscriber:
    """A subscriber who is not stored yet. Empty values mean the defaults. Raises AddressError, UsageError."""
    return Subscriber(
        email=addresses.normalize(email),
        name=one_line(name),
        schedule=parse_schedule(timezone=timezone, send_at=send_at or DEFAULT_SEND_AT, days=days or DEFAULT_DAYS),
        state=SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        language=language,
        profiles=tuple(dict.fromkeys(p.strip() for p in profiles if p.strip())),
    )


def one_line(name: str) -> str:
    """A name without line ends and other control characters, and not endless: it goes into mail headers."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:_MAX_NAME].rstrip()


def parse_max_papers(written: str, *, most: int = MAX_PAPERS) -> int:
    """How many papers a digest has at most. Raises UsageError."""
    if written.isascii() and written.isdecimal() and len(written) <= len(str(most)) and 1 <= int(written) <= most:
        return int(written)
    raise UsageError(f"{written!r} is not how many papers a digest has at most; write 1 to {most}")


def parse_announce(written: str) -> frozenset[AnnounceType]:
    """ "all", or a list such as "new,cross". Raises UsageError."""
    if written.strip().lower() == "all":
        return EVERY_TYPE
    try:
        return frozenset().union(*(ANNOUNCE_NAMES[name.strip().lower()] for name in written.split(",")))
    except KeyError:
        raise UsageError(
            f"{written!r} is not how papers are announced; write all, or of {','.join(ANNOUNCE_NAMES)}"
        ) from None


def format_announce(types: frozenset[AnnounceType]) -> str:
    """What `parse_announce` reads back as the same."""
    return "all" if types == EVERY_TYPE else ",".join(name for name, some in ANNOUNCE_NAMES.items() if some & types)


def read_csv(
    text: str,
    *,
    defaults: Defaults,
    known_profiles: Collection[str],
    languages: Languages,
    confirmed: bool,
) -> Iterator[CsvRow]:
    """The subscribers in a CSV file with a header line; columns may be left out, only email is needed.

    A bad row is given with its reason and the next one is read. Raises UsageError if the header is not one.
    """
    records = _records(text)
    _, header = next(records, (1, []))
    columns = [c.strip() for c in header]
    if mark := next((mark for mark in ";\t" if len(columns) == 1 and mark in columns[0]), ""):
        raise UsageError(f"line 1: the columns are separated by {mark!r}; save the file with commas between them")
    unknown = [c for c in columns if c not in COLUMNS]
    if "email" not in columns or unknown:
        found = f"unknown column {unknown[0]!r}" if unknown else "no column 'email'"
        raise UsageError(f"line 1: {found}; the header is {','.join(COLUMNS)} (only email is needed)")
    for line, cells in records:
        value = dict.fromkeys(COLUMNS, "") | {
            c: unescape_formula(cell.strip()) for c, cell in zip(columns, cells, strict=False)
        }
        try:
            if len(cells) > len(columns):
                raise _CellError("", "more cells than columns; put quotes around values that hold a comma")
            subscriber = _from_cells(value, defaults, known_profiles, languages, confirmed=confirmed)
            yield CsvRow(line=line, email=subscriber.email, subscriber=subscriber)
        except _CellError as error:
            yield CsvRow(line=line, email=value["email"], column=error.column, reason=str(error))


def to_csv(people: Iterable[Subscriber]) -> str:
    """What `read_csv` reads back as the same subscribers, of those on the list."""
    return csv_lines([COLUMNS, *(_cells(s) for s in people)])


def csv_in_parts(parts: Iterable[Iterable[Subscriber]]) -> Iterator[str]:
    """The same text in parts, of very many subscribers."""
    yield csv_lines([COLUMNS])
    for people in parts:
        yield csv_lines(_cells(s) for s in people)


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, in which a spreadsheet finds nothing to work out."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([escape_formula(str(cell)) for cell in row] for row in rows)
    return text.getvalue()


def escape_formula(cell: str) -> str:
    """A cell as a CSV file holds it: what begins with = + - @ is worked out by spreadsheets, but for an apostrophe."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """What `escape_formula` made such a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def record(s: Subscriber) -> dict[str, Any]:
    """A subscriber as plain values."""
    return {
        "email": s.email,
        "name": s.name,
        "state": s.state.value,
        "timezone": s.schedule.timezone,
        "send_at": f"{s.schedule.send_at:%H:%M}",
        "days": format_days(s.schedule.days),
        "language": s.language,
        "max_papers": s.max_papers,
        "announce": format_announce(s.announce_types),
        "trending": s.wants_trending,
        "resumes_at": s.resumes_at,
        "profiles": list(s.profiles),
    }


class _CellError(UsageError):
    """A cell that cannot be read, and its column."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file, each with the line that it begins in; empty lines are none, but for the first."""
    lines = (found[0] for found in _LINE.finditer(text))  # a StringIO would hold it all again, in four bytes a letter
    reader = csv.reader(lines, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if cells or line == 1:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"line {line}: {error}") from None


def _from_cells(
    value: Mapping[str, str],
    defaults: Defaults,
    known_profiles: Collection[str],
    languages: Languages,
    *,
    confirmed: bool,
) -> Subscriber:
    schedule = Schedule(
        timezone=_read("timezone", value["timezone"] or defaults.timezone, parse_timezone),
        send_at=_read("send_at", value["send_at"] or DEFAULT_SEND_AT, parse_send_at),
        days=_read("days", value["days"] or DEFAULT_DAYS, parse_days),
    )
    subscriber = Subscriber(
        email=_read("email", value["email"], addresses.normalize),
        name=one_line(value["name"]),
        schedule=schedule,
        state=SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        language=_read("language", value["language"] or defaults.language, languages.checked),
        profiles=_read("profiles", value["profiles"], lambda written: _parse_profiles(written, known_profiles)),
        max_papers=_read("max_papers", value["max_papers"] or str(_DEFAULT_MAX_PAPERS), parse_max_papers),
        announce_types=_read("announce", value["announce"] or "all", parse_announce),
        wants_trending=_read("trending", value["trending"] or _YES, _parse_yes),
    )
    return _read("paused", value["paused"], lambda written: _with_pause(subscriber, written))


def _read(column: str, written: str, read: Callable[[str], _T]) -> _T:
    try:
        return read(written)
    except UsageError as error:
        raise _CellError(column, str(error)) from None


def _parse_profiles(written: str, known: Collection[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in written.split(";") if name.strip()))
    missing = [name for name in names if name not in known]
    if missing:
        raise NotFoundError("profile", missing[0], known, listed_by="digest profile list")
    return names


def _with_pause(subscriber: Subscriber, written: str) -> Subscriber:
    """Who has still to say yes pauses nothing. A pause that is over ends as soon as digests are published."""
    if written in {"", _NO} or subscriber.state is SubscriberState.PENDING:
        return subscriber
    return paused(subscriber, None if written == _YES else start_of_day(parse_day(written), subscriber.schedule))


def _parse_yes(written: str) -> bool:
    if written not in {_YES, _NO}:
        raise UsageError(f"{written!r} says neither yes nor no of trending")
    return written == _YES


def _cells(s: Subscriber) -> tuple[object, ...]:
    return s.email, s.name, *_schedule_cells(s.schedule), ";".join(s.profiles), *_choice_cells(s)


def _choice_cells(s: Subscriber) -> tuple[object, ...]:
    until = "" if s.resumes_at is None else s.resumes_at.astimezone(ZoneInfo(s.schedule.timezone)).date().isoformat()
    pause = until or _YES if s.state is SubscriberState.PAUSED else ""
    return s.language, s.max_papers, format_announce(s.announce_types), _YES if s.wants_trending else _NO, pause


def _schedule_cells(schedule: Schedule) -> tuple[str, str, str]:
    return schedule.timezone, f"{schedule.send_at:%H:%M}", format_days(schedule.days)

"""Subscribers as people write them: options of a command, rows of a CSV file. Pure: text in, records out, and back."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from digest import addresses
from digest.errors import NotFoundError, UsageError
from digest.mail.languages import Languages
from digest.models import EVERY_TYPE, AnnounceType, Schedule, Subscriber, SubscriberState
from digest.pauses import begin_of, parse_day, paused
from digest.schedule import format_days, parse_schedule

COLUMNS = (
    *("email", "name", "timezone", "send_at", "days", "profiles", "language"),
    *("max_papers", "announce", "trending", "paused"),
)

MOST_PAPERS = 500  # a digest

# How papers are announced, as people choose: an updated paper is one, cross-listed or not.
ANNOUNCED = {
    "new": frozenset({AnnounceType.NEW}),
    "cross": frozenset({AnnounceType.CROSS}),
    "updates": frozenset({AnnounceType.REPLACE, AnnounceType.REPLACE_CROSS}),
}

_MAX_NAME = 200  # characters
_YES, _NO = "yes", "no"

DEFAULT_SEND_AT = "07:00"
DEFAULT_DAYS = "daily"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for who does not say."""

    timezone: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one row: a subscriber, or the reason why not. `line` counts from 1, the header included."""

    line: int
    subscriber: Subscriber | None = None
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
        email=addresses.checked(email),
        name=one_line(name),
        schedule=parse_schedule(timezone=timezone, send_at=send_at or DEFAULT_SEND_AT, days=days or DEFAULT_DAYS),
        state=SubscriberState.ACTIVE if confirmed else SubscriberState.PENDING,
        language=language,
        profiles=tuple(dict.fromkeys(p.strip() for p in profiles if p.strip())),
    )


def one_line(name: str) -> str:
    """A name without line ends and other control characters, and not endless: it goes into mail headers."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:_MAX_NAME].rstrip()


def parse_max_papers(written: str, *, most: int = MOST_PAPERS) -> int:
    """How many papers a digest has at most. Raises UsageError."""
    if written.isascii() and written.isdecimal() and len(written) <= len(str(most)) and 1 <= int(written) <= most:
        return int(written)
    raise UsageError(f"{written!r} is not how many papers a digest has at most; write 1 to {most}")


def parse_announced(written: str) -> frozenset[AnnounceType]:
    """ "all", or a list such as "new,cross". Raises UsageError."""
    if written.strip().lower() == "all":
        return EVERY_TYPE
    try:
        return frozenset().union(*(ANNOUNCED[name.strip().lower()] for name in written.split(",")))
    except KeyError:
        raise UsageError(
            f"{written!r} is not how papers are announced; write all, or of {','.join(ANNOUNCED)}"
        ) from None


def format_announced(types: frozenset[AnnounceType]) -> str:
    """What `parse_announced` reads back as the same."""
    return "all" if types == EVERY_TYPE else ",".join(name for name, some in ANNOUNCED.items() if some & types)


def read(
    text: str,
    *,
    defaults: Defaults,
    known_profiles: Collection[str],
    languages: Languages,
    confirmed: bool,
) -> Iterator[Row]:
    """The subscribers in a CSV file with a header line; columns may be left out, only email is needed.

    A bad row is given with its reason and the next one is read. Raises UsageError if the header is not one.
    """
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = [c.strip() for c in reader.fieldnames or ()]
    unknown = [c for c in columns if c not in COLUMNS]
    if "email" not in columns or unknown:
        found = f"unknown column {unknown[0]!r}" if unknown else "no column 'email'"
        raise UsageError(f"line 1: {found}; the header is {','.join(COLUMNS)} (only email is needed)")
    reader.fieldnames = columns
    for cells in reader:
        try:
            subscriber = _from_cells(cells, defaults, known_profiles, languages, confirmed=confirmed)
            yield Row(line=reader.line_num, subscriber=subscriber)
        except UsageError as error:
            yield Row(line=reader.line_num, reason=str(error))


def write(people: Iterable[Subscriber]) -> str:
    """What `read` reads back as the same subscribers, of those on the list."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in people:
        writer.writerow((s.email, s.name, *_schedule_cells(s.schedule), ";".join(s.profiles), *_choice_cells(s)))
    return text.getvalue()


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
        "announce": format_announced(s.announce_types),
        "trending": s.wants_trending,
        "resumes_at": s.resumes_at,
        "profiles": list(s.profiles),
    }


def _from_cells(
    cells: dict[str, str | None],
    defaults: Defaults,
    known_profiles: Collection[str],
    languages: Languages,
    *,
    confirmed: bool,
) -> Subscriber:
    if None in cells:
        raise UsageError("more cells than columns; put quotes around values that hold a comma")
    value = {column: (cells.get(column) or "").strip() for column in COLUMNS}
    subscriber = new_subscriber(
        value["email"],
        name=value["name"],
        timezone=value["timezone"] or defaults.timezone,
        send_at=value["send_at"],
        days=value["days"],
        language=languages.checked(value["language"] or defaults.language),
        profiles=value["profiles"].split(";"),
        confirmed=confirmed,
    )
    subscriber = _with_choices(subscriber, value)
    missing = [p for p in subscriber.profiles if p not in known_profiles]
    if missing:
        raise NotFoundError("profile", missing[0], known_profiles, listed_by="digest profile list")
    return subscriber


def _with_choices(subscriber: Subscriber, value: dict[str, str]) -> Subscriber:
    """Who has still to say yes pauses nothing. A pause that is over ends as soon as digests are published."""
    if value["max_papers"]:
        subscriber = replace(subscriber, max_papers=parse_max_papers(value["max_papers"]))
    if value["announce"]:
        subscriber = replace(subscriber, announce_types=parse_announced(value["announce"]))
    subscriber = replace(subscriber, wants_trending=_parse_yes("trending", value["trending"] or _YES))
    if value["paused"] in {"", _NO} or subscriber.state is SubscriberState.PENDING:
        return subscriber
    until = None if value["paused"] == _YES else begin_of(parse_day(value["paused"]), subscriber.schedule)
    return paused(subscriber, until)


def _parse_yes(column: str, written: str) -> bool:
    if written not in {_YES, _NO}:
        raise UsageError(f"{written!r} says neither yes nor no of {column}")
    return written == _YES


def _choice_cells(s: Subscriber) -> tuple[object, ...]:
    until = "" if s.resumes_at is None else s.resumes_at.astimezone(ZoneInfo(s.schedule.timezone)).date().isoformat()
    pause = until or _YES if s.state is SubscriberState.PAUSED else ""
    return s.language, s.max_papers, format_announced(s.announce_types), _YES if s.wants_trending else _NO, pause


def _schedule_cells(schedule: Schedule) -> tuple[str, str, str]:
    return schedule.timezone, f"{schedule.send_at:%H:%M}", format_days(schedule.days)

"""Days, weeks and months of editions, as URLs name them: "2026-09-11", "2026-W37", "2026-09"."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import MAXYEAR, date, timedelta
from enum import StrEnum
from typing import Self

from digest.errors import UsageError

_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Span(StrEnum):
    """The length of a period."""

    DAY = "day"
    WEEK = "week"  # ISO 8601: from Monday
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week or a month: the editions of [first_on, last_on]."""

    span: Span
    first_on: date

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the period with this name. Raises UsageError."""
        with suppress(ValueError):  # no such day, week or month
            if name[:4] == str(MAXYEAR):
                pass  # its last week and month end after the last date
            elif week := _WEEK.fullmatch(name):
                return cls(Span.WEEK, date.fromisocalendar(int(week[1]), int(week[2]), 1))
            elif month := _MONTH.fullmatch(name):
                return cls(Span.MONTH, date(int(month[1]), int(month[2]), 1))
            elif _DAY.fullmatch(name):
                return cls(Span.DAY, date.fromisoformat(name))
        raise UsageError(f"{name!r} is not a date, week or month; write 2026-09-11, 2026-W37 or 2026-09")

    @classmethod
    def containing(cls, span: Span, day: date) -> Self:
        """Return the period of this length that contains a day."""
        match span:
            case Span.DAY:
                return cls(span, day)
            case Span.WEEK:
                return cls(span, day - timedelta(days=day.weekday()))
            case Span.MONTH:
                return cls(span, day.replace(day=1))

    @property
    def last_on(self) -> date:
        """The last day."""
        match self.span:
            case Span.DAY:
                return self.first_on
            case Span.WEEK:
                return self.first_on + timedelta(days=6)
            case Span.MONTH:
                return (self.first_on + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    @property
    def name(self) -> str:
        """The name, as `parse` reads it."""
        match self.span:
            case Span.DAY:
                return self.first_on.isoformat()
            case Span.WEEK:
                year, week, _ = self.first_on.isocalendar()
                return f"{year:04}-W{week:02}"
            case Span.MONTH:
                return f"{self.first_on:%Y-%m}"

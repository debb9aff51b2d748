"""Papers a day as a picture: where each bar stands, in units that the page stretches to the room that it has. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

HEIGHT = 100.0  # of the picture
STEP = 10  # from one day to the next
_GAP = 2  # between two bars
_LEAST = 1.0  # that a bar is high where there is a paper


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartDay:
    """A day as the chart shows it."""

    on: date
    papers: int
    before: int  # by the rules that are saved
    of: int  # papers that there were


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar for one day; `y` counts from the top."""

    x: float
    y: float
    width: float
    height: float
    day: ChartDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The picture, and what it says in numbers. Raises ValueError for no days."""

    width: int
    height: float
    top: int  # papers that the whole height stands for
    bars: tuple[Bar, ...]
    line: str  # the points of the line of what the saved rules found; "" where it is the same
    mark: float | None  # how high up the picture `full` papers are, from the top; None where it is above
    days: tuple[ChartDay, ...]

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("a chart shows one day at least")

    @property
    def most(self) -> ChartDay:
        """The first of the days with most papers."""
        return max(self.days, key=lambda day: day.papers)


def chart(days: Sequence[ChartDay], *, compared: bool, full: int) -> Chart:
    """The picture of days, at least one; `compared`: with a line for what the saved rules found, if that was other."""
    differs = compared and any(day.papers != day.before for day in days)
    top = max(1, *(day.papers for day in days), *(day.before for day in days if differs))

    def y(papers: int) -> float:
        return round(HEIGHT - HEIGHT * papers / top, 1) if papers else HEIGHT

    steps = ((f"{at * STEP},{y(day.before)}", f"{(at + 1) * STEP},{y(day.before)}") for at, day in enumerate(days))
    return Chart(
        width=STEP * len(days),
        height=HEIGHT,
        top=top,
        bars=tuple(_bar(at, day, min(y(day.papers), HEIGHT - _LEAST)) for at, day in enumerate(days) if day.papers),
        line=" ".join(point for step in steps for point in step) if differs else "",
        mark=y(full) if full <= top else None,
        days=tuple(days),
    )


def _bar(at: int, day: ChartDay, y: float) -> Bar:
    return Bar(x=at * STEP + _GAP / 2, y=y, width=STEP - _GAP, height=round(HEIGHT - y, 1), day=day)

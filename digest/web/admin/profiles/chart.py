"""The chart of papers per day, in units that the page scales to its width."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

HEIGHT = 100.0  # of the chart
STEP = 10  # from one day to the next
_GAP = 2  # between two bars
_MIN_HEIGHT = 1.0  # of a bar, so that a single paper can be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartDay:
    """One day of the chart."""

    on: date
    papers: int
    before: int  # found by the saved rules
    of: int  # papers of that day


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The bar of one day; `y` counts from the top."""

    x: float
    y: float
    width: float
    height: float
    day: ChartDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The chart, and its numbers. Raises ValueError if there are no days."""

    width: int
    height: float
    top: int  # papers at the full height
    bars: tuple[Bar, ...]
    line: str  # the points of the saved rules' line, or "" if it is the same
    mark: float | None  # the y of `full` papers; None if above the chart
    days: tuple[ChartDay, ...]

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("a chart needs at least one day")

    @property
    def most(self) -> ChartDay:
        """The first day with the most papers."""
        return max(self.days, key=lambda day: day.papers)


def chart(days: Sequence[ChartDay], *, compared: bool, full: int) -> Chart:
    """The chart of one or more days. `compared` adds a line for the saved rules, if they find other numbers."""
    differs = compared and any(day.papers != day.before for day in days)
    top = max(1, *(day.papers for day in days), *(day.before for day in days if differs))

    def y(papers: int) -> float:
        return round(HEIGHT - HEIGHT * papers / top, 1) if papers else HEIGHT

    steps = ((f"{at * STEP},{y(day.before)}", f"{(at + 1) * STEP},{y(day.before)}") for at, day in enumerate(days))
    return Chart(
        width=STEP * len(days),
        height=HEIGHT,
        top=top,
        bars=tuple(
            Bar(x=at * STEP + _GAP / 2, y=top_of_bar, width=STEP - _GAP, height=round(HEIGHT - top_of_bar, 1), day=day)
            for at, day in enumerate(days)
            if day.papers
            for top_of_bar in [min(y(day.papers), HEIGHT - _MIN_HEIGHT)]
        ),
        line=" ".join(point for step in steps for point in step) if differs else "",
        mark=y(full) if full <= top else None,
        days=tuple(days),
    )

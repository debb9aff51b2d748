"""The first page: what this is, and the best of the newest edition."""

from dataclasses import dataclass
from datetime import date

from digest.models.periods import Period, Span
from digest.store import Store, editions
from digest.store.editions import Order
from digest.web.pages import Page, Visit
from digest.web.papers import Showcase, ShownPaper

_SHOWN = 5  # papers
_BEGINNING = 400  # characters of an abstract


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The best of the newest edition; no period where there is none yet."""

    period: Period | None
    count: int
    papers: tuple[ShownPaper, ...]


@dataclass(frozen=True, slots=True)
class Front:
    """The page at /."""

    store: Store
    showcase: Showcase

    def look(self, _visit: Visit) -> Page:
        """GET"""
        with self.store.read() as tx:
            day = editions.find_previous_date(tx, date.max)
            found = [] if day is None else editions.list_papers(tx, day, day, Order.TRENDING, offset=0, limit=_SHOWN)
            count = 0 if day is None else editions.count_by_day(tx, day, day)[day]
        shown = Newest(
            period=None if day is None else Period(Span.DAY, day),
            count=count,
            papers=tuple(self.showcase.show(paper, most=_BEGINNING) for paper in found),
        )
        return Page(template="front.html.j2", shows=shown)

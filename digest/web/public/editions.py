"""The papers of a day, a week or a month, page by page; and their feeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from starlette.exceptions import HTTPException

from digest.errors import UsageError
from digest.models import Paper
from digest.models.periods import Period, Span
from digest.store import Store, Transaction, editions
from digest.store.editions import Order
from digest.web.context import Site
from digest.web.feeds import FORMATS, Feed, document, item
from digest.web.pages import Document, Page, Visit
from digest.web.papers import Showcase, ShownPaper

_A_PAGE = 50
_LATEST = 100  # papers in the feed of whatever is newest
_MOST = 500  # papers in the feed of a period


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One page of an edition."""

    period: Period
    papers: tuple[ShownPaper, ...]
    order: Order
    by_default: Order  # the order where none is asked for
    page: int  # from 1
    pages: int
    count: int
    days: Mapping[date, int]  # of a week or month, those that have papers
    before: Period | None  # the nearest that have papers
    after: Period | None
    wider: tuple[Period, ...]  # the week and month around it

    def address(self, order: str, page: int) -> str:
        """Where a page of it in an order stands, without what stands before the path of every page."""
        asked = [f"order={order}"] if order != self.by_default else []
        asked += [f"page={page}"] if page > 1 else []
        return f"/papers/{self.period.name}" + (f"?{'&'.join(asked)}" if asked else "")


@dataclass(frozen=True, slots=True)
class NoEdition:
    """There is no paper at all."""


def _wider(period: Period) -> tuple[Period, ...]:
    spans = {Span.DAY: (Span.WEEK, Span.MONTH), Span.WEEK: (Span.MONTH,), Span.MONTH: ()}[period.span]
    return tuple(Period.containing(span, period.first_on) for span in spans)


@dataclass(frozen=True, slots=True)
class Editions:
    """The pages at /papers and /papers/PERIOD, and the feeds beside them."""

    store: Store
    showcase: Showcase
    site: Site
    language: str  # of what feeds say of themselves

    def latest(self, visit: Visit) -> Page:
        """GET /papers: the newest edition."""
        with self.store.read() as tx:
            day = editions.find_previous_date(tx, date.max)
            if day is None:
                return Page(template="no-edition.html.j2", shows=NoEdition())
            return self._page(tx, Period(Span.DAY, day), visit)

    def latest_feed(self, visit: Visit) -> Document:
        """GET /papers.FORMAT"""
        form = visit.path["form"]
        if form not in FORMATS:
            raise HTTPException(404)
        with self.store.read() as tx:
            found = editions.list_newest_papers(tx, limit=_LATEST)
        return self._feed(self.site.name, "/papers", form, found)

    def look(self, visit: Visit) -> Page | Document:
        """GET /papers/PERIOD, and /papers/PERIOD.FORMAT. Raises HTTPException 404."""
        name, dot, form = visit.path["name"].partition(".")
        try:
            period = Period.parse(name)
        except UsageError:
            raise HTTPException(404) from None
        with self.store.read() as tx:
            if not dot:
                return self._page(tx, period, visit)
            if form not in FORMATS:
                raise HTTPException(404)
            first_on, last_on = period.first_on, period.last_on
            found = editions.list_papers(tx, first_on, last_on, Order.NEWEST, offset=0, limit=_MOST)
        return self._feed(f"{self.site.name} · {name}", f"/papers/{name}", form, found)

    def _page(self, tx: Transaction, period: Period, visit: Visit) -> Page:
        first_on, last_on = period.first_on, period.last_on
        days = editions.count_by_day(tx, first_on, last_on)
        count = sum(days.values())
        pages = max(1, -(-count // _A_PAGE))
        number = visit.number
        if not 1 <= number <= pages:
            raise HTTPException(404)
        by_default = Order.TRENDING if editions.has_popular(tx, first_on, last_on) else Order.NEWEST
        asked = visit.query.get("order", "")
        order = Order(asked) if asked in list(Order) else by_default
        found = editions.list_papers(tx, first_on, last_on, order, offset=(number - 1) * _A_PAGE, limit=_A_PAGE)
        before, after = editions.find_previous_date(tx, first_on), editions.find_next_date(tx, last_on)
        shown = Edition(
            period=period,
            papers=tuple(map(self.showcase.show, found)),
            order=order,
            by_default=by_default,
            page=number,
            pages=pages,
            count=count,
            days={} if period.span is Span.DAY else days,
            before=Period.containing(period.span, before) if before else None,
            after=Period.containing(period.span, after) if after else None,
            wider=_wider(period),
        )
        return Page(template="edition.html.j2", shows=shown)

    def _feed(self, title: str, path: str, form: str, found: list[Paper]) -> Document:
        url = f"{self.site.url}{path}"
        feed = Feed(
            title=title,
            author=self.site.name,
            language=self.language,
            page_url=url,
            url=f"{url}.{form}",
            items=tuple(item(paper, self.showcase.show(paper), self.site.url) for paper in found),
        )
        return document(feed, form)

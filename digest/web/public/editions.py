"""The front page, the papers of a day, a week or a month in pages, their feeds, and robots.txt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from digest.errors import UsageError
from digest.models import Paper
from digest.models.periods import Period, Span
from digest.store import Transaction, papers
from digest.store.papers import Order
from digest.web.dependencies import Context, Number, cached_router
from digest.web.feeds import FORMATS, Feed, feed_response, item
from digest.web.papers import ShownPaper

_PAGE_SIZE = 50
_LATEST = 100  # papers in the feed of the newest
_MAX_FEED = 500  # papers in the feed of a period
_FEATURED = 5  # papers on the front page
_ABSTRACT = 400  # characters of each on the front page

router = cached_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One page of an edition."""

    period: Period
    papers: tuple[ShownPaper, ...]
    order: Order
    by_default: Order  # the order if none is asked for
    page: int  # from 1
    pages: int
    count: int
    days: Mapping[date, int]  # of a week or month, those that have papers
    before: Period | None  # the nearest that have papers
    after: Period | None
    wider: tuple[Period, ...]  # the week and month around it

    def address(self, order: str, page: int) -> str:
        """The address of a page in an order, without the site's path."""
        asked = [f"order={order}"] if order != self.by_default else []
        asked += [f"page={page}"] if page > 1 else []
        return f"/papers/{self.period.name}" + (f"?{'&'.join(asked)}" if asked else "")


@dataclass(frozen=True, slots=True)
class NoEdition:
    """There is no paper at all."""


@router.get("/papers")
def show_latest(context: Context, page: Number = 1, order: str = "") -> Response:
    """The newest edition."""
    with context.store.read() as tx:
        day = papers.find_previous_edition(tx, date.max)
        if day is None:
            return context.render("no-edition.html.j2", NoEdition())
        return _show(context, tx, Period(Span.DAY, day), page, order)


@router.get("/papers.{form}")
def latest_feed(context: Context, form: str) -> Response:
    """The newest papers as a feed. Raises HTTPException 404."""
    if form not in FORMATS:
        raise HTTPException(404)
    with context.store.read() as tx:
        found = papers.list_newest(tx, limit=_LATEST)
    return paper_feed(context, context.services.site.name, "/papers", form, found)


@router.get("/papers/{name}")
def show_edition(context: Context, name: str, page: Number = 1, order: str = "") -> Response:
    """The papers of a period, such as 2026-06-03; with a format behind a dot, their feed. Raises HTTPException 404."""
    name, dot, form = name.partition(".")
    try:
        period = Period.parse(name)
    except UsageError:
        raise HTTPException(404) from None
    with context.store.read() as tx:
        if not dot:
            return _show(context, tx, period, page, order)
        if form not in FORMATS:
            raise HTTPException(404)
        first_on, last_on = period.first_on, period.last_on
        found = papers.list_in_editions(tx, first_on, last_on, Order.NEWEST, offset=0, limit=_MAX_FEED)
    return paper_feed(context, f"{context.services.site.name} · {name}", f"/papers/{name}", form, found)


def _show(context: Context, tx: Transaction, period: Period, page: int, asked: str) -> Response:
    first_on, last_on = period.first_on, period.last_on
    days = papers.count_by_edition(tx, first_on, last_on)
    count = sum(days.values())
    pages = max(1, -(-count // _PAGE_SIZE))
    if not 1 <= page <= pages:
        raise HTTPException(404)
    by_default = Order.TRENDING if papers.has_popular(tx, first_on, last_on) else Order.NEWEST
    order = Order(asked) if asked in list(Order) else by_default
    found = papers.list_in_editions(tx, first_on, last_on, order, offset=(page - 1) * _PAGE_SIZE, limit=_PAGE_SIZE)
    before, after = papers.find_previous_edition(tx, first_on), papers.find_next_edition(tx, last_on)
    wider = {Span.DAY: (Span.WEEK, Span.MONTH), Span.WEEK: (Span.MONTH,), Span.MONTH: ()}[period.span]
    edition = Edition(
        period=period,
        papers=tuple(map(context.services.cards.show, found)),
        order=order,
        by_default=by_default,
        page=page,
        pages=pages,
        count=count,
        days={} if period.span is Span.DAY else days,
        before=Period.containing(period.span, before) if before else None,
        after=Period.containing(period.span, after) if after else None,
        wider=tuple(Period.containing(span, period.first_on) for span in wider),
    )
    return context.render("edition.html.j2", edition)


def paper_feed(context: Context, title: str, path: str, form: str, found: Iterable[Paper]) -> Response:
    """The feed of a page at `path`, in one of FORMATS."""
    site, cards = context.services.site, context.services.cards
    url = f"{site.url}{path}"
    feed = Feed(
        title=title,
        author=site.name,
        language=context.app.config.newsletter.language,
        page_url=url,
        url=f"{url}.{form}",
        items=tuple(item(paper, cards.show(paper), site.url) for paper in found),
    )
    return feed_response(feed, form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The best papers of the newest edition; no period if there is none yet."""

    period: Period | None
    count: int
    papers: tuple[ShownPaper, ...]


@router.get("/")
def show_front_page(context: Context) -> Response:
    """The front page: what the newsletter is, and the best papers of the newest edition."""
    with context.store.read() as tx:
        day = papers.find_previous_edition(tx, date.max)
        found = [] if day is None else papers.list_in_editions(tx, day, day, Order.TRENDING, offset=0, limit=_FEATURED)
        count = 0 if day is None else papers.count_by_edition(tx, day, day)[day]
    page = Newest(
        period=None if day is None else Period(Span.DAY, day),
        count=count,
        papers=tuple(context.services.cards.show(paper, most=_ABSTRACT) for paper in found),
    )
    return context.render("front.html.j2", page)


@router.get("/robots.txt")
def show_robots_txt(context: Context) -> Response:
    """What search engines may index (RFC 9309); of use where the pages are at the root of their host.

    Pages behind signed links are not named here: their headers say that they are not to be indexed.
    """
    site = context.services.site
    disallowed = f"{site.path}/search" if site.indexed else "/"  # a search has results without end
    return PlainTextResponse(f"User-agent: *\nDisallow: {disallowed}\n")

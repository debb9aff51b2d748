"""The front page, and robots.txt."""

from dataclasses import dataclass
from datetime import date

from starlette.responses import PlainTextResponse, Response

from digest.models.periods import Period, Span
from digest.store import editions
from digest.store.editions import Order
from digest.web.dependencies import Context, cached_router
from digest.web.papers import ShownPaper

_SHOWN = 5  # papers
_ABSTRACT = 400  # characters

router = cached_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The best papers of the newest edition; no period if there is none yet."""

    period: Period | None
    count: int
    papers: tuple[ShownPaper, ...]


@router.get("/")
def show_front_page(context: Context) -> Response:
    """What this is, and the best papers of the newest edition."""
    with context.store.read() as tx:
        day = editions.find_previous_date(tx, date.max)
        found = [] if day is None else editions.list_papers(tx, day, day, Order.TRENDING, offset=0, limit=_SHOWN)
        count = 0 if day is None else editions.count_by_day(tx, day, day)[day]
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

"""Lists of papers and their feeds: those of a day, a week or a month, and those that a shared profile matched."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import RuleError, UsageError
from digest.mail.encoding import clean
from digest.models import DigestItem, Paper, Profile
from digest.models.papers import Period, Span
from digest.store import Transaction, papers, profiles
from digest.store.papers import Order
from digest.web.dependencies import Context, Number, cached_router
from digest.web.feeds import FORMATS, Feed, feed_response, item
from digest.web.papers import ShownPaper

_PAGE_SIZE = 50
_LATEST = 100  # papers in the feed of the newest
_MAX_FEED = 500  # papers in the feed of a period
_DAYS = 7  # of papers that a profile matched
_MAX_PAPERS = 100

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
        """Return the address of a page in an order, without the site's path."""
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
class ShownProfile:
    """The name and the rules of a profile, and the path of its page."""

    name: str
    path: str  # of its page, without the site's path
    rules: str


@dataclass(frozen=True, slots=True)
class AllProfiles:
    """Every shared profile."""

    profiles: tuple[ShownProfile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneProfile:
    """A profile and the papers that it matched, best first."""

    profile: ShownProfile
    papers: tuple[ShownPaper, ...]
    days: int


@router.get("/profiles")
def list_profiles(context: Context) -> Response:
    """All shared profiles."""
    with context.store.read() as tx:
        shared = profiles.list_shared(tx)
    return context.render("profiles.html.j2", AllProfiles(tuple(map(_shown, shared))))


@router.get("/profile/{name:path}")
def show_profile(context: Context, name: str) -> Response:
    """A profile and its papers; with a format behind a dot, their feed. Raises HTTPException 404."""
    stem, _, form = name.rpartition(".")
    with context.store.read() as tx:
        profile = profiles.find(tx, name)
        feed_of = profiles.find(tx, stem) if profile is None and form in FORMATS else None
    if feed_of is not None:
        newest_first = sorted(
            (found.paper for found in _found(context, feed_of)),
            key=lambda paper: paper.first_seen_at or context.now,
            reverse=True,
        )
        title, path = f"{context.services.site.name} · {feed_of.name}", _shown(feed_of).path
        return paper_feed(context, title, path, form, newest_first)
    if profile is None:
        raise HTTPException(404)
    papers = tuple(context.services.cards.show(item.paper, item.evidence) for item in _found(context, profile))
    return context.render("profile.html.j2", OneProfile(profile=_shown(profile), papers=papers, days=_DAYS))


def _found(context: Context, profile: Profile) -> Sequence[DigestItem]:
    """Return the best papers of the last days; none if the rules are invalid, as those of an older version may be."""
    try:
        recent = context.app.recent_papers
        return recent.find_recent([profile], days=_DAYS, now=context.now, limit=_MAX_PAPERS).items
    except RuleError:
        return ()


def _shown(profile: Profile) -> ShownProfile:
    return ShownProfile(
        name=clean(profile.name),
        path=f"/profile/{quote(profile.name)}",
        rules="\n".join(map(clean, profile.rules.splitlines())),
    )

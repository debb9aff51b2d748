"""Trying rules: the search of papers, and the preview of keywords, which is shown while they are typed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from digest.errors import CostlyRuleError, RuleError, UsageError
from digest.matching import SECONDS_PER_STEP
from digest.matching.rule_stats import RuleStats
from digest.models import OWN_KEYWORDS, CompiledRules, Profile
from digest.models.papers import Period
from digest.store import profiles
from digest.web.auth import public_router
from digest.web.dependencies import Context, Number, PostedForm
from digest.web.forms import Keywords, Mistake, read_keywords, typed_keywords
from digest.web.papers import ShownPaper
from digest.web.rate_limits import network_of
from digest.web.rendering import Fault, Samples

_PAGE_SIZE = 20
_COSTLY = 0.05  # seconds of processor time: ten times what ordinary rules take
_LONG = 5_000  # characters of rules, which take as long to read

# Of the preview
_BEST = 10  # papers that are shown
_ABSTRACT = 320  # characters
_DAYS = (7, 30)  # the first is the default
_FORMS = ("subscribe", "settings")  # that lead here and back
_SHOWN = {"rules", "profile", "days", "back", "split"}  # fields that the page has itself
_MAX_CARRIED = 20

router = public_router(wakes_delivery=False)


class Complaint(StrEnum):
    """The reason why no search was made."""

    PERIOD = "period"  # no such period
    PAGE = "page"  # no such page
    EXCLUDES = "excludes"  # the rules only exclude papers


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search and its results."""

    keywords: Keywords = field(default_factory=Keywords)
    period: str = ""  # "": the last thirty days
    complaint: Annotated[Complaint | None, Fault()] = None
    count: int = 0
    papers: tuple[ShownPaper, ...] = ()
    number: int = 1  # of the page
    pages: int = 1


@router.get("/search")
def search_papers(
    context: Context, q: str = "", period_name: Annotated[str, Query(alias="in")] = "", page: Number = 1
) -> Response:
    """The search form, and the results of a search. Raises HTTPException 429."""
    limit = context.services.limits.preview
    # The empty form is no search.
    with limit.count_work(context.client, now=context.now) if q else nullcontext(lambda _: None) as count:
        rules, keywords = _read(context, q)
        try:
            period = Period.parse(period_name) if period_name else None
        except UsageError:
            return _show(context, Searched(keywords=keywords, complaint=Complaint.PERIOD), status=404)
        form = Searched(keywords=keywords, period=period.name if period else "")
        if rules is None or not rules.rules:
            return _show(context, form, status=200 if rules else 422)
        if not rules.has_positive_rules:
            return _show(context, replace(form, complaint=Complaint.EXCLUDES), status=422)
        recent, profile = context.app.recent_papers, Profile(name="search", rules=rules.text)
        part: dict[str, int] = {"begin": (max(page, 1) - 1) * _PAGE_SIZE, "limit": _PAGE_SIZE}
        try:
            with _hold_place(context, [profile], count):
                if period is None:
                    found = recent.find_recent([profile], now=context.now, **part)
                else:
                    found = recent.find_between(profile, period.first_on, period.last_on, now=context.now, **part)
        except CostlyRuleError as error:
            return _show(context, replace(form, keywords=replace(keywords, mistakes=(Mistake.of(error),))), status=422)
        pages = max(1, -(-found.count // _PAGE_SIZE))
        if not 1 <= page <= pages:
            return _show(context, replace(form, complaint=Complaint.PAGE), status=404)
        papers = tuple(context.services.cards.show(item.paper, item.evidence) for item in found.items)
        return _show(context, replace(form, count=found.count, papers=papers, number=page, pages=pages))


def _read(context: Context, typed: str) -> tuple[CompiledRules | None, Keywords]:
    """Return (the rules, None if they have mistakes; the keywords). Raises HTTPException 429."""
    costly = context.services.limits.costly_searches
    with costly.hold_place(network_of(context.client)) if len(typed) > _LONG else nullcontext():
        return read_keywords(typed)


@contextmanager
def _hold_place(context: Context, wanted: Sequence[Profile], count: Callable[[float], None]) -> Iterator[None]:
    """Count what matching these profiles will take, and hold a place if that is much.

    Raises RuleError if it is too much, and HTTPException 429.
    """
    seconds = context.app.recent_papers.estimate_steps(wanted, now=context.now) * SECONDS_PER_STEP
    count(seconds)
    costly = context.services.limits.costly_searches
    with costly.hold_place(network_of(context.client)) if seconds > _COSTLY else nullcontext():
        yield


def _show(context: Context, page: Searched, *, status: int = 200) -> Response:
    return context.render("search.html.j2", page, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How many papers of a day would have matched."""

    on: date
    papers: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """What was typed and checked, and what it would have matched."""

    keywords: Keywords = field(default_factory=Keywords)
    ticked: tuple[tuple[str, bool], ...] = ()  # every shared profile
    days: int
    back: Annotated[str, Samples("", *_FORMS)] = ""  # the form that led here, "" for none
    carried: tuple[tuple[str, str], ...] = ()  # its other fields, to be shown there again
    wanted: bool = False  # there was something to match
    count: int = 0
    a_day: int = 0  # on a day that has papers, rounded
    by_day: tuple[Day, ...] = ()
    papers: tuple[ShownPaper, ...] = ()
    dead: tuple[RuleStats, ...] = ()  # own rules that matched nothing
    floods: tuple[RuleStats, ...] = ()


@router.post("/preview")
def preview_keywords(context: Context, form: PostedForm) -> Response:
    """Show the preview, or only the part that script.js asks for. Changes nothing. Raises HTTPException 429."""
    with context.services.limits.preview.count_work(context.client, now=context.now) as count:
        rules, keywords = _read(context, typed_keywords(form))
        days = next((days for days in _DAYS if form.get("days") == str(days)), _DAYS[0])
        named = set(form.getlist("profile"))
        with context.store.read() as tx:
            shared = profiles.list_shared(tx)
        back = form.get("back", "")
        page = Previewed(
            keywords=keywords,
            ticked=tuple((profile.name, profile.name in named) for profile in shared),
            days=days,
            back=back if back in _FORMS else "",
            carried=tuple(field for field in form.multi_items() if field[0] not in _SHOWN)[:_MAX_CARRIED],
        )
        wanted = [profile for profile in shared if profile.name in named]
        if rules is not None and (wanted or rules.has_positive_rules):
            try:
                page = _with_matches(context, page, rules, wanted, count)
            except CostlyRuleError as error:
                page = replace(page, keywords=replace(keywords, mistakes=(Mistake.of(error),)))
    return context.render("previewed.html.j2" if context.wants_fragment else "preview.html.j2", page)


def _with_matches(
    context: Context,
    page: Previewed,
    rules: CompiledRules,
    shared: Sequence[Profile],
    count: Callable[[float], None],
) -> Previewed:
    """Return the page with what the rules and the shared profiles find. Raises CostlyRuleError for the rules."""
    own = Profile(name=OWN_KEYWORDS, rules=rules.text, owner_id=0)
    try:
        return _with_matches_of(context, page, [own, *shared], count)
    except RuleError:  # digests leave out shared profiles with rules of an older version, or that take too long
        context.app.recent_papers.estimate_steps([own], now=context.now)
        usable = []
        for profile in shared:
            with suppress(RuleError):
                context.app.recent_papers.estimate_steps([profile], now=context.now)
                usable.append(profile)
        return _with_matches_of(context, page, [own, *usable], count)


def _with_matches_of(
    context: Context, page: Previewed, wanted: Sequence[Profile], count: Callable[[float], None]
) -> Previewed:
    """Return the page with what these profiles find, of which the first are the typed rules. Raises RuleError."""
    recent = context.app.recent_papers
    with _hold_place(context, wanted, count):
        found = recent.find_recent(wanted, days=page.days, now=context.now, limit=_BEST)
        stats = recent.rule_stats(wanted[0], now=context.now)
    days = [of for _, of in found.days.values() if of]
    show = context.services.cards.show
    return replace(
        page,
        wanted=True,
        count=found.count,
        a_day=round(found.count / max(len(days), 1)),
        by_day=tuple(Day(on=on, papers=papers, of=of) for on, (papers, of) in found.days.items()),
        papers=tuple(show(item.paper, item.evidence, most=_ABSTRACT) for item in found.items),
        dead=tuple(rule for rule in stats if not rule.share and not rule.excludes),
        floods=tuple(rule for rule in stats if rule.floods),
    )

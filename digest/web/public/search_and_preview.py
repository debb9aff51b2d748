"""Trying rules: the search of papers, and the preview of keywords, which is shown while they are typed."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from digest.errors import RuleError, UsageError
from digest.matching.rule_stats import RuleStats
from digest.models import OWN_KEYWORDS, CompiledRules, Profile
from digest.models.papers import Period
from digest.store import profiles
from digest.web.auth import public_router
from digest.web.dependencies import Context, Number, PostedForm
from digest.web.forms import Keywords, is_readable, read_keywords
from digest.web.papers import ShownPaper
from digest.web.rendering import Fault, Samples

_PAGE_SIZE = 20

# Of the preview
_BEST = 10  # papers that are shown
_ABSTRACT = 320  # characters
_DAYS = (7, 30)  # the first is the default
_FORMS = ("subscribe", "settings")  # that lead here and back
_SHOWN = {"rules", "profile", "days", "back"}  # fields that the page has itself
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
    with limit.count_work(context.client, now=context.now) if q else nullcontext():  # the empty form is no search
        rules, keywords = read_keywords(q)
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
        if period is None:
            found = recent.find_recent([profile], now=context.now, **part)
        else:
            found = recent.find_between(profile, period.first_on, period.last_on, now=context.now, **part)
        pages = max(1, -(-found.count // _PAGE_SIZE))
        if not 1 <= page <= pages:
            return _show(context, replace(form, complaint=Complaint.PAGE), status=404)
        papers = tuple(context.services.cards.show(item.paper, item.evidence) for item in found.items)
        return _show(context, replace(form, count=found.count, papers=papers, number=page, pages=pages))


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
    with context.services.limits.preview.count_work(context.client, now=context.now):
        rules, keywords = read_keywords(form.get("rules", ""))
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
            page = _with_matches(context, page, rules, wanted)
    return context.render("previewed.html.j2" if context.wants_fragment else "preview.html.j2", page)


def _with_matches(context: Context, page: Previewed, rules: CompiledRules, shared: Sequence[Profile]) -> Previewed:
    own = Profile(name=OWN_KEYWORDS, rules=rules.text, owner_id=0)
    recent, wanted = context.app.recent_papers, [own, *shared]
    try:
        found = recent.find_recent(wanted, days=page.days, now=context.now, limit=_BEST)
    except RuleError:  # a shared profile has rules of an older version; digests leave it out, too
        wanted = [profile for profile in wanted if is_readable(profile.rules)]
        found = recent.find_recent(wanted, days=page.days, now=context.now, limit=_BEST)
    stats = recent.rule_stats(own, now=context.now)
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

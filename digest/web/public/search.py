"""Searching papers with the rule language of profiles."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from digest.errors import UsageError
from digest.models import Profile
from digest.models.periods import Period
from digest.web.auth import public_router
from digest.web.dependencies import Context, Number
from digest.web.forms import Keywords, read_keywords
from digest.web.papers import ShownPaper
from digest.web.rendering import Fault

_PAGE_SIZE = 20

router = public_router()


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
    if not q:
        return _answer(context, q, period_name, page)
    with context.services.limits.preview.working(context.client, now=context.now):
        return _answer(context, q, period_name, page)


def _answer(context: Context, typed: str, period_name: str, number: int) -> Response:
    rules, keywords = read_keywords(typed)
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
    part: dict[str, int] = {"begin": (max(number, 1) - 1) * _PAGE_SIZE, "limit": _PAGE_SIZE}
    if period is None:
        found = recent.find_recent([profile], now=context.now, **part)
    else:
        found = recent.find_between(profile, period.first_on, period.last_on, now=context.now, **part)
    pages = max(1, -(-found.count // _PAGE_SIZE))
    if not 1 <= number <= pages:
        return _show(context, replace(form, complaint=Complaint.PAGE), status=404)
    papers = tuple(context.services.cards.show(item.paper, item.evidence) for item in found.items)
    return _show(context, replace(form, count=found.count, papers=papers, number=number, pages=pages))


def _show(context: Context, page: Searched, *, status: int = 200) -> Response:
    return context.render("search.html.j2", page, status=status)

"""Searching papers with the rules that profiles are made of."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from digest.errors import UsageError
from digest.matching.paper_collection import Findings
from digest.models import CompiledRules, Profile
from digest.models.periods import Period
from digest.pipeline.recent_papers import RecentPapers
from digest.web.forms.keywords import Keywords, read_keywords
from digest.web.pages import Page, Visit
from digest.web.papers import Showcase, ShownPaper
from digest.web.rate_limits import RateLimit
from digest.web.template_samples import Fault

_A_PAGE = 20  # papers


class Complaint(StrEnum):
    """Why nothing was searched."""

    PERIOD = "period"  # there is no such
    PAGE = "page"  # there is no such
    EXCLUDES = "excludes"  # the rules only say what is not wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search, and what it came to."""

    keywords: Keywords = field(default_factory=Keywords)
    period: str = ""  # "": the last thirty days
    complaint: Annotated[Complaint | None, Fault()] = None
    count: int = 0
    papers: tuple[ShownPaper, ...] = ()
    number: int = 1  # of the page
    pages: int = 1


@dataclass(frozen=True, slots=True)
class Searching:
    """The page at /search."""

    recent_papers: RecentPapers
    showcase: Showcase
    limits: RateLimit

    def look(self, visit: Visit) -> Page:
        """GET: the form, and what was found if something was asked. Raises HTTPException 429."""
        if not visit.query.get("q", ""):
            return self._answer(visit)
        with self.limits.working(visit.client, now=visit.now):
            return self._answer(visit)

    def _answer(self, visit: Visit) -> Page:
        rules, keywords = read_keywords(visit.query.get("q", ""))
        try:
            period = Period.parse(name) if (name := visit.query.get("in", "")) else None
        except UsageError:
            return _complaining(Complaint.PERIOD, keywords, status=404)
        shown_period = "" if period is None else period.name
        if rules is None or not rules.rules:
            return _page(Searched(keywords=keywords, period=shown_period), status=200 if rules else 422)
        if not rules.has_positive_rules:
            return _complaining(Complaint.EXCLUDES, keywords, shown_period)
        number = visit.number
        found = self._found(rules, period, visit, max(number, 1))
        pages = max(1, -(-found.count // _A_PAGE))
        if not 1 <= number <= pages:
            return _complaining(Complaint.PAGE, keywords, shown_period, status=404)
        return _page(
            Searched(
                keywords=keywords,
                period=shown_period,
                count=found.count,
                papers=tuple(self.showcase.show(item.paper, item.evidence) for item in found.items),
                number=number,
                pages=pages,
            )
        )

    def _found(self, rules: CompiledRules, period: Period | None, visit: Visit, number: int) -> Findings:
        profile, begin = Profile(name="search", rules=rules.text), (number - 1) * _A_PAGE
        if period is None:
            return self.recent_papers.find_recent([profile], now=visit.now, begin=begin, limit=_A_PAGE)
        return self.recent_papers.find_between(
            profile, period.first_on, period.last_on, now=visit.now, begin=begin, limit=_A_PAGE
        )


def _complaining(complaint: Complaint, keywords: Keywords, period: str = "", *, status: int = 422) -> Page:
    return _page(Searched(keywords=keywords, period=period, complaint=complaint), status=status)


def _page(shows: Searched, *, status: int = 200) -> Page:
    return Page(template="search.html.j2", shows=shows, status=status)

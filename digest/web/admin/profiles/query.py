"""A query of arXiv or PubMed, pasted: the rules that it becomes, and what they would find. Saves nothing."""

from dataclasses import dataclass

from digest.errors import RuleError
from digest.matching.language.translation import Translation, translate_query
from digest.models import Admin, Profile
from digest.pipeline.recent_papers import DAYS, RecentPapers
from digest.web.pages import Answer, Page, Visit
from digest.web.papers import PaperCards, ShownPaper

_BEST = 5  # papers that are shown
_ABSTRACT = 320  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was pasted, and what it came to."""

    pasted: str = ""
    mistake: str = ""  # why it cannot be read
    translation: Translation | None = None
    days: int = DAYS
    count: int = 0
    papers: tuple[ShownPaper, ...] = ()


def _page(*, status: int = 200, **shows: object) -> Page:
    return Page(template="desk-query.html.j2", shows=Asked(**shows), status=status)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class AskingAsElsewhere:
    """The page at /admin/profiles/query."""

    recent_papers: RecentPapers
    cards: PaperCards

    def look(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET the form."""
        return _page()

    def act(self, visit: Visit, _admin: Admin) -> Answer:
        """POST: looks, and changes nothing."""
        pasted = visit.form.get("query", "").replace("\r\n", "\n").strip()
        try:
            translation = translate_query(pasted)
        except RuleError as error:
            return _page(pasted=pasted, mistake=error.reason, status=422)
        profile = Profile(name="", rules=translation.rules)
        found = self.recent_papers.find_recent([profile], now=visit.now, limit=_BEST)
        shown = (self.cards.show(item.paper, item.evidence, most=_ABSTRACT) for item in found.items)
        return _page(pasted=pasted, translation=translation, count=found.count, papers=tuple(shown))

"""A query of arXiv or PubMed, pasted: the rules that it becomes, and what they would find. Saves nothing."""

from dataclasses import dataclass

from starlette.responses import Response

from digest.errors import RuleError
from digest.matching.language.translation import Translation, translate_query
from digest.models import Profile, Role
from digest.pipeline.recent_papers import DAYS
from digest.web.admin_auth import admin_router
from digest.web.dependencies import Context, PostedForm
from digest.web.papers import ShownPaper
from digest.web.rendering import admin_template

_MAX_SHOWN = 5  # papers
_MAX_ABSTRACT = 320  # characters
_TEMPLATE = admin_template("query")

router = admin_router("/admin/profiles/query", role=Role.EDITOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The pasted query, and its translation."""

    pasted: str = ""
    mistake: str = ""  # why it cannot be parsed
    translation: Translation | None = None
    days: int = DAYS
    count: int = 0
    papers: tuple[ShownPaper, ...] = ()


@router.get("")
def show_query(context: Context) -> Response:
    """The empty form."""
    return context.render(_TEMPLATE, Asked())


@router.post("")
def translate(context: Context, form: PostedForm) -> Response:
    """Translate a query, and show what its rules would find."""
    pasted = form.get("query", "").replace("\r\n", "\n").strip()
    try:
        translation = translate_query(pasted)
    except RuleError as error:
        return context.render(_TEMPLATE, Asked(pasted=pasted, mistake=error.reason), status=422)
    profile = Profile(name="", rules=translation.rules)
    found = context.app.recent_papers.find_recent([profile], now=context.now, limit=_MAX_SHOWN)
    cards = context.services.cards
    papers = tuple(cards.show(item.paper, item.evidence, most=_MAX_ABSTRACT) for item in found.items)
    page = Asked(pasted=pasted, translation=translation, count=found.count, papers=papers)
    return context.render(_TEMPLATE, page)

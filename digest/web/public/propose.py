"""Proposing a paper, which an editor reviews before anyone else sees it. Nothing is fetched here."""

from dataclasses import dataclass

from starlette.responses import Response

from digest.sources.paper_page import canonical_url
from digest.store import submissions
from digest.web.auth import public_router
from digest.web.dependencies import Context, PostedForm

router = public_router("/propose", wakes_delivery=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The form that proposes a paper, as it was filled in."""

    written: str = ""
    faulty: bool = False


@router.get("")
def show_form(context: Context) -> Response:
    """Show the form that proposes a paper."""
    return context.render("propose.html.j2", Proposal())


@router.post("")
def propose_paper(context: Context, form: PostedForm) -> Response:
    """Store a proposal for an editor. The response does not tell whether it is new. Raises HTTPException 429."""
    written = form.get("paper", "")
    url = canonical_url(written)
    if not url:
        return context.render("propose.html.j2", Proposal(written=written, faulty=True), status=422)
    context.services.limits.proposals.check(context.client, now=context.now)

    def store_proposal() -> None:
        with context.store.write() as tx:
            submissions.add(tx, url, origin="page", now=context.now)

    context.run_after_response(store_proposal)
    return context.render("proposed.html.j2")

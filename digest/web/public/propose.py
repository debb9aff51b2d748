"""Proposing a paper, which an editor looks at before anybody else does. Nothing is fetched here."""

from dataclasses import dataclass, replace

from digest.sources.paper_url import canonical_url
from digest.store import Store, submissions
from digest.web.pages import Page, Visit
from digest.web.rate_limits import RateLimit

_THANKS = Page(template="proposed.html.j2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The form, as it was filled in."""

    written: str = ""
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class Proposing:
    """The pages at /propose."""

    store: Store
    limits: RateLimit

    def look(self, _visit: Visit) -> Page:
        """GET: the form."""
        return Page(template="propose.html.j2", shows=Proposal())

    def act(self, visit: Visit) -> Page:
        """POST: held for an editor. The same answer, as soon, if it was proposed before. Raises HTTPException 429."""
        written = visit.form.get("paper", "")
        url = canonical_url(written)
        if not url:
            return Page(template="propose.html.j2", shows=Proposal(written=written, faulty=True), status=422)
        self.limits.check(visit.client, now=visit.now)

        def hold() -> None:
            with self.store.write() as tx:
                submissions.add(tx, url, origin="page", now=visit.now)

        return replace(_THANKS, afterwards=hold)

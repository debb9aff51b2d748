"""Why somebody got a paper, or did not."""

from dataclasses import dataclass

from digest.app import App
from digest.explain import Explanation, explain
from digest.models import Admin
from digest.subscribers.fields import one_line
from digest.web.admin.subscribers.subscriber import get
from digest.web.pages import Answer, Page, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What the page shows."""

    id: int
    email: str
    asked: str  # a paper, as it was typed
    found: Explanation | None  # None where nothing is asked


@dataclass(frozen=True, slots=True)
class Explaining:
    """The page at /admin/subscribers/ID/why."""

    app: App

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET; `?paper=` names one. Raises NotFoundError. May take two seconds where it looks at what is to come."""
        asked = one_line(visit.query.get("paper", ""))
        with self.app.store.read() as tx:
            whom = get(tx, visit.id)
            found = None
            if asked:
                found = explain(
                    tx,
                    whom.email,
                    asked,
                    compiled_profiles=self.app.compiled_profiles,
                    selection_settings=self.app.selection_settings,
                    membership=self.app.membership,
                    now=visit.now,
                )
        return _page(Why(id=whom.id, email=whom.email, asked=asked, found=found))


def _page(shows: Why) -> Page:
    return Page(template="desk-why.html.j2", shows=shows)

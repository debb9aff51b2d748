"""One shared profile, for who edits it."""

from dataclasses import dataclass

from digest.models import Admin
from digest.store import Store, profiles
from digest.web.pages import Answer, Page, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProfile:
    """What the page shows."""

    name: str
    rules: str


SAMPLES = (Page(template="desk-profile.html.j2", shows=ShownProfile(name="Cats", rules="cat")),)


@dataclass(frozen=True, slots=True)
class Editing:
    """The page at /admin/profiles/ID."""

    store: Store

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        with self.store.read() as tx:
            profile = profiles.get_shared(tx, visit.id)
        return Page(template="desk-profile.html.j2", shows=ShownProfile(name=profile.name, rules=profile.rules))

"""Taking a shared profile away; who loses it is said first."""

from dataclasses import dataclass

from digest.admin import profile_actions
from digest.models import Admin
from digest.store import Store, profiles
from digest.web.context import isolated
from digest.web.pages import Answer, Page, Redirect, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Removing:
    """What the form shows."""

    id: int
    name: str
    followers: int
    silenced: int  # of them, who would get no mail any more: they follow nothing else and have no keywords
    unsure: bool = False  # they did not tick that they mean it


@dataclass(frozen=True, slots=True)
class RemovingProfiles:
    """The page at /admin/profiles/ID/remove."""

    store: Store

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        return self._page(visit)

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: nobody follows it any more; its versions stay. Raises NotFoundError."""
        if not visit.form.get("sure"):
            return self._page(visit, unsure=True)
        with self.store.write() as tx:
            profile_actions.remove(tx, profiles.get_by_id(tx, visit.id).name, by=admin.email, now=visit.now)
        return Redirect(path="/admin/profiles/removed?done=removed")

    def _page(self, visit: Visit, *, unsure: bool = False) -> Page:
        with self.store.read() as tx:
            profile = profiles.get_by_id(tx, visit.id)
            followers, silenced = profiles.count_followers_of(tx, visit.id)
        shows = Removing(
            id=profile.id, name=isolated(profile.name), followers=followers, silenced=silenced, unsure=unsure
        )
        return Page(template="desk-remove.html.j2", shows=shows, status=422 if unsure else 200)

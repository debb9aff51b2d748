"""Another name for a shared profile; whom that concerns is said first."""

from dataclasses import dataclass

from digest.admin import profile_actions
from digest.errors import NotFoundError, UsageError
from digest.models import Admin
from digest.store import Store, profiles
from digest.web.context import isolated
from digest.web.pages import Answer, Page, Redirect, Visit

MOST_NAME = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """What the form shows."""

    id: int
    name: str
    followers: int
    typed: str
    mistake: str = ""  # why that name will not do


@dataclass(frozen=True, slots=True)
class RenamingProfiles:
    """The page at /admin/profiles/ID/rename."""

    store: Store

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        return self._page(visit)

    def act(self, visit: Visit, admin: Admin) -> Answer:
        """POST: it is called so from now on. Raises NotFoundError."""
        typed = visit.form.get("name", "")[:MOST_NAME]
        try:
            with self.store.write() as tx:
                name = profiles.get_by_id(tx, visit.id).name
                profile_actions.edit(tx, name, new_name=typed, by=admin.email, now=visit.now)
        except NotFoundError:
            raise
        except UsageError as error:
            return self._page(visit, typed, str(error))
        return Redirect(path=f"/admin/profiles/{visit.id}?done=renamed")

    def _page(self, visit: Visit, typed: str | None = None, mistake: str = "") -> Page:
        with self.store.read() as tx:
            profile = profiles.get_by_id(tx, visit.id)
            followers, _ = profiles.count_followers_of(tx, visit.id)
        shows = Renaming(
            id=profile.id,
            name=isolated(profile.name),
            followers=followers,
            typed=profile.name if typed is None else typed,
            mistake=mistake,
        )
        return Page(template="desk-rename.html.j2", shows=shows, status=422 if mistake else 200)

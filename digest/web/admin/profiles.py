"""The shared profiles, for who edits them."""

from dataclasses import dataclass

from digest.models import Admin, Profile
from digest.store import Store, profiles
from digest.web.pages import Answer, Page, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProfile:
    """A line of the list."""

    id: int
    name: str
    lines: int  # of its rules
    followers: int


@dataclass(frozen=True, slots=True)
class ProfileList:
    """Every shared profile, by name."""

    profiles: tuple[ListedProfile, ...]


@dataclass(frozen=True, slots=True)
class ListingProfiles:
    """The page at /admin/profiles."""

    store: Store

    def look(self, _visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        with self.store.read() as tx:
            followers = profiles.count_followers(tx)
            shared = profiles.list_shared(tx)
        return _page(*(_listed(p, followers[p.name]) for p in shared))


def _listed(profile: Profile, followers: int) -> ListedProfile:
    return ListedProfile(id=profile.id, name=profile.name, lines=len(profile.rules.splitlines()), followers=followers)


def _page(*listed: ListedProfile) -> Page:
    return Page(template="desk-profiles.html.j2", shows=ProfileList(listed))


SAMPLES = (
    _page(),
    _page(_listed(Profile(id=1, name="Cats", rules="cat"), 1), _listed(Profile(id=2, name="Dogs", rules="dog"), 2)),
)

"""The shared profiles, for who edits them."""

from dataclasses import dataclass

from digest.models import Admin
from digest.store import Store, profiles
from digest.web.pages import Answer, Page, Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProfile:
    """A line of the list."""

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
        return _page(*(_listed(p.name, p.rules, followers[p.name]) for p in shared))


def _listed(name: str, rules: str, followers: int) -> ListedProfile:
    return ListedProfile(name=name, lines=len(rules.splitlines()), followers=followers)


def _page(*listed: ListedProfile) -> Page:
    return Page(template="desk-profiles.html.j2", shows=ProfileList(listed))


SAMPLES = (_page(), _page(_listed("Cats", "cat", 1), _listed("Dogs", "dog\nwolf", 2)))

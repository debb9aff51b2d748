"""The shared profiles, for who edits them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from digest.models import Admin, Profile
from digest.pipeline.recent_papers import RecentPapers
from digest.store import Store, profiles
from digest.web.admin.profiles.trial import FULL
from digest.web.forms.keywords import is_readable
from digest.web.pages import Answer, Page, Visit

_MOST_TRIED = 300  # profiles whose papers are counted: more would take a second


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProfile:
    """A line of the list."""

    id: int
    name: str
    lines: int  # of its rules
    followers: int
    a_day: float | None  # papers, on a day that has some; None where it is not known

    @property
    def floods(self) -> bool:
        """Whether it wants more papers a day than a digest holds."""
        return self.a_day is not None and round(self.a_day) > FULL


@dataclass(frozen=True, slots=True)
class ProfileList:
    """Every shared profile, by name."""

    profiles: tuple[ListedProfile, ...]


@dataclass(frozen=True, slots=True)
class ListingProfiles:
    """The page at /admin/profiles."""

    store: Store
    recent_papers: RecentPapers

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET"""
        with self.store.read() as tx:
            followers = profiles.count_followers(tx)
            shared = profiles.list_shared(tx)
        a_day = self._a_day(shared, visit.now)
        return _page(*(_listed(p, followers.get(p.name, 0), a_day.get(p.id)) for p in shared))

    def _a_day(self, shared: Sequence[Profile], now: datetime) -> Mapping[int, float]:
        """By profile; nothing of those that cannot be read any more, and nothing of very many."""
        readable = [profile for profile in shared if len(shared) <= _MOST_TRIED and is_readable(profile.rules)]
        if not readable:
            return {}
        counted = self.recent_papers.matches_per_day(readable, now=now)
        return {profile.id: count for profile, count in zip(readable, counted, strict=True)}


def _listed(profile: Profile, followers: int, a_day: float | None) -> ListedProfile:
    lines = sum(bool(line.strip()) for line in profile.rules.splitlines())
    return ListedProfile(id=profile.id, name=profile.name, lines=lines, followers=followers, a_day=a_day)


def _page(*listed: ListedProfile) -> Page:
    return Page(template="desk-profiles.html.j2", shows=ProfileList(listed))

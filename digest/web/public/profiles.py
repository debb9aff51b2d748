"""The shared profiles: their rules, what they found in the last days, and their feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.exceptions import HTTPException

from digest.errors import RuleError
from digest.mail.encoding import clean
from digest.models import DigestItem, Profile
from digest.pipeline.recent_papers import RecentPapers
from digest.store import Store, profiles
from digest.web.context import Site
from digest.web.feeds import FORMATS, Feed, document, item
from digest.web.pages import Document, Page, Visit
from digest.web.papers import Showcase, ShownPaper

_DAYS = 7
_MOST = 100  # papers


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProfile:
    """A profile as pages show it."""

    name: str
    path: str  # of its page, without what stands before the path of every page
    rules: str


@dataclass(frozen=True, slots=True)
class AllProfiles:
    """Every shared profile."""

    profiles: tuple[ShownProfile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneProfile:
    """A profile and the papers that it found, best first."""

    profile: ShownProfile
    papers: tuple[ShownPaper, ...]
    days: int


@dataclass(frozen=True, slots=True)
class Profiles:
    """The pages at /profiles and /profile/NAME, and the feeds beside them."""

    store: Store
    showcase: Showcase
    site: Site
    language: str  # of what feeds say of themselves
    recent_papers: RecentPapers

    def all(self, _visit: Visit) -> Page:
        """GET /profiles"""
        with self.store.read() as tx:
            shared = profiles.list_shared(tx)
        return Page(template="profiles.html.j2", shows=AllProfiles(tuple(map(_shown, shared))))

    def look(self, visit: Visit) -> Page | Document:
        """GET /profile/NAME, and /profile/NAME.FORMAT. Raises HTTPException 404."""
        name = visit.path["name"]
        stem, _, form = name.rpartition(".")
        with self.store.read() as tx:
            profile = profiles.find(tx, name)
            fed = profiles.find(tx, stem) if profile is None and form in FORMATS else None
        if profile is not None:
            return self._page(profile, visit)
        if fed is not None:
            return self._feed(fed, form, visit)
        raise HTTPException(404)

    def _page(self, profile: Profile, visit: Visit) -> Page:
        papers = tuple(self.showcase.show(item.paper, item.evidence) for item in self._found(profile, visit))
        return Page(template="profile.html.j2", shows=OneProfile(profile=_shown(profile), papers=papers, days=_DAYS))

    def _found(self, profile: Profile, visit: Visit) -> Sequence[DigestItem]:
        """The best papers of the last days; nothing by rules that cannot be read."""
        try:
            return self.recent_papers.find_recent([profile], days=_DAYS, now=visit.now, limit=_MOST).items
        except RuleError:
            return ()

    def _feed(self, profile: Profile, form: str, visit: Visit) -> Document:
        papers = [found.paper for found in self._found(profile, visit)]
        items = [item(paper, self.showcase.show(paper), self.site.url) for paper in papers]
        url = f"{self.site.url}{_shown(profile).path}"
        feed = Feed(
            title=f"{self.site.name} · {profile.name}",
            author=self.site.name,
            language=self.language,
            page_url=url,
            url=f"{url}.{form}",
            items=tuple(sorted(items, key=lambda one: one.seen_at, reverse=True)),
        )
        return document(feed, form)


def _shown(profile: Profile) -> ShownProfile:
    return ShownProfile(
        name=clean(profile.name),
        path=f"/profile/{quote(profile.name)}",
        rules="\n".join(map(clean, profile.rules.splitlines())),
    )

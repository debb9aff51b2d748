"""The pages of shared profiles, with their rules and the papers of the last days, and their feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.errors import RuleError
from digest.mail.encoding import clean
from digest.models import DigestItem, Profile
from digest.store import profiles
from digest.web.dependencies import Context, cached_router
from digest.web.feeds import FORMATS
from digest.web.papers import ShownPaper
from digest.web.public.editions import paper_feed

_DAYS = 7
_MAX_PAPERS = 100

router = cached_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProfile:
    """The name and the rules of a profile, and the path of its page."""

    name: str
    path: str  # of its page, without the site's path
    rules: str


@dataclass(frozen=True, slots=True)
class AllProfiles:
    """Every shared profile."""

    profiles: tuple[ShownProfile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneProfile:
    """A profile and the papers that it matched, best first."""

    profile: ShownProfile
    papers: tuple[ShownPaper, ...]
    days: int


@router.get("/profiles")
def list_profiles(context: Context) -> Response:
    """All shared profiles."""
    with context.store.read() as tx:
        shared = profiles.list_shared(tx)
    return context.render("profiles.html.j2", AllProfiles(tuple(map(_shown, shared))))


@router.get("/profile/{name:path}")
def show_profile(context: Context, name: str) -> Response:
    """A profile and its papers; with a format behind a dot, their feed. Raises HTTPException 404."""
    stem, _, form = name.rpartition(".")
    with context.store.read() as tx:
        profile = profiles.find(tx, name)
        feed_of = profiles.find(tx, stem) if profile is None and form in FORMATS else None
    if feed_of is not None:
        newest_first = sorted(
            (found.paper for found in _found(context, feed_of)),
            key=lambda paper: paper.first_seen_at or context.now,
            reverse=True,
        )
        title, path = f"{context.services.site.name} · {feed_of.name}", _shown(feed_of).path
        return paper_feed(context, title, path, form, newest_first)
    if profile is None:
        raise HTTPException(404)
    papers = tuple(context.services.cards.show(item.paper, item.evidence) for item in _found(context, profile))
    return context.render("profile.html.j2", OneProfile(profile=_shown(profile), papers=papers, days=_DAYS))


def _found(context: Context, profile: Profile) -> Sequence[DigestItem]:
    """The best papers of the last days; none if the rules are invalid, as those of an older version may be."""
    try:
        recent = context.app.recent_papers
        return recent.find_recent([profile], days=_DAYS, now=context.now, limit=_MAX_PAPERS).items
    except RuleError:
        return ()


def _shown(profile: Profile) -> ShownProfile:
    return ShownProfile(
        name=clean(profile.name),
        path=f"/profile/{quote(profile.name)}",
        rules="\n".join(map(clean, profile.rules.splitlines())),
    )

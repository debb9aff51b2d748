"""Who follows a shared profile: for admins, as it names people."""

from dataclasses import dataclass

from digest.models import Admin
from digest.store import Store, profiles
from digest.web.context import isolated
from digest.web.pages import Answer, Page, Visit, parse_number

_A_PAGE = 100  # addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """A page of them, by their numbers."""

    id: int
    name: str
    count: int
    people: tuple[tuple[int, str], ...]  # (number, address)
    first: bool  # it is the first page
    more: bool  # there is one behind it


@dataclass(frozen=True, slots=True)
class ListingFollowers:
    """The page at /admin/profiles/ID/followers; `?after=NUMBER` is the page behind a subscriber."""

    store: Store

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET. Raises NotFoundError."""
        after = parse_number(visit.query.get("after", "0"))
        with self.store.read() as tx:
            profile = profiles.get_by_id(tx, visit.id)
            count, _ = profiles.count_followers_of(tx, visit.id)
            people = profiles.list_followers(tx, visit.id, after=after, limit=_A_PAGE + 1)
        shows = Followers(
            id=profile.id,
            name=isolated(profile.name),
            count=count,
            people=tuple(people[:_A_PAGE]),
            first=not after,
            more=len(people) > _A_PAGE,
        )
        return Page(template="desk-followers.html.j2", shows=shows)

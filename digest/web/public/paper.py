"""A page for each paper: all that is known of it, and where it was announced."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException

from digest.mail.encoding import clean
from digest.models import AnnounceType, Sighting
from digest.store import Store, editions, papers
from digest.web.pages import Page, Redirect, Visit
from digest.web.papers import Showcase, ShownPaper, paper_path, shown_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSighting:
    """Where a paper was announced, and when by the newsletter's clock."""

    source: str
    announce_type: AnnounceType
    seen_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePaper:
    """A paper and what is known of it."""

    shown: ShownPaper
    authors: tuple[str, ...]  # all of them
    categories: tuple[str, ...]
    edition_on: date | None
    sightings: tuple[ShownSighting, ...]
    reference: str  # its id as it stands in addresses


@dataclass(frozen=True, slots=True)
class Papers:
    """The pages at /paper/ID."""

    store: Store
    showcase: Showcase
    timezone: ZoneInfo  # of the editions' dates

    def look(self, visit: Visit) -> Page | Redirect:
        """GET; to the id that stays, where it is asked for by another. Raises HTTPException 404."""
        asked = visit.path["id"]
        with self.store.read() as tx:
            paper = papers.find_by_keys(tx, [asked]).get(asked)
            if paper is None:
                raise HTTPException(404)
            edition_on = editions.find_date_of(tx, paper.id)
            sightings = papers.list_sightings(tx, paper.id)
        if paper.id != asked:
            return Redirect(path=paper_path(paper.id))
        shown = OnePaper(
            shown=self.showcase.show(paper),
            authors=tuple(map(clean, paper.authors)),
            categories=tuple(map(clean, paper.categories)),
            edition_on=edition_on,
            sightings=tuple(map(self._shown, sightings)),
            reference=shown_id(paper.id),
        )
        return Page(template="paper.html.j2", shows=shown)

    def _shown(self, sighting: Sighting) -> ShownSighting:
        seen_on = sighting.at.astimezone(self.timezone).date()
        return ShownSighting(source=clean(sighting.source), announce_type=sighting.announce_type, seen_on=seen_on)

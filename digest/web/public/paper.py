"""The page of each paper: everything known about it, where it was announced, and references to cite it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Path
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail.encoding import clean
from digest.models import AnnounceType
from digest.store import papers
from digest.web.dependencies import Context, cached_router
from digest.web.papers import ShownPaper, paper_path, shown_id
from digest.web.references import Reference, bibtex, ris
from digest.web.rendering import attachment

_NO_FILENAME = re.compile(r"[^A-Za-z0-9.-]+")

router = cached_router()

PaperKey = Annotated[str, Path(alias="id")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSighting:
    """Where a paper was announced, and on which date of the newsletter's time zone."""

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
    reference: str  # its id as addresses have it


@router.get("/paper/{id:path}")
def show_paper(context: Context, key: PaperKey) -> Response:
    """A paper, found by any of its ids; others than the first redirect to it. Raises HTTPException 404."""
    with context.store.read() as tx:
        paper = papers.find_by_keys(tx, [key]).get(key)
        if paper is None:
            raise HTTPException(404)
        edition_on = papers.find_edition_of(tx, paper.id)
        sightings = papers.list_sightings(tx, paper.id)
    if paper.id != key:
        return context.redirect(paper_path(paper.id))
    timezone = ZoneInfo(context.app.config.newsletter.timezone)
    page = OnePaper(
        shown=context.services.cards.show(paper),
        authors=tuple(map(clean, paper.authors)),
        categories=tuple(map(clean, paper.categories)),
        edition_on=edition_on,
        sightings=tuple(
            ShownSighting(
                source=clean(sighting.source),
                announce_type=sighting.announce_type,
                seen_on=sighting.at.astimezone(timezone).date(),
            )
            for sighting in sightings
        ),
        reference=shown_id(paper.id),
    )
    return context.render("paper.html.j2", page)


@router.get("/bibtex/{id:path}")
def download_bibtex(context: Context, key: PaperKey) -> Response:
    """The BibTeX entry of a paper. Raises HTTPException 404."""
    return _reference(context, key, "bibtex", bibtex, "application/x-bibtex; charset=utf-8", "bib")


@router.get("/ris/{id:path}")
def download_ris(context: Context, key: PaperKey) -> Response:
    """The RIS record of a paper. Raises HTTPException 404."""
    return _reference(context, key, "ris", ris, "application/x-research-info-systems; charset=utf-8", "ris")


def _reference(
    context: Context, key: str, folder: str, write: Callable[[Reference], str], media_type: str, suffix: str
) -> Response:
    with context.store.read() as tx:
        paper = papers.find_by_keys(tx, [key]).get(key)
        if paper is None:
            raise HTTPException(404)
        keys = papers.list_keys(tx, paper.id)
    if paper.id != key:
        return context.redirect(f"/{folder}/{shown_id(paper.id)}")
    shown = context.services.cards.show(paper)
    url = shown.card.url or f"{context.services.site.url}{shown.path}"
    content = write(Reference(paper=paper, keys=keys, url=url)).encode()
    return attachment(content, media_type, f"{_NO_FILENAME.sub('-', paper.id)}.{suffix}")

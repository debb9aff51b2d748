"""The page of each paper, references in BibTeX and RIS to cite it, and the form that proposes a paper.

References are in UTF-8. No text breaks out of its field: each is one line, and braces are always paired. A proposal is
reviewed by an editor before anyone else sees it, and nothing is fetched for it here.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Path
from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail.encoding import clean
from digest.models import AnnounceType, Paper
from digest.sources.paper_page import canonical_url
from digest.store import papers, submissions
from digest.web.auth import public_router
from digest.web.dependencies import Context, PostedForm, cached_router
from digest.web.papers import ShownPaper, paper_path, shown_id
from digest.web.rendering import attachment

_NO_FILENAME = re.compile(r"[^A-Za-z0-9.-]+")

# Of BibTeX
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",  # not \{: BibTeX counts escaped braces as well
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "$&%#_"},
}
_ESCAPES = str.maketrans(_SPECIAL)
_VERBATIM = str.maketrans({"\\": "%5C", "{": "%7B", "}": "%7D"})  # in fields that LaTeX does not interpret
_NO_KEY = re.compile(r"[^A-Za-z0-9:./-]+")
_ARXIV_CLASS = re.compile(r"[a-z-]+(?:\.[A-Za-z-]+)?")
_LIST = re.compile(r"\sand\s|,.*,|^ others $", re.IGNORECASE)  # what BibTeX would read as several names

router = cached_router()
propose_router = public_router("/propose", wakes_delivery=False)

PaperKey = Annotated[str, Path(alias="id")]


# References


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A paper to be cited."""

    paper: Paper
    keys: Sequence[str]  # all its ids
    url: str  # of its abstract, or else of its page here

    def known_as(self, scheme: str) -> str:
        """Its arXiv id ("arxiv") or DOI ("doi"), or ""."""
        found = (key.partition(":")[2] for key in (self.paper.id, *self.keys) if key.startswith(f"{scheme}:"))
        return next(found, "")

    @property
    def year(self) -> str:
        """The year in which it was published, or else first seen."""
        at = self.paper.published_at or self.paper.first_seen_at
        return "" if at is None else f"{at.year:04}"


def bibtex(reference: Reference) -> str:
    """Return an entry for a .bib file."""
    paper, arxiv_id = reference.paper, _line(reference.known_as("arxiv"))
    primary = paper.categories[0] if paper.categories else ""
    fields = {
        "title": " ".join(map(_capitals_kept, _line(paper.title).split())),
        "author": " and ".join(_name(name) for author in paper.authors if (name := _line(author))),
        "year": reference.year,
        "eprint": arxiv_id.translate(_VERBATIM),
        "archivePrefix": "arXiv" if arxiv_id else "",
        "primaryClass": primary if arxiv_id and _ARXIV_CLASS.fullmatch(primary) else "",
        "doi": _line(reference.known_as("doi")).translate(_VERBATIM),
        "url": _line(reference.url).translate(_VERBATIM),
    }
    written = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return ",\n".join([f"@misc{{{_NO_KEY.sub('-', paper.id)}", *written]) + "\n}\n"


def ris(reference: Reference) -> str:
    """Return a record for a .ris file, with CRLF line ends."""
    paper, doi = reference.paper, reference.known_as("doi")
    fields = [
        ("TY", "JOUR" if doi else "UNPB"),
        ("TI", paper.title),
        *(("AU", name) for name in paper.authors),
        ("PY", reference.year),
        ("AB", paper.abstract),
        ("DO", doi),
        ("UR", reference.url),
    ]
    written = [f"{tag}  - {line}" for tag, text in fields if (line := _line(text))]
    return "\r\n".join([*written, "ER  - ", ""])


def _line(text: str) -> str:
    """Return a text on one line, without control characters."""
    return " ".join(clean(text).split())


def _capitals_kept(word: str) -> str:
    """Return a word of a title, in braces if a style would lower its case: names cannot be told from other words."""
    escaped = word.translate(_ESCAPES)
    if word == word.lower():
        return escaped
    # A brace before a backslash makes a "special character" in BibTeX, whose letters are lowered all the same.
    return f"{{{{{escaped}}}}}" if escaped.startswith("\\") else f"{{{escaped}}}"


def _name(name: str) -> str:
    escaped = name.translate(_ESCAPES)
    return f"{{{escaped}}}" if _LIST.search(f" {name} ") else escaped


# Pages


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


# Proposing


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The form that proposes a paper, as it was filled in."""

    written: str = ""
    faulty: bool = False


@propose_router.get("")
def show_proposal(context: Context) -> Response:
    """Show the form that proposes a paper."""
    return context.render("propose.html.j2", Proposal())


@propose_router.post("")
def propose_paper(context: Context, form: PostedForm) -> Response:
    """Store a proposal for an editor. The response does not tell whether it is new. Raises HTTPException 429."""
    written = form.get("paper", "")
    url = canonical_url(written)
    if not url:
        return context.render("propose.html.j2", Proposal(written=written, faulty=True), status=422)
    context.services.limits.proposals.check(context.client, now=context.now)

    def store_proposal() -> None:
        with context.store.write() as tx:
            submissions.add(tx, url, origin="page", now=context.now)

    context.run_after_response(store_proposal)
    return context.render("proposed.html.j2")

"""References to papers, as files for whoever cites them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from digest.store import Store, papers
from digest.web.context import Site
from digest.web.pages import Document, Redirect, Visit
from digest.web.papers import Showcase, shown_id
from digest.web.references import Reference, bibtex, ris

_NO_NAME = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Citing:
    """The files at /bibtex/ID and /ris/ID."""

    store: Store
    showcase: Showcase
    site: Site

    def bibtex(self, visit: Visit) -> Document | Redirect:
        """GET /bibtex/ID"""
        return self._file(visit, "bibtex", bibtex, "application/x-bibtex; charset=utf-8", "bib")

    def ris(self, visit: Visit) -> Document | Redirect:
        """GET /ris/ID"""
        return self._file(visit, "ris", ris, "application/x-research-info-systems; charset=utf-8", "ris")

    def _file(
        self, visit: Visit, place: str, write: Callable[[Reference], str], media_type: str, ending: str
    ) -> Document | Redirect:
        asked = visit.path["id"]
        with self.store.read() as tx:
            paper = papers.find_by_keys(tx, [asked]).get(asked)
            if paper is None:
                raise HTTPException(404)
            keys = papers.list_keys(tx, paper.id)
        if paper.id != asked:
            return Redirect(path=f"/{place}/{shown_id(paper.id)}")
        shown = self.showcase.show(paper)
        url = shown.card.url or f"{self.site.url}{shown.path}"
        content = write(Reference(paper=paper, keys=keys, url=url)).encode()
        return Document(content=content, media_type=media_type, filename=f"{_NO_NAME.sub('-', paper.id)}.{ending}")

"""Papers as pages show them: the cards of mails, with complete abstracts and links to the papers' own pages."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from digest.mail import Card, PaperCache, build_card
from digest.models import DigestItem, Evidence, Paper

_COMPLETE = 20_000  # characters: more than any abstract has


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPaper:
    """A paper on a page."""

    id: str
    path: str  # of its own page, without the site's path
    card: Card


class PaperCards:
    """Makes the cards of papers, and caches what does not depend on the reader. Safe to share between threads."""

    def __init__(self) -> None:
        self._cache = PaperCache()
        self._lock = threading.Lock()

    def show(self, paper: Paper, evidence: Sequence[Evidence] = (), *, most: int = _COMPLETE) -> ShownPaper:
        """Return a paper with its matches highlighted, and an abstract of at most `most` characters."""
        return self.show_item(DigestItem(paper=paper, profile="", score=0, evidence=tuple(evidence)), most=most)

    def show_item(
        self, item: DigestItem, *, mute_url: Callable[[str], str] = lambda _: "", most: int = _COMPLETE
    ) -> ShownPaper:
        """Return a paper of a reader's digest. `mute_url` returns the link that mutes a keyword, or "" for none."""
        path = paper_path(item.paper.id)
        with self._lock:
            prepared = self._cache.get(item.paper)
        made = build_card(item, prepared, max_abstract=most, paper_url=path, mute_url=mute_url)
        return ShownPaper(id=item.paper.id, path=path, card=made)


def paper_path(public_id: str) -> str:
    """Return the path of a paper's page: `/paper/doi:10.1101/2026.06.01`."""
    return f"/paper/{shown_id(public_id)}"


def shown_id(public_id: str) -> str:
    """Return a public id as addresses have it."""
    return quote(public_id, safe=":/@+,;=()")

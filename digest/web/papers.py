"""Papers as pages show them: the cards that mails have, with whole abstracts and an address of their own."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from digest.mail import Card, PaperCache, build_card
from digest.models import DigestItem, Evidence, Paper

_WHOLE = 20_000  # characters: more than any abstract has


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPaper:
    """A paper on a page."""

    id: str
    path: str  # of its own page, without what stands before the path of every page
    card: Card


class Showcase:
    """Makes cards for pages; what is a paper's own is made once. Safe to share between threads."""

    def __init__(self) -> None:
        self._cache = PaperCache()
        self._lock = threading.Lock()

    def show(self, paper: Paper, evidence: Sequence[Evidence] = (), *, most: int = _WHOLE) -> ShownPaper:
        """A paper with what matched marked, and an abstract of at most `most` characters."""
        return self.show_item(DigestItem(paper=paper, profile="", score=0, evidence=tuple(evidence)), most=most)

    def show_item(self, item: DigestItem, *, mute_url: str = "", most: int = _WHOLE) -> ShownPaper:
        """A paper of somebody's digest. `mute_url` is the link that mutes, up to its keyword."""
        path = paper_path(item.paper.id)
        with self._lock:
            prepared = self._cache.get(item.paper)
        made = build_card(item, prepared, max_abstract=most, paper_url=path, mute_url=mute_url)
        return ShownPaper(id=item.paper.id, path=path, card=made)


def paper_path(public_id: str) -> str:
    """`/paper/doi:10.1101/2026.06.01`: where everybody finds a paper."""
    return f"/paper/{shown_id(public_id)}"


def shown_id(public_id: str) -> str:
    """A public id as it stands in addresses."""
    return quote(public_id, safe=":/@+,;=()")

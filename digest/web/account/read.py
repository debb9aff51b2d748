"""Digests on the web, by the link in each and for who is signed in: all papers, also those that did not fit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby

from starlette.exceptions import HTTPException

from digest.models import OWN_KEYWORDS, Digest, DigestItem, Paper, Subscriber
from digest.security.links import Links, Scope, encode_time
from digest.store import Store, Transaction, digests, papers
from digest.store.digests import DigestSummary
from digest.web.pages import Answer, Page, Visit
from digest.web.papers import Showcase, ShownPaper
from digest.web.reader_auth import TOO_OLD, find_held

_MORE = 50  # papers that did not fit, a page
_DIGESTS = 30  # a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The papers of one profile; `own` where it is the reader's keywords."""

    name: str
    own: bool
    papers: tuple[ShownPaper, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDigest:
    """A digest."""

    by_link: bool
    dated_on: date
    count: int
    sections: tuple[Section, ...]  # on the first page, as is `trending`
    trending: tuple[ShownPaper, ...]
    more: tuple[ShownPaper, ...]
    all_more: int
    number: int  # of the page, from 1
    is_last: bool
    path: str  # of its pages, up to their number


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A digest in the list."""

    name: str  # in its address
    dated_on: date
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDigests:
    """A page of the list of digests."""

    digests: tuple[Past, ...]
    number: int
    is_last: bool


class Reading:
    """The pages at /read/TOKEN, /settings/digests and /settings/digests/SLOT."""

    def __init__(self, store: Store, links: Links, showcase: Showcase) -> None:
        self._store = store
        self._links = links
        self._showcase = showcase

    def look_by_link(self, visit: Visit) -> Answer:
        """GET: the digest that a link in its mail is about. What it lets mute is what the mail lets mute."""
        with self._store.read() as tx:
            held = find_held(tx, self._links, Scope.READ, visit)
            if held is None:
                return TOO_OLD
            reader, token = held
            digest = _find(tx, reader, token.about)
            return self._page(tx, visit, digest, mutes_from=digest.created_at, path=f"/read/{visit.token}")

    def look(self, visit: Visit, reader: Subscriber) -> Answer:
        """GET: one of their digests."""
        slot = visit.path.get("slot", "")
        with self._store.read() as tx:
            digest = _find(tx, reader, slot)
            return self._page(tx, visit, digest, mutes_from=visit.now, path=f"/settings/digests/{slot}")

    def list(self, visit: Visit, reader: Subscriber) -> Answer:
        """GET: all their digests, newest first."""
        number = _number(visit)
        with self._store.read() as tx:
            found = digests.list_summaries(tx, reader.id, offset=(number - 1) * _DIGESTS, limit=_DIGESTS + 1)
        past = tuple(_past(digest) for digest in found[:_DIGESTS])
        shows = PastDigests(digests=past, number=number, is_last=len(found) <= _DIGESTS)
        return Page(template="digests.html.j2", shows=shows, language=reader.language)

    def _page(self, tx: Transaction, visit: Visit, digest: Digest, *, mutes_from: datetime, path: str) -> Page:
        number = _number(visit)
        first = (number - 1) * _MORE
        wanted = digest.more[first : first + _MORE]
        known = papers.find_by_keys(tx, wanted)
        reader = digest.subscriber
        mute_url = self._links.url(Scope.MUTE, reader.id, reader.epoch, written_at=mutes_from) + "?keyword="
        shows = ReadDigest(
            by_link=bool(visit.token),
            dated_on=digest.dated_on,
            count=len(digest.items),
            sections=self._sections(digest.items, mute_url) if number == 1 else (),
            trending=self._shown(digest.trending) if number == 1 else (),
            more=self._shown(_each_once(known[paper_id] for paper_id in wanted if paper_id in known)),
            all_more=len(digest.more),
            number=number,
            is_last=first + _MORE >= len(digest.more),
            path=f"{path}?page=",
        )
        return Page(template="read.html.j2", shows=shows, language=reader.language)

    def _sections(self, items: tuple[DigestItem, ...], mute_url: str) -> tuple[Section, ...]:
        return tuple(
            Section(
                name=name,
                own=name == OWN_KEYWORDS,
                papers=tuple(self._showcase.show_item(item, mute_url=mute_url) for item in some),
            )
            for name, some in groupby(items, key=lambda item: item.profile)
        )

    def _shown(self, some: Iterable[Paper]) -> tuple[ShownPaper, ...]:
        return tuple(self._showcase.show(paper) for paper in some)


def _find(tx: Transaction, reader: Subscriber, slot: str) -> Digest:
    """Their digest of a slot, as links write it. Raises HTTPException 404."""
    try:
        slot_at = datetime.fromtimestamp(int(slot, 16), UTC)
    except (ValueError, OverflowError, OSError):
        raise HTTPException(404) from None
    digest = digests.find_by_slot(tx, reader.id, slot_at)
    if digest is None:
        raise HTTPException(404)
    return digest


def _each_once(some: Iterable[Paper]) -> Iterable[Paper]:
    """Papers that were merged since have one name."""
    return {paper.id: paper for paper in some}.values()


def _number(visit: Visit) -> int:
    """Which page is asked for. Raises HTTPException 404."""
    if not visit.number:
        raise HTTPException(404)
    return visit.number


def _past(digest: DigestSummary) -> Past:
    return Past(name=encode_time(digest.slot_at), dated_on=digest.dated_on, count=digest.count)

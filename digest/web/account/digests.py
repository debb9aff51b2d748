"""A subscriber's digests as pages, signed in or by the link in each: all papers, also those that did not fit."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.models import OWN_KEYWORDS, Digest, Subscriber
from digest.security.links import Scope, encode_time
from digest.store import Transaction, digests, papers
from digest.web.dependencies import Context, Number
from digest.web.papers import ShownPaper
from digest.web.reader_auth import CurrentReader, get_by_link, public_router, reader_router

_PAPERS = 50  # that did not fit, a page
_DIGESTS = 30  # a page

router = reader_router("/settings/digests")
link_router = public_router()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The papers of one profile; `own`: it is the subscriber's own keywords."""

    name: str
    own: bool
    papers: tuple[ShownPaper, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDigest:
    """A digest."""

    by_link: bool  # not signed in
    dated_on: date
    count: int
    sections: tuple[Section, ...]  # on the first page only, as `trending`
    trending: tuple[ShownPaper, ...]
    more: tuple[ShownPaper, ...]  # those of this page that did not fit into the mail
    all_more: int
    number: int  # of the page, from 1
    is_last: bool
    path: str  # of its pages, without their number


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


@router.get("")
def list_digests(context: Context, reader: CurrentReader, page: Number = 1) -> Response:
    """All digests of the subscriber, newest first, a page at a time. Raises HTTPException 404."""
    if not page:
        raise HTTPException(404)
    with context.store.read() as tx:
        found = digests.list_summaries(tx, reader.id, offset=(page - 1) * _DIGESTS, limit=_DIGESTS + 1)
    past = tuple(Past(name=encode_time(one.slot_at), dated_on=one.dated_on, count=one.count) for one in found)
    shown = PastDigests(digests=past[:_DIGESTS], number=page, is_last=len(past) <= _DIGESTS)
    return context.render("digests.html.j2", shown)


@router.get("/{slot}")
def show_digest(context: Context, slot: str, reader: CurrentReader, page: Number = 1) -> Response:
    """One of the subscriber's digests. Raises HTTPException 404."""
    with context.store.read() as tx:
        digest = _get_digest(tx, reader, slot)
        path = f"/settings/digests/{slot}"
        shown = _read_digest(context, tx, digest, page, by_link=False, mutes_from=context.now, path=path)
    return context.render("read.html.j2", shown, language=digest.subscriber.language)


@link_router.get("/read/{token}")
def show_digest_by_link(context: Context, token: str, page: Number = 1) -> Response:
    """The digest of the link. Raises HTTPException 404."""
    with context.store.read() as tx:
        reader, link = get_by_link(tx, context, Scope.READ, token)
        digest = _get_digest(tx, reader, link.about)
        # Its mute links expire with those of the mail, which may have been forwarded.
        shown = _read_digest(
            context, tx, digest, page, by_link=True, mutes_from=digest.created_at, path=f"/read/{token}"
        )
    return context.render("read.html.j2", shown, language=digest.subscriber.language)


def _get_digest(tx: Transaction, reader: Subscriber, slot: str) -> Digest:
    """The reader's digest of a slot, which is written as `encode_time` does. Raises HTTPException 404."""
    try:
        slot_at = datetime.fromtimestamp(int(slot, 16), UTC)
    except (ValueError, OverflowError, OSError):
        raise HTTPException(404) from None
    digest = digests.find_by_slot(tx, reader.id, slot_at)
    if digest is None:
        raise HTTPException(404)
    return digest


def _read_digest(
    context: Context, tx: Transaction, digest: Digest, number: int, *, by_link: bool, mutes_from: datetime, path: str
) -> ReadDigest:
    """Page `number` of a digest. Its links to mute a keyword count as written at `mutes_from`."""
    if not number:
        raise HTTPException(404)
    showcase, reader, first = context.services.showcase, digest.subscriber, (number - 1) * _PAPERS
    keys = digest.more[first : first + _PAPERS]
    known = papers.find_by_keys(tx, keys)
    more = {known[key].id: known[key] for key in keys if key in known}  # by id: papers may have been merged since
    mute_url = context.app.links.url(Scope.MUTE, reader.id, reader.epoch, written_at=mutes_from) + "?keyword="
    sections = tuple(
        Section(
            name=name,
            own=name == OWN_KEYWORDS,
            papers=tuple(showcase.show_item(item, mute_url=mute_url) for item in items),
        )
        for name, items in groupby(digest.items if number == 1 else (), key=lambda item: item.profile)
    )
    return ReadDigest(
        by_link=by_link,
        dated_on=digest.dated_on,
        count=len(digest.items),
        sections=sections,
        trending=tuple(map(showcase.show, digest.trending)) if number == 1 else (),
        more=tuple(map(showcase.show, more.values())),
        all_more=len(digest.more),
        number=number,
        is_last=first + _PAPERS >= len(digest.more),
        path=f"{path}?page=",
    )

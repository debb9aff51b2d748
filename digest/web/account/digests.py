"""A subscriber's digests as pages, signed in or by the link in each, with all papers; and as a private feed.

The subscriber turns the feed on and off. It is open to all who know its address.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hmac import compare_digest
from itertools import groupby

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail import Card
from digest.mail.encoding import clean
from digest.models import OWN_KEYWORDS, DigestItem, Subscriber
from digest.security.links import Scope, encode_time
from digest.store import digests, papers, subscribers
from digest.web.auth import (
    CurrentReader,
    find_live_session,
    find_still,
    get_by_link,
    public_router,
    reader_router,
    verify_link,
)
from digest.web.dependencies import Context, Number, PostedForm
from digest.web.dependencies import link as link_to
from digest.web.feeds import FORMATS, Feed, Item, item
from digest.web.papers import ShownPaper

_PAPERS = 50  # that did not fit, a page
_DIGESTS = 30  # a page, and in the feed
_FORMAT_NAMES = {"atom": "Atom", "rss": "RSS", "json": "JSON Feed"}
_CACHE_CONTROL = "private, max-age=900"  # seconds; digests come once a day

router = reader_router("/settings")
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


@router.get("/digests")
def list_digests(context: Context, reader: CurrentReader, page: Number = 1) -> Response:
    """All digests of the subscriber, newest first, a page at a time. Raises HTTPException 404."""
    if not page:
        raise HTTPException(404)
    with context.store.read() as tx:
        found = digests.list_summaries(tx, reader.id, offset=(page - 1) * _DIGESTS, limit=_DIGESTS + 1)
    past = tuple(Past(name=encode_time(one.slot_at), dated_on=one.dated_on, count=one.count) for one in found)
    shown = PastDigests(digests=past[:_DIGESTS], number=page, is_last=len(past) <= _DIGESTS)
    return context.render("digests.html.j2", shown)


@router.get("/digests/{slot}")
def show_digest(context: Context, slot: str, reader: CurrentReader, page: Number = 1) -> Response:
    """One of the subscriber's digests. Raises HTTPException 404."""
    return _show(context, reader, slot, page, path=f"/settings/digests/{slot}", mutes=True)


@link_router.get("/read/{token}")
def show_digest_by_link(context: Context, token: str, page: Number = 1) -> Response:
    """The digest of the link. Raises HTTPException 404.

    Readers share this page, so it allows nothing but reading: its links to mute keywords are there for its own reader
    only, and ask for the session.
    """
    with context.store.read() as tx:
        reader, link = get_by_link(tx, context, Scope.READ, token)
        session = find_live_session(tx, context)
    is_own = session is not None and session.reader.id == reader.id
    return _show(context, reader, link.about, page, path=f"/read/{token}", by_link=True, mutes=is_own)


def _show(
    context: Context, reader: Subscriber, slot: str, number: int, *, path: str, by_link: bool = False, mutes: bool
) -> Response:
    """Page `number` of the digest of a slot, which is written as `encode_time` does. `mutes`: it has links to mute."""
    try:
        slot_at = datetime.fromtimestamp(int(slot, 16), UTC)
    except (ValueError, OverflowError, OSError):
        raise HTTPException(404) from None
    first = (number - 1) * _PAPERS
    with context.store.read() as tx:
        digest = digests.find_by_slot(tx, reader.id, slot_at)
        if digest is None or not number:
            raise HTTPException(404)
        keys = digest.more[first : first + _PAPERS]
        known = papers.find_by_keys(tx, keys)
    more = {known[key].id: known[key] for key in keys if key in known}  # by id: papers may have been merged since
    cards, site = context.services.cards, context.services.site

    def mute_url(keyword: str) -> str:
        return f"{site.path}{link_to('/settings/mute', keyword=keyword)}" if mutes else ""

    page = ReadDigest(
        by_link=by_link,
        dated_on=digest.dated_on,
        count=len(digest.items),
        sections=tuple(
            Section(
                name=name,
                own=name == OWN_KEYWORDS,
                papers=tuple(cards.show_item(item, mute_url=mute_url) for item in items),
            )
            for name, items in groupby(digest.items if number == 1 else (), key=lambda item: item.profile)
        ),
        trending=tuple(map(cards.show, digest.trending)) if number == 1 else (),
        more=tuple(map(cards.show, more.values())),
        all_more=len(digest.more),
        number=number,
        is_last=first + _PAPERS >= len(digest.more),
        path=f"{path}?page=",
    )
    return context.render("read.html.j2", page, language=reader.language)


@dataclass(frozen=True, slots=True)
class FeedAddresses:
    """What the page shows: (format, address) pairs, none while the feed is off."""

    addresses: tuple[tuple[str, str], ...]


@router.get("/feed")
def show_addresses(context: Context, reader: CurrentReader) -> Response:
    """The addresses of the feed, if it is on."""
    formats = _FORMAT_NAMES if reader.feed else {}
    page = FeedAddresses(tuple((name, _address(context, reader, form)) for form, name in formats.items()))
    return context.render("feed.html.j2", page)


@router.post("/feed")
def switch_feed(context: Context, form: PostedForm, reader: CurrentReader) -> Response:
    """Turn the feed off, or on at a new address. The previous address stops working."""
    feed = "" if form.get("do") == "off" else secrets.token_hex(8)
    with context.store.write() as tx:
        still = find_still(tx, reader)
        if still is not None:
            subscribers.save(tx, replace(still, feed=feed))
    return context.redirect("/settings/feed")


@link_router.get("/feed/{token}/{form}")
def show_feed(context: Context, token: str, form: str) -> Response:
    """The papers of the last digests, each with its reason. Raises HTTPException 404 for all that is not a feed now."""
    site = context.services.site
    link = verify_link(context, Scope.FEED, token)
    with context.store.read() as tx:
        reader = subscribers.find_by_id(tx, link.subscriber_id)
        if reader is None or reader.epoch != link.epoch or not reader.feed or form not in FORMATS:
            raise HTTPException(404)
        if not compare_digest(reader.feed, link.about):
            raise HTTPException(404)
        last = digests.list_last(tx, reader.id, limit=_DIGESTS)
    gettext = context.app.templates.languages.find(reader.language).translations.gettext
    items: dict[str, Item] = {}
    for digest in last:  # newest first: a paper that was sent again appears with its last reason
        for sent in digest.items:
            if sent.paper.id not in items:
                shown = context.services.cards.show_item(sent)
                one = item(sent.paper, shown, site.url)
                items[sent.paper.id] = replace(one, seen_at=digest.created_at, why=_reason(sent, shown.card, gettext))
    feed = Feed(
        title=f"{site.name} · {gettext('My digest')}",
        author=site.name,
        language=reader.language,
        page_url=f"{site.url}/settings/digests",
        url=_address(context, reader, form),
        items=tuple(items.values()),
    )
    media_type, write = FORMATS[form]
    return Response(write(feed), media_type=media_type, headers={"Cache-Control": _CACHE_CONTROL})


def _address(context: Context, reader: Subscriber, form: str) -> str:
    return f"{context.app.links.url(Scope.FEED, reader.id, reader.epoch, about=reader.feed)}/{form}"


def _reason(sent: DigestItem, card: Card, gettext: Callable[[str], str]) -> str:
    """Return the reason as in the mail, "Why: “cats”, “dogs” · Your keywords", in the subscriber's language."""
    keywords = ", ".join(gettext("“%(keyword)s”") % {"keyword": reason.text} for reason in card.reasons)
    profile = gettext(OWN_KEYWORDS) if sent.profile == OWN_KEYWORDS else sent.profile
    return clean(f"{gettext('Why:')} {f'{keywords} · ' if keywords else ''}{profile}")

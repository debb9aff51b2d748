"""A subscriber's private feed of their digests: turned on and off by them, and open to all who know its address."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from hmac import compare_digest

from starlette.exceptions import HTTPException
from starlette.responses import Response

from digest.mail import Card
from digest.mail.encoding import clean
from digest.models import OWN_KEYWORDS, DigestItem, Subscriber
from digest.security.links import Scope
from digest.store import digests, subscribers
from digest.web.auth import CurrentReader, find_still, public_router, reader_router, verify_link
from digest.web.dependencies import Context, PostedForm
from digest.web.feeds import FORMATS, Feed, Item, item

_FORMAT_NAMES = {"atom": "Atom", "rss": "RSS", "json": "JSON Feed"}
_DIGESTS = 30
_CACHE_CONTROL = "private, max-age=900"  # seconds; digests come once a day

router = reader_router("/settings/feed")
link_router = public_router()


@dataclass(frozen=True, slots=True)
class FeedAddresses:
    """What the page shows: (format, address) pairs, none while the feed is off."""

    addresses: tuple[tuple[str, str], ...]


@router.get("")
def show_addresses(context: Context, reader: CurrentReader) -> Response:
    """The addresses of the feed, if it is on."""
    formats = _FORMAT_NAMES if reader.feed else {}
    page = FeedAddresses(tuple((name, _address(context, reader, form)) for form, name in formats.items()))
    return context.render("feed.html.j2", page)


@router.post("")
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
    """The reason as in the mail, "Why: “cats”, “dogs” · Your keywords", in the subscriber's language."""
    keywords = ", ".join(gettext("“%(keyword)s”") % {"keyword": reason.text} for reason in card.reasons)
    profile = gettext(OWN_KEYWORDS) if sent.profile == OWN_KEYWORDS else sent.profile
    return clean(f"{gettext('Why:')} {f'{keywords} · ' if keywords else ''}{profile}")

"""A private feed of a reader's digests: turned on and off by them, and read by whoever has its address."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hmac import compare_digest

from starlette.exceptions import HTTPException

from digest.mail import Card, Templates
from digest.mail.encoding import clean
from digest.models import OWN_KEYWORDS, Digest, DigestItem, Subscriber
from digest.security.links import Links, Scope
from digest.store import Store, Transaction, digests, subscribers
from digest.web.context import Site
from digest.web.feeds import FORMATS, Feed, Item, document, item
from digest.web.pages import Answer, Page, Redirect, Visit
from digest.web.papers import Showcase
from digest.web.reader_auth import find_still

_DIGESTS = 30
_KEPT = "private, max-age=900"  # seconds: digests come once a day


@dataclass(frozen=True, slots=True)
class FeedAddresses:
    """What the page shows: (format, address) pairs, none while the feed is off."""

    addresses: tuple[tuple[str, str], ...]


class Feeding:
    """The page at /settings/feed, and the feed at /feed/TOKEN/FORMAT."""

    def __init__(self, store: Store, links: Links, templates: Templates, showcase: Showcase, site: Site) -> None:
        self._store = store
        self._links = links
        self._languages = templates.languages
        self._showcase = showcase
        self._site = site

    def look(self, _visit: Visit, reader: Subscriber) -> Answer:
        """GET: the addresses, or that there is none."""
        addresses = tuple((name, self._address(reader, form)) for form, name in _NAMES.items()) if reader.feed else ()
        return Page(template="feed.html.j2", shows=FeedAddresses(addresses), language=reader.language)

    def act(self, visit: Visit, reader: Subscriber) -> Answer:
        """POST: turns it off, or on at an address that it never had; the one before opens nothing any more."""
        feed = "" if visit.form.get("do") == "off" else secrets.token_hex(8)
        with self._store.write() as tx:
            still = find_still(tx, reader)
            if still is not None:
                subscribers.save(tx, replace(still, feed=feed))
        return Redirect(path="/settings/feed")

    def read(self, visit: Visit) -> Answer:
        """GET: the papers of the last digests, each with its reason. Raises HTTPException 404, whatever is wrong."""
        form = visit.path["form"]
        with self._store.read() as tx:
            reader = self._reader(tx, visit)
            if reader is None or form not in FORMATS:
                raise HTTPException(404)
            last = digests.list_last(tx, reader.id, limit=_DIGESTS)
        words = self._languages.find(reader.language).translations
        feed = Feed(
            title=f"{self._site.name} · {words.gettext('My digest')}",
            author=self._site.name,
            language=reader.language,
            page_url=f"{self._site.url}/settings/digests",
            url=self._address(reader, form),
            items=tuple(self._items(last, reader)),
        )
        return replace(document(feed, form), cache_control=_KEPT)

    def _reader(self, tx: Transaction, visit: Visit) -> Subscriber | None:
        """Whose feed it is, provided that it is on, and at this address still."""
        token = self._links.verify(Scope.FEED, visit.token)
        reader = None if token is None else subscribers.find_by_id(tx, token.subscriber_id)
        if token is None or reader is None or not reader.feed or reader.epoch != token.epoch:
            return None
        return reader if compare_digest(reader.feed, token.about) else None

    def _address(self, reader: Subscriber, form: str) -> str:
        return f"{self._links.url(Scope.FEED, reader.id, reader.epoch, about=reader.feed)}/{form}"

    def _items(self, last: Iterable[Digest], reader: Subscriber) -> Iterator[Item]:
        """The papers, newest digest first; one that came again counts where it came last."""
        known: set[str] = set()
        for digest in last:
            for one in digest.items:
                if one.paper.id not in known:
                    known.add(one.paper.id)
                    shown = self._showcase.show_item(one)
                    made = item(one.paper, shown, self._site.url)
                    yield replace(made, seen_at=digest.created_at, why=self._why(one, shown.card, reader.language))

    def _why(self, one: DigestItem, card: Card, language: str) -> str:
        """The reason in the reader's language, as in the mail: Why: “cats”, “dogs” · Your keywords."""
        say = self._languages.find(language).translations.gettext
        said = [say("“%(keyword)s”") % {"keyword": reason.text} for reason in card.reasons]
        profile = say(OWN_KEYWORDS) if one.profile == OWN_KEYWORDS else one.profile
        return clean(f"{say('Why:')} {' · '.join([', '.join(said), profile] if said else [profile])}")


_NAMES = {"atom": "Atom", "rss": "RSS", "json": "JSON Feed"}

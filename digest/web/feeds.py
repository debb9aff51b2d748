"""Papers as RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1. Pure.

Feeds are well-formed for every title: texts contain no control characters or noncharacters. The id of an item is the
address of the paper's page, which never changes; its date is when we first saw the paper.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from markupsafe import escape
from starlette.responses import Response

from digest.mail.encoding import clean
from digest.models import Paper
from digest.web.papers import ShownPaper

_ATOM = "http://www.w3.org/2005/Atom"
_DC = "http://purl.org/dc/elements/1.1/"
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)

ET.register_namespace("atom", _ATOM)
ET.register_namespace("dc", _DC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A paper in a feed."""

    url: str  # of its page: absolute, and its id
    elsewhere: str  # of its abstract at its source, "" for none
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    seen_at: datetime
    why: str = ""  # the reason for which the reader has it

    @property
    def html(self) -> str:
        """What feed readers show: escaped text."""
        texts = (", ".join(self.authors), self.abstract, self.why)
        return "".join(f"<p>{escape(text)}</p>" for text in texts if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The papers of a feed, and its addresses, which are absolute."""

    title: str
    author: str  # the newsletter
    language: str
    page_url: str  # the page that shows the same papers
    url: str  # of the feed itself
    items: tuple[Item, ...]

    @property
    def updated_at(self) -> datetime:
        """When its newest paper was first seen."""
        return max((item.seen_at for item in self.items), default=_BEFORE_ALL)


def item(paper: Paper, shown: ShownPaper, site_url: str) -> Item:
    """Return a paper as an item of a feed. `site_url` is the newsletter's base URL."""
    return Item(
        url=f"{site_url}{shown.path}",
        elsewhere=shown.card.url,
        title=clean(paper.title),
        abstract=clean(paper.abstract),
        authors=tuple(filter(None, map(clean, paper.authors))),
        categories=tuple(filter(None, map(clean, paper.categories))),
        seen_at=paper.first_seen_at or _BEFORE_ALL,
    )


def feed_response(feed: Feed, form: str) -> Response:
    """The feed in one of FORMATS."""
    media_type, write = FORMATS[form]
    return Response(write(feed), media_type=media_type)


def _rss(feed: Feed) -> bytes:
    root = ET.Element("rss", version="2.0")
    channel = ET.SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.page_url)
    _add(channel, "description", feed.title)
    _add(channel, "language", feed.language)
    _add(channel, "lastBuildDate", format_datetime(feed.updated_at, usegmt=True))
    _add(channel, f"{{{_ATOM}}}link", rel="self", type="application/rss+xml", href=feed.url)
    for one in feed.items:
        node = ET.SubElement(channel, "item")
        _add(node, "title", one.title)
        _add(node, "link", one.url)
        _add(node, "guid", one.url, isPermaLink="true")
        _add(node, "pubDate", format_datetime(one.seen_at, usegmt=True))
        for author in one.authors:
            _add(node, f"{{{_DC}}}creator", author)
        for category in one.categories:
            _add(node, "category", category)
        _add(node, "description", one.html)
    return _xml(root)


def _atom(feed: Feed) -> bytes:
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": feed.language})
    _add(root, "id", feed.url)
    _add(root, "title", feed.title)
    _add(root, "updated", _timestamp(feed.updated_at))
    _add(root, "link", rel="self", type="application/atom+xml", href=feed.url)
    _add(root, "link", rel="alternate", type="text/html", href=feed.page_url)
    _add(ET.SubElement(root, "author"), "name", feed.author)
    for one in feed.items:
        node = ET.SubElement(root, "entry")
        _add(node, "id", one.url)
        _add(node, "title", one.title, type="text")
        _add(node, "published", _timestamp(one.seen_at))
        _add(node, "updated", _timestamp(one.seen_at))
        _add(node, "link", rel="alternate", type="text/html", href=one.url)
        if one.elsewhere:
            _add(node, "link", rel="related", href=one.elsewhere)
        for author in one.authors:
            _add(ET.SubElement(node, "author"), "name", author)
        for category in one.categories:
            _add(node, "category", term=category)
        _add(node, "content", one.html, type="html")
    return _xml(root)


def _json(feed: Feed) -> bytes:
    items = []
    for one in feed.items:
        optional = {"external_url": one.elsewhere, "authors": [{"name": name} for name in one.authors]}
        shown = {
            "id": one.url,
            "url": one.url,
            "title": one.title,
            "content_html": one.html,
            "date_published": _timestamp(one.seen_at),
            "tags": list(one.categories),
        }
        items.append(shown | {name: value for name, value in optional.items() if value})
    whole = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": clean(feed.title),
        "home_page_url": feed.page_url,
        "feed_url": feed.url,
        "language": feed.language,
        "authors": [{"name": clean(feed.author)}],
        "items": items,
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = clean(text)


def _xml(root: ET.Element) -> bytes:
    xml: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _timestamp(at: datetime) -> str:
    """Return a time as in RFC 3339."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


FORMATS: dict[str, tuple[str, Callable[[Feed], bytes]]] = {
    "rss": ("application/rss+xml; charset=utf-8", _rss),
    "atom": ("application/atom+xml; charset=utf-8", _atom),
    "json": ("application/feed+json; charset=utf-8", _json),
}

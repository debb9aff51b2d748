"""What the parsers of all kinds share: feeds read by feedparser, texts cleaned once, DOIs, and ParseError."""

import html
import io
import re
from calendar import timegm
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.sax import SAXException

import feedparser
import nh3

from digest.models import Entry
from digest.sources.latex import unlatex

_PAGE = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_FEED_END = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|RDF)\s*>\s*(?:<!--.{0,2000}?-->\s*)*\Z", re.IGNORECASE | re.DOTALL)
_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_ELEMENT = re.compile(rb"<(/?)[A-Za-z][^<>]*?(/?)>")
_MAX_DEPTH = 200

# feedparser has no error of its own: on damaged bytes (a NUL in the declared encoding) it lets its innards' through.
_FEEDPARSER_FAULTS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"<>?#&]+)", re.IGNORECASE)

# Control characters, and those that would turn the direction of what stands around them.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_SPACE = re.compile(r"\s+")

_TAGS = (
    "a|abbr|b|blockquote|br|cite|code|dd|div|dl|dt|em|figure|figcaption|font|h[1-6]|hr|i|img|jats:[a-z]+|li|mark|ol|p|pre|q|"
    "s|script|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul"
)
_ATTRIBUTE = r"\s+[a-zA-Z_:-]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))?"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:{_ATTRIBUTE}){{0,20}}\s*/?>|<!--", re.IGNORECASE)
_BLOCK = re.compile(r"<(?=/?(?:p|br|div|li|h[1-6]|tr|td|ul|ol|blockquote)\b)", re.IGNORECASE)
_UNREAD = re.compile(r"<(script|style)\b.{0,200000}?</\1\s*>", re.IGNORECASE | re.DOTALL)
_LESS_THAN = re.compile("<")

# 100,000 nested tags would cost the cleaner 14 seconds.
_MAX_CHARACTERS = 200_000
_MAX_TAGS = 2_000


class ParseError(ValueError):
    """Raised by parsers, which do not know the source's name. The message tells people what is wrong."""


def parse_feed(body: bytes) -> Any:
    """What feedparser makes of `body`. Raises ParseError if that is no feed, or not all of one."""
    if not body.strip():
        raise ParseError("the answer is empty")
    if _PAGE.match(body[:4096]):
        raise ParseError("the answer is a web page, not a feed; look for the feed's own address")
    if _depth(body) > _MAX_DEPTH:
        raise ParseError(f"its elements lie deeper than {_MAX_DEPTH}")
    # Bytes in a file object: a string would be taken for an address, and its declared encoding would be lost.
    # feedparser's own cleaning eats maths (`$x<y$ and $y>z$` becomes `$xz$`), so it is off and html_to_text cleans.
    try:
        parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    except _FEEDPARSER_FAULTS as error:
        raise ParseError(f"the feed is damaged: {type(error).__name__}: {error}") from None
    if not parsed.get("version"):
        raise ParseError("the answer is not a feed")
    if isinstance(parsed.get("bozo_exception"), SAXException) and not _FEED_END.search(body[-4096:]):
        raise ParseError(f"the feed breaks off after {len(parsed.entries)} entries")
    return parsed


def published_at(item: Any) -> datetime | None:
    """When an item was published, if it says so readably."""
    # dict.get: feedparser's own gives the publication for an update that is not there, and warns of it.
    parsed = dict.get(item, "published_parsed") or dict.get(item, "updated_parsed")
    try:
        return None if parsed is None else datetime.fromtimestamp(timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):  # a year that no clock can show
        return None


def _depth(body: bytes) -> int:
    """How deep elements lie, without building a tree: parsers recurse. O(bytes)."""
    depth = deepest = 0
    for tag in _ELEMENT.finditer(_CDATA.sub(b"", body)):
        if tag.group(1):
            depth -= 1
        elif not tag.group(2):
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def doi_in(text: str) -> str:
    """The DOI in an id or link, in lower case (DOIs do not tell case apart); "" if there is none."""
    found = _DOI.search(text)
    return found.group(1).rstrip(".,;)").lower() if found else ""


def plain_text(text: str) -> str:
    """Text that is no HTML: control characters dropped, white space folded, everything else as it was written."""
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def html_to_text(text: str) -> str:
    """Text that may be HTML, as plain text. A `<` that begins no tag of HTML is a less-than: `$x<y$` stays."""
    text = text[:_MAX_CHARACTERS]
    tags = _TAG.findall(text)
    if len(tags) > _MAX_TAGS:
        text = _TAG.sub(" ", _UNREAD.sub(" ", text))
    elif tags:
        marked = _LESS_THAN.sub(lambda found: "<" if _TAG.match(text, found.start()) else "&lt;", text)
        text = nh3.clean(_BLOCK.sub(" <", marked), tags=set(), clean_content_tags={"script", "style"})
    return plain_text(html.unescape(text))


def clean_entry(entry: Entry) -> Entry:
    """The entry with the LaTeX in it as characters; title and abstract as they were written are kept beside."""
    title, abstract = unlatex(entry.title), unlatex(entry.abstract)
    return replace(
        entry,
        title=title,
        abstract=abstract,
        authors=tuple(unlatex(name) for name in entry.authors),
        title_source=entry.title if entry.title != title else "",
        abstract_source=entry.abstract if entry.abstract != abstract else "",
    )

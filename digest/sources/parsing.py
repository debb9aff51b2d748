"""What the parsers of all kinds share: feedparser, cleaning of texts, DOIs, and ParseError."""

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

# feedparser has no exception of its own: damaged bytes (a NUL in the declared encoding) raise any of these.
_FEEDPARSER_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)

_DOI = re.compile(r"\b(10\.\d{4,9}/[^\s\"<>?#&]+)", re.IGNORECASE)

# Control characters, and characters that change the direction of the text around them.
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
_UNREADABLE = re.compile(r"<(script|style)\b.{0,200000}?</\1\s*>", re.IGNORECASE | re.DOTALL)

# nh3 needs 14 seconds for 100,000 nested tags.
_MAX_CHARACTERS = 200_000
_MAX_TAGS = 2_000


class ParseError(ValueError):
    """What a source served cannot be parsed. The message says why; the parser does not know the source's name."""


def parse_feed(body: bytes) -> Any:
    """Parse a feed with feedparser. Raises ParseError if `body` is not a feed, or not a complete one."""
    if not body.strip():
        raise ParseError("the answer is empty")
    if _PAGE.match(body[:4096]):
        raise ParseError("the answer is a web page, not a feed; look for the feed's own address")
    if _depth(body) > _MAX_DEPTH:
        raise ParseError(f"its elements are nested more than {_MAX_DEPTH} deep")
    # Bytes in a file object: feedparser takes a string for a URL, and would not see its declared encoding.
    # Its own cleaning eats maths (`$x<y$ and $y>z$` becomes `$xz$`), so it is off and html_to_text cleans.
    try:
        parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    except _FEEDPARSER_ERRORS as error:
        raise ParseError(f"the feed is damaged: {type(error).__name__}: {error}") from None
    if not parsed.get("version"):
        raise ParseError("the answer is not a feed")
    if isinstance(parsed.get("bozo_exception"), SAXException) and not _FEED_END.search(body[-4096:]):
        raise ParseError(f"the feed breaks off after {len(parsed.entries)} entries")
    return parsed


def _depth(body: bytes) -> int:
    """How deep elements are nested, found without building a tree, because parsers recurse. O(bytes)."""
    depth = deepest = 0
    for tag in _ELEMENT.finditer(_CDATA.sub(b"", body)):
        if tag.group(1):
            depth -= 1
        elif not tag.group(2):
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def published_at(item: Any) -> datetime | None:
    """When an item of a feed was published, or None if it does not say so in a readable way."""
    # dict.get, because feedparser's own get returns the publication for a missing update, with a warning.
    parsed = dict.get(item, "published_parsed") or dict.get(item, "updated_parsed")
    try:
        return None if parsed is None else datetime.fromtimestamp(timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):  # a year out of datetime's range
        return None


def doi_in(text: str) -> str:
    """The DOI in an id or link, in lower case because DOIs ignore case; "" if there is none."""
    found = _DOI.search(text)
    return found.group(1).rstrip(".,;)").lower() if found else ""


def web_url(link: str | None) -> str:
    """The link if it is http or https, else "": no other link goes into a mail."""
    return link if link and link.lower().startswith(("https://", "http://")) else ""


def plain_text(text: str) -> str:
    """Text that is not HTML, without control characters and with single spaces."""
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def html_to_text(text: str) -> str:
    """Plain text of what may be HTML. A `<` that does not begin an HTML tag is kept, as in `$x<y$`."""
    text = text[:_MAX_CHARACTERS]
    tags = _TAG.findall(text)
    if len(tags) > _MAX_TAGS:
        text = _TAG.sub(" ", _UNREADABLE.sub(" ", text))
    elif tags:
        marked = re.sub("<", lambda found: "<" if _TAG.match(text, found.start()) else "&lt;", text)
        text = nh3.clean(_BLOCK.sub(" <", marked), tags=set(), clean_content_tags={"script", "style"})
    return plain_text(html.unescape(text))


def clean_entry(entry: Entry) -> Entry:
    """The entry with its LaTeX as characters. The original title and abstract are kept if they differ."""
    title, abstract = unlatex(entry.title), unlatex(entry.abstract)
    return replace(
        entry,
        title=title,
        abstract=abstract,
        authors=tuple(unlatex(name) for name in entry.authors),
        title_source=entry.title if entry.title != title else "",
        abstract_source=entry.abstract if entry.abstract != abstract else "",
    )

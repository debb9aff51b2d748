"""The border to feedparser: bytes that are a whole feed in, what feedparser makes of them out."""

import io
import re
from calendar import timegm
from datetime import UTC, datetime
from typing import Any
from xml.sax import SAXException

import feedparser

from digest.sources.unreadable import UnreadableError

_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_CLOSED = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|RDF)\s*>\s*(?:<!--.{0,2000}?-->\s*)*\Z", re.IGNORECASE | re.DOTALL)
_CDATA = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)
_TAG = re.compile(rb"<(/?)[A-Za-z][^<>]*?(/?)>")
_MAX_DEPTH = 200

# feedparser has no error of its own: on damaged bytes (a NUL in the declared encoding) it lets its innards' through.
_FEEDPARSER_FAULTS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


def read(body: bytes) -> Any:
    """What feedparser makes of `body`. Raises UnreadableError if that is no feed, or not all of one."""
    if not body.strip():
        raise UnreadableError("the answer is empty")
    if _HTML.match(body[:4096]):
        raise UnreadableError("the answer is a web page, not a feed; look for the feed's own address")
    if _depth(body) > _MAX_DEPTH:
        raise UnreadableError(f"its elements lie deeper than {_MAX_DEPTH}")
    # Bytes in a file object: a string would be taken for an address, and its declared encoding would be lost.
    # feedparser's own cleaning eats maths (`$x<y$ and $y>z$` becomes `$xz$`), so it is off and readable.py cleans.
    try:
        parsed = feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    except _FEEDPARSER_FAULTS as error:
        raise UnreadableError(f"the feed is damaged: {type(error).__name__}: {error}") from None
    if not parsed.get("version"):
        raise UnreadableError("the answer is not a feed")
    if isinstance(parsed.get("bozo_exception"), SAXException) and not _CLOSED.search(body[-4096:]):
        raise UnreadableError(f"the feed breaks off after {len(parsed.entries)} entries")
    return parsed


def moment_of(item: Any) -> datetime | None:
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
    for tag in _TAG.finditer(_CDATA.sub(b"", body)):
        if tag.group(1):
            depth -= 1
        elif not tag.group(2):
            depth += 1
            deepest = max(deepest, depth)
    return deepest

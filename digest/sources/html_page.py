"""Reads the tags of a web page, whatever its bytes are, and finds the feed that a page links."""

import re
from collections.abc import Collection
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urljoin

from digest.sources import charsets
from digest.sources.parsing import plain_text, replace_long_references, web_url

_MAX_BYTES = 1_000_000  # the tags that are read are at the beginning of a page
_MAX_TAGS = 2_000
_PAGE = re.compile(
    rb"\s{0,1000}(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE)
_PARSER_ERRORS = (AssertionError, ValueError, LookupError, TypeError, RecursionError)  # HTMLParser has none of its own
_FEED_TYPES = {"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"}


def is_page(body: bytes) -> bool:
    """Return True if `body` begins as a web page does."""
    _, body = charsets.split_byte_order_mark(body[:4096])
    return _PAGE.match(body) is not None


def read_tags(body: bytes, names: Collection[str]) -> list[tuple[str, dict[str, str]]]:
    """Return the first tags with one of these names, each with its attributes in lower case."""
    text = charsets.decode(body[:_MAX_BYTES], _CHARSET)
    reader = _TagReader(names)
    with suppress(*_PARSER_ERRORS):  # what was read before the damage is kept
        reader.feed(replace_long_references(text))
    return reader.found


def find_linked_feed(body: bytes, url: str) -> str:
    """Return the address of the feed that the web page at `url` links; "" if it links none."""
    for _, attributes in read_tags(body, {"link"}):
        kind = attributes.get("type", "").partition(";")[0].strip().lower()
        if kind in _FEED_TYPES and "alternate" in attributes.get("rel", "").lower().split():
            try:
                feed = web_url(urljoin(url, plain_text(attributes.get("href", ""))))
            except ValueError:  # the link is no URL
                continue
            if feed:
                return feed
    return ""


class _TagReader(HTMLParser):
    """Collects tags by name."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self._names = names

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by HTMLParser."""
        if tag in self._names and len(self.found) < _MAX_TAGS:
            self.found.append((tag, {name: value or "" for name, value in attrs}))

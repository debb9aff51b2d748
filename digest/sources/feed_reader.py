"""Reads RSS, Atom and RDF with feedparser, so that no element of a feed can break another.

feedparser stores an element that it does not know under the element's own name, as a text, or as a dict if the element
has attributes. Such an element can replace feedparser's own fields (IEEE's `<authors>`), and with attributes its text
is lost (`<dc:identifier xsi:type="…">`). Here unknown elements are texts in a name space of their own, and an element
that feedparser cannot handle is left out. Fields are read by the functions below, which take any shape.
"""

import io
import re
import xml.sax
from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import struct_time
from typing import Any, ClassVar
from xml.sax.handler import feature_external_ges, feature_namespaces

from feedparser.api import LooseFeedParser, StrictFeedParser
from feedparser.mixin import _FeedParserMixin
from feedparser.sanitizer import replace_doctype

from digest.sources import charsets
from digest.sources.parsing import ParseError

_FEED_END = re.compile(rb"</(?:[\w.-]+:)?(?:rss|feed|RDF)\s*>\s*(?:<!--.{0,2000}?-->\s*)*\Z", re.IGNORECASE | re.DOTALL)
_ELEMENT = re.compile(rb"<(/?)[A-Za-z][^<>]*?(/?)>")
_CDATA = re.compile(rb"<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_MAX_DEPTH = 200

_DECLARATION = re.compile(r"\A\s{0,100}<\?xml[^>]{0,1000}\?>")
_DECLARED_ENCODING = re.compile(rb"""\A\s{0,100}<\?xml[^>]{0,500}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")

_NAMESPACES = {
    "http://arxiv.org/schemas/atom": "arxiv",
    **{f"http://prismstandard.org/namespaces/basic/{version}/": "prism" for version in ("2.0", "2.1", "3.0")},
}
_UNKNOWN = "element:"  # begins the names of elements that feedparser does not know; no element's name has a colon there
_FEEDPARSER_ERRORS = (LookupError, TypeError, ValueError, AttributeError, AssertionError)  # it has none of its own
_LONG_AUTHOR = 2_000  # characters


class _Elements:
    """What is handled differently from feedparser's own parsers."""

    namespaces: ClassVar[dict[str, str]] = {**_FeedParserMixin.namespaces, **_NAMESPACES}
    _matchnamespaces: ClassVar[dict[str, str]] = {}  # feedparser fills it from `namespaces`
    # Set by feedparser.
    depth: int
    entries: list[dict[str, Any]]
    feeddata: dict[str, Any]
    namespaces_in_use: dict[str, str]
    version: str

    resolve_relative_uris = False
    # feedparser's cleaning eats maths (`$x<y$ and $y>z$` becomes `$xz$`); html_to_text cleans.
    sanitize_html = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the handler of an element that feedparser does not know: it has a text, whatever its attributes."""
        parser: Any = self
        if not name.startswith(("_start_", "_end_")):
            raise AttributeError(name)
        side, _, element = name[1:].partition("_")
        # feedparser knows some elements at one end only, and by their own names.
        other_end = f"_{'end' if side == 'start' else 'start'}_{element}"
        key = element if hasattr(type(self), other_end) else _UNKNOWN + element
        return (lambda _attributes: parser.push(key, 1)) if side == "start" else (lambda: parser.pop(key))

    def _start_arxiv_primary_category(self, attributes: dict[str, str]) -> None:
        parser: Any = self
        parser._get_context()["arxiv_primary_category"] = attributes.get("term")
        parser.push(f"{_UNKNOWN}arxiv_primary_category", 1)

    def unknown_starttag(self, tag: str, attrs: Any) -> None:
        """Called by feedparser for every start tag."""
        parser: Any = super()
        try:
            parser.unknown_starttag(tag, attrs)
        except _FEEDPARSER_ERRORS:
            return

    def unknown_endtag(self, tag: str) -> None:
        """Called by feedparser for every end tag."""
        parser: Any = super()
        depth = self.depth
        try:
            parser.unknown_endtag(tag)
        except _FEEDPARSER_ERRORS:
            self.depth = depth - 1

    def handle_charref(self, ref: str) -> None:
        """Called by feedparser for every `&#ref;`. Numbers that are no character become U+FFFD."""
        parser: Any = super()
        digits, base = (ref[1:], 16) if ref[:1] in {"x", "X"} else (ref, 10)
        code = int(digits, base) if len(digits) <= 8 else 0
        if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF:
            parser.handle_charref(ref)
        else:
            parser.handle_data("\ufffd")

    def _sync_author_detail(self, key: str = "author") -> None:
        """Called by feedparser after every author, to part a name from an address."""
        parser: Any = super()
        context: dict[str, Any] = parser._get_context()
        author, people = context.get(key), context.get(f"{key}s")
        # feedparser's search for an address is quadratic in the length of a word.
        if not isinstance(author, str) or len(author) < _LONG_AUTHOR:
            parser._sync_author_detail(key)
        elif isinstance(people, list) and people and not people[-1]:
            people[-1]["name"] = author


class _StrictParser(_Elements, StrictFeedParser):  # type: ignore[misc]
    """For well-formed XML."""


class _LooseParser(_Elements, LooseFeedParser):  # type: ignore[misc]
    """For everything else."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as feedparser read it. Read the fields of an item with `text_of`, `records_of` and `published_at`."""

    title: str
    items: list[dict[str, Any]]
    namespaces: dict[str, str]  # by prefix


def read_feed(body: bytes) -> Feed:
    """Return the feed in `body`. Raises ParseError if `body` is not a feed, or not a complete one."""
    if not body.strip():
        raise ParseError("the answer is empty")
    text = _DECLARATION.sub("", charsets.decode(body, _DECLARED_ENCODING))
    data = f"<?xml version='1.0' encoding='utf-8'?>\n{text.lstrip()}".encode("utf-8", "replace")
    if _depth(data) > _MAX_DEPTH:
        raise ParseError(f"its elements are nested more than {_MAX_DEPTH} deep")
    # feedparser finds these declarations at the beginnings of lines only.
    version, data, entities = replace_doctype(data.replace(b"<!ENTITY", b"\n<!ENTITY"))
    parser = _StrictParser("", None, "utf-8")
    reader = xml.sax.make_parser()  # noqa: S317 (the document's own entities are removed, and this process is limited)
    reader.setFeature(feature_namespaces, True)
    reader.setFeature(feature_external_ges, False)
    reader.setContentHandler(parser)
    reader.setErrorHandler(parser)
    well_formed = True
    try:
        reader.parse(io.BytesIO(data))
    except (xml.sax.SAXException, *_FEEDPARSER_ERRORS):  # not well-formed, or a name with characters that none may have
        well_formed = False
        parser = _LooseParser("", None, "utf-8", entities)
        try:
            parser.feed(data.decode("utf-8", "replace"))
        except (*_FEEDPARSER_ERRORS, RecursionError) as error:
            raise ParseError(f"the feed is damaged: {type(error).__name__}: {error}") from None
    if not version and not parser.version:
        raise ParseError("the answer is not a feed")
    if not well_formed and not _FEED_END.search(data[-4096:]):
        raise ParseError(f"the feed breaks off after {len(parser.entries)} entries")
    return Feed(text_of(parser.feeddata, "title"), parser.entries, parser.namespaces_in_use)


def _depth(data: bytes) -> int:
    """Return how deep elements are nested, found without building a tree, because parsers recurse. O(bytes)."""
    depth = deepest = 0
    for tag in _ELEMENT.finditer(_CDATA.sub(b"", data)):
        if tag.group(1):
            depth -= 1
        elif not tag.group(2):
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def text_of(item: dict[str, Any], *fields: str) -> str:
    """Return the first of these fields that has a text, or "". `dc_identifier` is the element `dc:identifier`."""
    for field in fields:
        for key in (field, _UNKNOWN + field):
            value = dict.get(item, key)
            if isinstance(value, str) and value:
                return value
    return ""


def records_of(item: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a field that has a list of records, such as `authors`, `tags` and `content`; [] if it has none."""
    value = dict.get(item, field)
    return [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []


def authors_of(item: dict[str, Any]) -> list[str]:
    """Return the names of an item's authors as they are written."""
    names = [name for author in records_of(item, "authors") if (name := text_of(author, "name"))]
    return names or [name for name in text_of(item, f"{_UNKNOWN}authors").split(";") if name.strip()]


def published_at(item: dict[str, Any]) -> datetime | None:
    """Return when an item was published, or None if it does not say so in a readable way."""
    # dict.get, because feedparser's own get returns the publication for a missing update, with a warning.
    for field in ("published_parsed", "updated_parsed"):
        parsed = dict.get(item, field)
        if isinstance(parsed, struct_time):
            try:
                return datetime.fromtimestamp(timegm(parsed), UTC)
            except (ValueError, OverflowError, OSError):  # a year out of datetime's range
                return None
    return None

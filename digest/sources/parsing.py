"""What the parsers of all kinds share: cleaning and limits of texts, DOIs, and ParseError."""

import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import nh3

from digest.models import Entry
from digest.sources.latex import unlatex

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
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{8,}|[xX][0-9a-fA-F]{8,});?")  # no character, and int() may refuse it
_UNREADABLE = re.compile(r"<(script|style)\b.{0,200000}?</\1\s*>", re.IGNORECASE | re.DOTALL)

# nh3 needs 14 seconds for 100,000 nested tags.
_MAX_CHARACTERS = 200_000
_MAX_TAGS = 2_000

# What is stored of one entry, so that no later stage has to work on more. The longest list of authors of a real paper
# has 15,025 names (10.1093/bjs/znab101), the longest recorded abstract 6,000 characters.
_MAX_TITLE = 2_000  # characters
_MAX_ABSTRACT = 50_000
_MAX_NAME = 10_000  # of an author: some feeds, such as bioRxiv's, have all authors in one
_MAX_CATEGORY = 300
_MAX_URL = 2_000
_MAX_AUTHORS = 20_000
_MAX_AUTHORS_TEXT = 400_000  # characters of all names
_MAX_CATEGORIES = 200
_MAX_DOI = 300
_FIRST_YEAR, _LAST_YEAR = 1600, 2399  # of a publication: dates near the limits of datetime have no local time
MAX_COUNT = 2**31 - 1  # of upvotes and stars: the largest integer of every database


class ParseError(ValueError):
    """What a source served cannot be parsed. The message says why; the parser does not know the source's name."""


def doi_in(text: str) -> str:
    """Return the DOI in an id or link, in lower case because DOIs ignore case; "" if there is none."""
    found = _DOI.search(text)
    return found.group(1).rstrip(".,;)").lower() if found else ""


def web_url(link: str | None) -> str:
    """Return the link if it is http or https, else "": no other link goes into a mail."""
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
    return plain_text(html.unescape(replace_long_references(text)))


def replace_long_references(text: str) -> str:
    """Return the text with U+FFFD for every numeric character reference that is longer than any character's."""
    return _LONG_REFERENCE.sub("\ufffd", text)


def clean_entry(entry: Entry) -> Entry:
    """Return the entry with its LaTeX as characters and with every field in limits.

    The original title and abstract are kept if they differ.
    """
    written_title, written_abstract = entry.title[:_MAX_TITLE], entry.abstract[:_MAX_ABSTRACT]
    title, abstract = unlatex(written_title), unlatex(written_abstract)
    guid = plain_text(entry.guid)
    published_at = entry.published_at
    if published_at is not None and not _FIRST_YEAR <= published_at.year <= _LAST_YEAR:
        published_at = None
    return replace(
        entry,
        guid=guid if len(guid) <= _MAX_URL else hashlib.sha256(guid.encode()).hexdigest(),
        title=title,
        abstract=abstract,
        authors=tuple(unlatex(name) for name in _limited_authors(entry.authors)),
        categories=tuple(term[:_MAX_CATEGORY] for term in entry.categories[:_MAX_CATEGORIES]),
        title_source=written_title if written_title != title else "",
        abstract_source=written_abstract if written_abstract != abstract else "",
        url=_short_url(entry.url),
        pdf_url=_short_url(entry.pdf_url),
        code_url=_short_url(entry.code_url),
        discussion_url=_short_url(entry.discussion_url),
        doi=entry.doi if len(entry.doi) <= _MAX_DOI else "",
        published_at=published_at,
        upvotes=_count(entry.upvotes),
        stars=_count(entry.stars),
    )


def _limited_authors(authors: Sequence[str]) -> Iterator[str]:
    """Yield as many names as are stored of one paper."""
    length = 0
    for name in authors[:_MAX_AUTHORS]:
        length += min(len(name), _MAX_NAME)
        if length > _MAX_AUTHORS_TEXT:
            return
        yield name[:_MAX_NAME]


def _short_url(url: str) -> str:
    """Return a URL without white space and control characters; "" if it is too long to be one."""
    url = plain_text(url).replace(" ", "%20")
    return url if len(url) <= _MAX_URL else ""


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value <= MAX_COUNT else None

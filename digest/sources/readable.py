"""The text that is shown, searched and highlighted: cleaned once, when a paper comes in."""

import html
import re
from dataclasses import replace

import nh3

from digest.models import Entry
from digest.sources.latex import unlatex

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


def plain(text: str) -> str:
    """Text that is no HTML: control characters dropped, white space folded, everything else as it was written."""
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def from_html(text: str) -> str:
    """Text that may be HTML, as plain text. A `<` that begins no tag of HTML is a less-than: `$x<y$` stays."""
    text = text[:_MAX_CHARACTERS]
    tags = _TAG.findall(text)
    if len(tags) > _MAX_TAGS:
        text = _TAG.sub(" ", _UNREAD.sub(" ", text))
    elif tags:
        marked = _LESS_THAN.sub(lambda found: "<" if _TAG.match(text, found.start()) else "&lt;", text)
        text = nh3.clean(_BLOCK.sub(" <", marked), tags=set(), clean_content_tags={"script", "style"})
    return plain(html.unescape(text))


def readable(entry: Entry) -> Entry:
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

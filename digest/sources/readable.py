"""The text that is shown, searched and highlighted: cleaned once, when a paper comes in."""

import html
import re

import nh3

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")

_TAGS = (
    "a|abbr|b|blockquote|br|cite|code|dd|div|dl|dt|em|figure|figcaption|font|h[1-6]|hr|i|img|jats:[a-z]+|li|mark|ol|p|pre|q|"
    "s|script|section|small|span|strong|style|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul"
)
_ATTRIBUTE = r"\s+[a-zA-Z_:-]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))?"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:{_ATTRIBUTE}){{0,20}}\s*/?>|<!--", re.IGNORECASE)
_BLOCK = re.compile(r"<(?=/?(?:p|br|div|li|h[1-6]|tr|td|ul|ol|blockquote)\b)", re.IGNORECASE)
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
    if tags and len(tags) <= _MAX_TAGS:
        marked = _LESS_THAN.sub(lambda found: "<" if _TAG.match(text, found.start()) else "&lt;", text)
        text = nh3.clean(_BLOCK.sub(" <", marked), tags=set(), clean_content_tags={"script", "style"})
    return plain(html.unescape(text))

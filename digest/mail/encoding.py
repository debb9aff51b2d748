"""Text as a mail carries it: 7-bit ASCII in short lines, for HTML with entities, for text parts quoted-printable.

HTML written so needs no transfer encoding, and a text that is encoded once can be cut at any of its characters later.
"""

import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from markupsafe import Markup

# Control characters, lone surrogates, noncharacters, and what would turn the direction of the text around it.
_UNSAFE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)
_SPACE = re.compile(r"\s")
_NOT_AS_IT_IS = re.compile(r"[^ !#-%(-;=?-~]")
_NAMED = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;"}
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")

_RUN = 120  # characters of text a line; an entity takes up to 10 bytes, and tags stand beside them: below 998
_ENTITY_RUN = 60


class SafeText(str):
    """A text for templates: without control characters, and in HTML 7-bit with lines of its own."""

    __slots__ = ("_html",)
    _html: bytes | None

    def __new__(cls, text: str, html: bytes | None = None) -> "SafeText":
        """`html` is how the text is written in HTML, where that is known already."""
        shown = super().__new__(cls, clean(text))
        shown._html = html
        return shown

    @classmethod
    def isolated(cls, text: str) -> "SafeText":
        """A text that goes from right to left, kept from turning what stands beside it on its line (UAX 9, 6.3)."""
        shown = cls(text)
        if _RTL.search(shown):
            shown = super().__new__(cls, f"\u2068{shown}\u2069")
            shown._html = None
        return shown

    def __html__(self) -> Markup:
        """What markupsafe, and so Jinja, writes for it."""
        return Markup(self.encoded.decode().replace("\r\n", "\n"))  # noqa: S704  (that is what encoding is for)

    @property
    def encoded(self) -> bytes:
        """Its HTML, with CRLF line ends."""
        if self._html is None:
            simple = len(self) <= _ENTITY_RUN and not _NOT_AS_IT_IS.search(self)
            self._html = self.encode() if simple else Encoded(self).html
        return self._html


class Encoded:
    """A text as HTML, and where in it each character stands."""

    __slots__ = ("_extra", "_positions", "html")

    def __init__(self, text: str) -> None:
        """O(characters)."""
        written = {found.start(): _entity(found.group()) for found in _NOT_AS_IT_IS.finditer(text)}
        for at in _breaks(text):
            written[at] = b"\r\n"
        self._positions = sorted(written)
        self._extra = [0, *accumulate(len(written[at]) - 1 for at in self._positions)]
        pieces: list[bytes] = []
        done = 0
        for at in self._positions:
            pieces += (text[done:at].encode(), written[at])
            done = at + 1
        pieces.append(text[done:].encode())
        self.html = b"".join(pieces)

    def offset(self, index: int) -> int:
        """Where in `html` the character at `index` begins."""
        return index + self._extra[bisect_left(self._positions, index)]

    def part(self, start: int, end: int) -> bytes:
        """The HTML of text[start:end]."""
        return self.html[self.offset(start) : self.offset(end)]


def clean(text: str) -> str:
    """`text` without what has no place in a mail; every white space is a space."""
    return _SPACE.sub(" ", without_controls(text)) if not text.isprintable() else text


def without_controls(text: str) -> str:
    """A text without control characters, and without what would turn the direction of the text around it."""
    return _UNSAFE.sub("", text)


def html_bytes(markup: str) -> bytes:
    """RenderedMail HTML as it is sent: what is not ASCII as entities, CRLF line ends."""
    return markup.encode("ascii", "xmlcharrefreplace").replace(b"\n", b"\r\n")


def quoted_printable(text: str) -> bytes:
    """Text with LF line ends as lines of at most 76 bytes with CRLF (RFC 2045, 6.7).

    Each line is encoded by itself: what is encoded line by line and joined is the same.
    """
    return binascii.b2a_qp(text.encode(), quotetabs=False, istext=True).replace(b"\n", b"\r\n")


def fits_smtp(lines: bytes) -> bool:
    """Whether bytes with CRLF line ends are 7-bit and no line is longer than SMTP takes, 998 (RFC 5321, 4.5.3.1.6)."""
    at, length = 0, len(lines)
    while length - at > 998:
        at = lines.rfind(b"\r\n", at, at + 1000) + 2
        if at < 2:
            return False
    return lines.isascii()


@cache
def _entity(character: str) -> bytes:
    if character.isspace():
        return b" "
    if "\ud800" <= character <= "\udfff":
        return b"&#65533;"
    if _UNSAFE.match(character):
        return b""
    return _NAMED.get(character) or f"&#{ord(character)};".encode()


def _breaks(text: str) -> Iterator[int]:
    """Which spaces end a line. A text without spaces stays on one: no other break would go unseen everywhere."""
    run = _RUN if text.isascii() else _ENTITY_RUN
    at = 0
    while len(text) - at > run:
        space = text.rfind(" ", at + 1, at + run)
        at = space if space > 0 else text.find(" ", at + run)
        if at < 0:
            return
        yield at

"""Text as a mail carries it: 7-bit ASCII in short lines. HTML uses entities, text parts are quoted-printable.

HTML written so needs no transfer encoding, and a text encoded once can later be cut at any of its characters.
"""

import binascii
import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from typing import Any

from markupsafe import Markup, escape

MAX_LINE_BYTES = 998  # RFC 5321, 4.5.3.1.6: 1,000 with CRLF; longer lines may be refused or cut by servers

# Control characters, lone surrogates, noncharacters, and characters that change the direction of the text around them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)
_SPACE = re.compile(r"\s")
_NEEDS_ENTITY = re.compile(r"[^ !#-%(-;=?-~]")
_ENTITIES = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;"}
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")

# Characters of text between two line ends. An entity takes up to 10 bytes, and tags share the line: together they stay
# below MAX_LINE_BYTES.
_ASCII_RUN, _ENTITY_RUN = 120, 60


class SafeText(str):
    """A text for templates: it has no control characters, and in HTML it is 7-bit with line ends of its own."""

    __slots__ = ("_html",)
    _html: bytes | None

    def __new__(cls, text: str, html: bytes | None = None) -> "SafeText":
        """`html` is the text as HTML, if that is known already."""
        safe = super().__new__(cls, clean(text))
        safe._html = html
        return safe

    @classmethod
    def isolated(cls, text: str) -> "SafeText":
        """Return a text whose right-to-left characters cannot reorder its neighbours on the line (UAX 9, 6.3)."""
        safe = cls(text)
        if _RTL.search(safe):
            safe = super().__new__(cls, f"\u2068{safe}\u2069")
            safe._html = None
        return safe

    def __html__(self) -> Markup:
        """The HTML that markupsafe, and so Jinja, writes for the text."""
        return Markup(self.encoded.decode().replace("\r\n", "\n"))  # noqa: S704  (that is what encoding is for)

    @property
    def encoded(self) -> bytes:
        """The text as HTML with CRLF line ends."""
        if self._html is None:
            simple = len(self) <= _ENTITY_RUN and not _NEEDS_ENTITY.search(self)
            self._html = self.encode() if simple else EncodedText(self).html
        return self._html


class EncodedText:
    """A text as HTML, and the offset in it of each of the text's characters."""

    __slots__ = ("_extra", "_positions", "html")

    def __init__(self, text: str) -> None:
        """O(characters)."""
        written = {found.start(): _entity(found.group()) for found in _NEEDS_ENTITY.finditer(text)}
        # Lines end at spaces. A text without spaces stays on one line: any other break would be visible.
        run = _ASCII_RUN if text.isascii() else _ENTITY_RUN
        at = 0
        while len(text) - at > run:
            space = text.rfind(" ", at + 1, at + run)
            at = space if space > 0 else text.find(" ", at + run)
            if at < 0:
                break
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
        """Return where in `html` the character at `index` begins."""
        return index + self._extra[bisect_left(self._positions, index)]

    def part(self, start: int, end: int) -> bytes:
        """Return the HTML of text[start:end]."""
        return self.html[self.offset(start) : self.offset(end)]


def clean(text: str) -> str:
    """`text` without the characters that no mail may hold, and with a space for every white space character."""
    return _SPACE.sub(" ", without_controls(text)) if not text.isprintable() else text


def without_controls(text: str) -> str:
    """`text` without control characters and characters that change the direction of the text around them."""
    return _UNSAFE.sub("", text)


def html_bytes(markup: str) -> bytes:
    """Rendered HTML as it is sent: entities for all that is not ASCII, CRLF line ends."""
    return markup.encode("ascii", "xmlcharrefreplace").replace(b"\n", b"\r\n")


def quoted_printable(text: str) -> bytes:
    """Text with LF line ends as CRLF lines of at most 76 bytes (RFC 2045, 6.7).

    Each line is encoded by itself, so lines that are encoded apart and joined give the same bytes.
    """
    return binascii.b2a_qp(text.encode(), quotetabs=False, istext=True).replace(b"\n", b"\r\n")


def fits_smtp(lines: bytes) -> bool:
    """Return whether bytes with CRLF line ends are 7-bit and have no line of more than MAX_LINE_BYTES."""
    at, length = 0, len(lines)
    while length - at > MAX_LINE_BYTES:
        at = lines.rfind(b"\r\n", at, at + MAX_LINE_BYTES + 2) + 2
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
    return _ENTITIES.get(character) or f"&#{ord(character)};".encode()


Piece = bytes | str
Pieces = tuple[Piece, ...]


class Encoder:
    """Encodes one part of a mail, here as UTF-8 text for a header.

    `literal` and `value` return the same type, so that their results can be added.
    """

    splits_segments = False  # whether a title or an abstract is written segment by segment, with its matches marked

    def literal(self, text: str) -> Any:
        """Encode text that the template itself holds."""
        return text

    def value(self, text: str) -> Any:
        """Encode a subscriber's or a paper's text as Jinja would write it."""
        return str(text)

    def combine(self, encoded: Iterable[Any]) -> Pieces:
        """Join neighbouring encoded texts as far as possible without knowing what comes before and after them."""
        return ("".join(encoded),)

    def finish(self, pieces: Iterable[Any]) -> bytes:
        """Join all pieces of the part."""
        return "".join(pieces).encode()


class HtmlEncoder(Encoder):
    """7-bit HTML with CRLF line ends."""

    splits_segments = True

    def literal(self, text: str) -> bytes:
        return html_bytes(text)

    def value(self, text: str) -> bytes:
        return text.encoded if type(text) is SafeText else html_bytes(escape(text))

    def combine(self, encoded: Iterable[bytes]) -> Pieces:
        return (b"".join(encoded),)

    def finish(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(pieces)


class QuotedPrintableEncoder(Encoder):
    """A text part. Whole lines are encoded once and kept as bytes; the line being written stays str until it ends."""

    def combine(self, encoded: Iterable[str]) -> Pieces:
        text = "".join(encoded)
        begin, end = text.find("\n") + 1, text.rfind("\n") + 1
        if begin == end:
            return (text,)
        return text[:begin], quoted_printable(text[begin:end]), text[end:]

    def finish(self, pieces: Iterable[Piece]) -> bytes:
        lines: list[bytes] = []
        begun = ""
        for piece in pieces:
            if isinstance(piece, str):
                begun += piece
            else:
                lines += (quoted_printable(begun), piece)
                begun = ""
        lines.append(quoted_printable(begun))
        return b"".join(lines)

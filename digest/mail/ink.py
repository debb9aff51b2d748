"""How text becomes the pieces that a mail is printed from, and how the pieces become the whole."""

from collections.abc import Iterable
from typing import Protocol

from markupsafe import escape

from digest.mail.encoding import Shown, html_bytes, quoted_printable

Piece = bytes | str
Pieces = tuple[Piece, ...]


class Ink(Protocol):
    """How text becomes pieces of the mail, and pieces the whole. What `raw` and `slot` give is of one type."""

    marks: bool  # whether segments of a text are written one by one

    def literal(self, text: str) -> Pieces: ...
    def raw(self, text: str) -> Piece: ...
    def slot(self, text: str) -> Piece: ...
    def whole(self, pieces: Iterable[Piece]) -> bytes: ...


class HtmlInk:
    """7-bit HTML with CRLF line ends."""

    marks = True

    def literal(self, text: str) -> Pieces:
        return (html_bytes(text),)

    def raw(self, text: str) -> Piece:
        return html_bytes(text)

    def slot(self, text: str) -> Piece:
        return text.encoded if type(text) is Shown else html_bytes(escape(text))

    def whole(self, pieces: Iterable[Piece]) -> bytes:
        return b"".join(pieces)  # type: ignore[arg-type]  # this ink makes no others


class QuotedPrintableInk:
    """A text part. Whole lines of literal text are bytes, encoded once; what shares a line with a slot is not yet."""

    marks = False

    def literal(self, text: str) -> Pieces:
        begin, end = text.find("\n") + 1, text.rfind("\n") + 1
        if begin == end:
            return (text,)
        return text[:begin], quoted_printable(text[begin:end]), text[end:]

    def raw(self, text: str) -> Piece:
        return text

    def slot(self, text: str) -> Piece:
        return str(text)

    def whole(self, pieces: Iterable[Piece]) -> bytes:
        lines: list[bytes] = []
        open_: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                open_.append(piece)
            else:
                lines += (quoted_printable("".join(open_)), piece)
                open_.clear()
        lines.append(quoted_printable("".join(open_)))
        return b"".join(lines)


class PlainInk:
    """Text for a header: UTF-8."""

    marks = False

    def literal(self, text: str) -> Pieces:
        return (text,)

    def raw(self, text: str) -> Piece:
        return text

    def slot(self, text: str) -> Piece:
        return str(text)

    def whole(self, pieces: Iterable[Piece]) -> bytes:
        return "".join(pieces).encode()  # type: ignore[arg-type]  # this ink makes no others

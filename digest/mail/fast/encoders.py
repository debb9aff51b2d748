"""How text becomes the pieces that a mail is printed from, and how the pieces become the whole."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from markupsafe import escape

from digest.mail.encoding import SafeText, html_bytes, quoted_printable

Piece = bytes | str
Pieces = tuple[Piece, ...]


class Encoder(ABC):
    """One way to write a part of a mail. What `raw` and `slot` give is of one type and can be added."""

    marks: bool  # whether segments of a text are written one by one

    @abstractmethod
    def raw(self, text: str) -> Any:
        """Literal text of a template, wherever it stands."""

    @abstractmethod
    def slot(self, text: str) -> Any:
        """A reader's or a paper's text, as Jinja would write it."""

    @abstractmethod
    def seal(self, raws: Iterable[Any]) -> Pieces:
        """Raw texts that stand together, made as ready as they can be whatever stands around them."""

    @abstractmethod
    def whole(self, pieces: Iterable[Any]) -> bytes:
        """The part of the mail that the pieces make."""


class HtmlEncoder(Encoder):
    """7-bit HTML with CRLF line ends."""

    marks = True

    def raw(self, text: str) -> bytes:
        return html_bytes(text)

    def slot(self, text: str) -> bytes:
        return text.encoded if type(text) is SafeText else html_bytes(escape(text))

    def seal(self, raws: Iterable[bytes]) -> Pieces:
        return (b"".join(raws),)

    def whole(self, pieces: Iterable[bytes]) -> bytes:
        return b"".join(pieces)


class PlainTextEncoder(Encoder):
    """Text for a header: UTF-8."""

    marks = False

    def raw(self, text: str) -> str:
        return text

    def slot(self, text: str) -> str:
        return str(text)

    def seal(self, raws: Iterable[str]) -> Pieces:
        return ("".join(raws),)

    def whole(self, pieces: Iterable[Any]) -> bytes:
        return "".join(pieces).encode()


class QuotedPrintableEncoder(PlainTextEncoder):
    """A text part. Whole lines are bytes, encoded once; what may share its line with something else is not yet."""

    def seal(self, raws: Iterable[str]) -> Pieces:
        text = "".join(raws)
        begin, end = text.find("\n") + 1, text.rfind("\n") + 1
        if begin == end:
            return (text,)
        return text[:begin], quoted_printable(text[begin:end]), text[end:]

    def whole(self, pieces: Iterable[Piece]) -> bytes:
        lines: list[bytes] = []
        begun: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                begun.append(piece)
            else:
                lines += (quoted_printable("".join(begun)), piece)
                begun.clear()
        lines.append(quoted_printable("".join(begun)))
        return b"".join(lines)

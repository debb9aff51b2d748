"""How the text of a template and the values filled into it become the bytes of a subject, an HTML or a text part."""

from collections.abc import Iterable
from typing import Any

from markupsafe import escape

from digest.mail.encoding import SafeText, html_bytes, quoted_printable

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

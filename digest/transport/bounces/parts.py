"""A mail that came back, taken apart. Nothing of it is trusted: sizes, depth and number of parts are capped.

Not with `email.parser`: it goes as deep as a mail is nested, and its time grows with the square of that depth.
"""

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

Fields = dict[str, str]  # names in lower case; of a field that comes twice, the first

_MOST = 1 << 20  # bytes looked at: reports stand before the mail that they return (RFC 6522, 3)
_MOST_HEAD = 1 << 16
_MOST_TEXT = 1 << 16
_MOST_LINE = 4096
_MOST_PARTS = 40
_DEEPEST = 5

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(.*)", re.DOTALL)
_BOUNDARY = re.compile(r'\bboundary\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_CHARSET = re.compile(r'\bcharset\s*=\s*"?([\w-]{1,40})', re.IGNORECASE)
# Python knows codecs that take the square of a text's length; these do not.
_CODEC = re.compile(r"(?:iso|utf-?8|us-ascii|windows|cp\d|euc|shift|gb|big5|koi8)", re.IGNORECASE)
_RETURNED = {"message/rfc822", "message/global", "message/global-headers", "message/rfc822-headers"}
_RETURNED |= {"text/rfc822-headers", "text/rfc822"}
_TAG = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?td|/?li|/?h\d|/?b|/?span|/?font|/?html|/?body)\b[^<>]{0,300}>", re.IGNORECASE
)
# Where the prose of a bounce ends and the mail that it returns begins.
_COPY = re.compile(
    r"^.{0,40}\b(?:copy of (?:the|your)(?: original)? message|message headers? follow|header of the original message"
    r"|(?:original|unsent|returned) (?:message|mail)(?: headers| info)?[ :.\-]*(?:as )?(?:follows?)?[ :.\-]*$)"
    r"|^Received:[ \t]*(?:from|by)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the tree: its header and its body, still encoded."""

    fields: Fields
    body: bytes
    inner: bool  # it stood in a multipart

    @property
    def type(self) -> str:
        return self.fields.get("content-type", "text/plain").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body, decoded as it says it must be, or else as well as it goes."""
        body = _decoded(self.body, self.fields.get("content-transfer-encoding", "").strip().lower())[:_MOST_TEXT]
        named = _CHARSET.search(self.fields.get("content-type", ""))
        text = readable(body, named[1] if named else "")
        return _TAG.sub("\n", text) if self.type == "text/html" else text

    @property
    def returned(self) -> Fields:
        """The header of the mail that this part returns; empty where it returns none."""
        if self.type in _RETURNED:
            return fields(readable(_decoded(self.body, self.fields.get("content-transfer-encoding", "")))[:_MOST_HEAD])
        # Some put its header straight behind the boundary.
        return self.fields if self.inner and "received" in self.fields else {}


@dataclass(frozen=True)
class Mail:
    """What came back: its own header and its leaves in their order."""

    fields: Fields
    parts: tuple[Part, ...]
    raw: bytes  # as much of it as is looked at

    def of_type(self, *types: str) -> Iterator[Part]:
        return (part for part in self.parts if part.type in types)

    @cached_property
    def text(self) -> str:
        """All that was written for people to read, and what stands below it."""
        plain = [p.text for p in self.of_type("text/plain", "") if not p.returned]
        return "\n".join(plain or [p.text for p in self.of_type("text/html")])[:_MOST_TEXT]

    @cached_property
    def prose(self) -> str:
        """What is said of the mail that came back, without that mail."""
        found = _COPY.search(self.text)
        return self.text[: found.start()] if found else self.text

    @cached_property
    def returned(self) -> Fields:
        """As much of the returned mail's header as there is."""
        for part in self.parts:
            if returned := part.returned:
                return returned
        below = self.text[len(self.prose) :]
        return fields(below or "\n".join(line.strip() for line in self.text.split("\n")))


def taken_apart(message: bytes) -> Mail:
    """The leaves of any bytes whatsoever. O(its first megabyte)."""
    whole = message[:_MOST].replace(b"\r\n", b"\n")
    leaves: list[Part] = []
    pending = [(0, whole)]
    while pending and len(leaves) < _MOST_PARTS:
        depth, raw = pending.pop()
        head, body = _split(raw)
        pieces = _pieces(head, body) if depth < _DEEPEST else []
        if pieces:
            pending += [(depth + 1, piece) for piece in reversed(pieces)]
        else:
            leaves.append(Part(_as_text(head), body, depth > 0))
    return Mail(_split(whole)[0], tuple(leaves), whole)


def header_of(message: bytes) -> Fields:
    """The fields of a mail's own header."""
    return _split(message[:_MOST_HEAD].replace(b"\r\n", b"\n"))[0]


def fields(text: str) -> Fields:
    """The fields of a header. A line that is none continues the one before, even where it is not indented."""
    found: dict[str, list[str]] = {}
    value: list[str] = []
    for line in text[:_MOST_HEAD].split("\n"):
        field = _FIELD.match(line[:_MOST_LINE])
        if field is None:
            value.append(line[:_MOST_LINE])
        else:
            value = [field[2]]
            found.setdefault(field[1].lower(), value)
    return {name: " ".join(" ".join(lines).split()) for name, lines in found.items()}


def readable(text: bytes, charset: str = "") -> str:
    """The text in its charset, or in what it looks like."""
    if b"\x1b$" in text or b"\x1b(" in text:  # nothing else looks like ISO-2022-JP, and header fields do not say so
        charset = "iso-2022-jp"
    try:
        return text.decode(charset if _CODEC.match(charset) else "utf-8", errors="replace")
    except LookupError:
        return text.decode(errors="replace")


def _split(raw: bytes) -> tuple[Fields, bytes]:
    if raw.startswith(b"\n"):
        return {}, raw[1:]
    head, _, body = raw.partition(b"\n\n")
    return fields(readable(head[:_MOST_HEAD])), body


def _pieces(head: Fields, body: bytes) -> list[bytes]:
    """What stands between the boundaries of a multipart; nothing where it is none, or where they are missing."""
    kind = head.get("content-type", "")
    named = _BOUNDARY.search(kind)
    if not kind.lower().startswith("multipart/") or named is None:
        return []
    line = re.compile(rb"^--" + re.escape((named[1] or named[2]).encode()) + rb"(?:--)?[ \t]*$", re.MULTILINE)
    starts, pieces = [], []
    for found in line.finditer(body):
        starts.append((found.start(), found.end() + 1))
        if len(starts) > _MOST_PARTS:
            break
    for (_, start), (end, _) in pairwise([*starts, (len(body), 0)]):
        if body[start:end].strip():
            pieces.append(body[start:end])
    return pieces


def _as_text(head: Fields) -> Fields:
    """A multipart that has no parts is read as text, and so is what is nested too deep."""
    multipart = head.get("content-type", "").lower().startswith("multipart/")
    return head | {"content-type": "text/plain"} if multipart else head


def _decoded(body: bytes, encoding: str) -> bytes:
    """The body as it was before it was encoded; as it stands where it is not what it says it is."""
    with suppress(binascii.Error):
        if encoding == "base64":
            return binascii.a2b_base64(body[: 2 * _MOST_TEXT])
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body[: 3 * _MOST_TEXT])
    return body

"""Parses a returned mail. Its content is not trusted: sizes, depth and number of parts are limited.

`email.parser` would recurse as deep as a mail is nested, in time quadratic in that depth.
"""

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

Fields = dict[str, str]  # names in lower case; of a field that comes twice, the first

_MAX_BYTES = 1 << 20  # reports come before the mail that they return (RFC 6522, 3)
_MAX_HEADER = 1 << 16
_MAX_TEXT = 1 << 16
_MAX_LINE = 4096
_MAX_PARTS = 40
_MAX_DEPTH = 5

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(.*)", re.DOTALL)
_BOUNDARY = re.compile(r'\bboundary\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_CHARSET = re.compile(r'\bcharset\s*=\s*"?([\w-]{1,40})', re.IGNORECASE)
# Some of Python's codecs take quadratic time; these do not.
_CODEC = re.compile(r"(?:iso|utf-?8|us-ascii|windows|cp\d|euc|shift|gb|big5|koi8)", re.IGNORECASE)
_RETURNED = {"message/rfc822", "message/global", "message/global-headers", "message/rfc822-headers"}
_RETURNED |= {"text/rfc822-headers", "text/rfc822"}
_TAG = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?td|/?li|/?h\d|/?b|/?span|/?font|/?html|/?body)\b[^<>]{0,300}>", re.IGNORECASE
)
# The line after which the returned mail follows in the text.
_COPY = re.compile(
    r"^.{0,40}\b(?:copy of (?:the|your)(?: original)? message|message headers? follow|header of the original message"
    r"|(?:original|unsent|returned) (?:message|mail)(?: headers| info)?[ :.\-]*(?:as )?(?:follows?)?[ :.\-]*$)"
    r"|^Received:[ \t]*(?:from|by)\b",
    re.IGNORECASE | re.MULTILINE,
)

# Bounded, so that matching takes linear time on any line.
_ATEXT = r"[^\s<>@()\[\],;:\"'\\]"
_ADDRESS = re.compile(rf"(?:{_ATEXT}{{1,64}}|\"[^\"@<>\n]{{1,64}}\")@[^\W_](?:[\w-]|\.(?=\w)){{0,252}}")
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_MAIL_TYPES = {"rfc822", "utf-8", "smtp", "local", "internet", ""}


@dataclass(frozen=True, slots=True)
class Part:
    """A leaf of the MIME tree: its header and its body, still encoded."""

    fields: Fields
    body: bytes
    nested: bool  # in a multipart

    @property
    def type(self) -> str:
        """The media type, such as text/plain."""
        return self.fields.get("content-type", "text/plain").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The decoded body; without tags if it is HTML."""
        body = _decode(self.body, self.fields.get("content-transfer-encoding", "").strip().lower())[:_MAX_TEXT]
        charset = _CHARSET.search(self.fields.get("content-type", ""))
        text = decode_text(body, charset[1] if charset else "")
        return _TAG.sub("\n", text) if self.type == "text/html" else text

    @property
    def returned(self) -> Fields:
        """The header of the mail that this part returns; empty if it returns none."""
        if self.type in _RETURNED:
            body = _decode(self.body, self.fields.get("content-transfer-encoding", ""))
            return parse_fields(decode_text(body)[:_MAX_HEADER])
        # Some servers put the returned header right after the boundary.
        return self.fields if self.nested and "received" in self.fields else {}


@dataclass(frozen=True)
class ReturnedMail:
    """A mail that came back: its own header and its leaf parts in order."""

    fields: Fields
    parts: tuple[Part, ...]
    raw: bytes  # the part of it that was parsed

    def of_type(self, *types: str) -> Iterator[Part]:
        """Yield the parts of these media types."""
        return (part for part in self.parts if part.type in types)

    @property
    def author(self) -> str:
        """The address in From, or ""."""
        return extract_address(self.fields.get("from", ""))

    @cached_property
    def text(self) -> str:
        """The text for human readers, with what follows it."""
        plain = [p.text for p in self.of_type("text/plain", "") if not p.returned]
        return "\n".join(plain or [p.text for p in self.of_type("text/html")])[:_MAX_TEXT]

    @cached_property
    def explanation(self) -> str:
        """The text without a copy of the returned mail."""
        copy = _COPY.search(self.text)
        return self.text[: copy.start()] if copy else self.text

    @cached_property
    def returned(self) -> Fields:
        """The header of the returned mail, as far as it is included."""
        for part in self.parts:
            if returned := part.returned:
                return returned
        copy = self.text[len(self.explanation) :]
        return parse_fields(copy or "\n".join(line.strip() for line in self.text.split("\n")))


def parse_mail(message: bytes) -> ReturnedMail:
    """Parse any bytes as a mail, in time linear in their first megabyte."""
    whole = message[:_MAX_BYTES].replace(b"\r\n", b"\n")
    leaves: list[Part] = []
    pending = [(0, whole)]
    while pending and len(leaves) < _MAX_PARTS:
        depth, raw = pending.pop()
        header, body = _split(raw)
        children = _split_multipart(header, body) if depth < _MAX_DEPTH else []
        if children:
            pending += [(depth + 1, child) for child in reversed(children)]
            continue
        if header.get("content-type", "").lower().startswith("multipart/"):  # without parts, or nested too deep
            header = header | {"content-type": "text/plain"}
        leaves.append(Part(header, body, depth > 0))
    return ReturnedMail(_split(whole)[0], tuple(leaves), whole)


def parse_header(message: bytes) -> Fields:
    """Return the fields of a mail's own header."""
    return _split(message[:_MAX_HEADER].replace(b"\r\n", b"\n"))[0]


def parse_fields(text: str) -> Fields:
    """Return the fields of a header. A line that is no field continues the one before, even if it is not indented."""
    found: dict[str, list[str]] = {}
    value: list[str] = []
    for line in text[:_MAX_HEADER].split("\n"):
        field = _FIELD.match(line[:_MAX_LINE])
        if field is None:
            value.append(line[:_MAX_LINE])
        else:
            value = [field[2]]
            found.setdefault(field[1].lower(), value)
    return {name: " ".join(" ".join(lines).split()) for name, lines in found.items()}


def decode_text(text: bytes, charset: str = "") -> str:
    """Decode text from its charset, or from the one it appears to have."""
    if b"\x1b$" in text or b"\x1b(" in text:  # ISO-2022-JP, which raw header fields do not declare
        charset = "iso-2022-jp"
    try:
        return text.decode(charset if _CODEC.match(charset) else "utf-8", errors="replace")
    except LookupError:
        return text.decode(errors="replace")


def extract_address(value: str) -> str:
    """Return the address in a field such as "rfc822; <a@example.org> (Ann)", or "".

    Knows the address types rfc822 and utf-8 (RFC 3464, 2.3.1; RFC 6533, 3). Others, such as x-unix, are no mail.
    """
    kind, separator, address = value[:2000].partition(";")
    if not separator:
        kind, address = "", kind
    kind = kind.strip().lower()
    if kind not in _MAIL_TYPES:
        return ""
    address = _COMMENT.sub(" ", address).strip().strip("<>").strip()
    if kind == "utf-8":
        address = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].zfill(8)).decode("utf-32-be", "replace"), address)
    # Some servers forget to undo xtext (RFC 3461, 4). A "+" may as well belong to the address: "+20" is taken for a tag
    # unless an "@" is missing. "+2B" and "+3D" are always decoded, because xtext has to encode "+" and "=".
    if "@" in address:
        address = address.replace("+2B", "+").replace("+3D", "=")
    else:
        address = _XTEXT.sub(lambda found: chr(int(found[1], 16)), address)
    found = _ADDRESS.search(address)
    return found[0] if found else ""


def find_addresses(text: str) -> list[str]:
    """Return the addresses in a text, without repetitions, in order."""
    return list(dict.fromkeys(found[0] for found in _ADDRESS.finditer(text)))


def _split(raw: bytes) -> tuple[Fields, bytes]:
    if raw.startswith(b"\n"):
        return {}, raw[1:]
    header, _, body = raw.partition(b"\n\n")
    return parse_fields(decode_text(header[:_MAX_HEADER])), body


def _split_multipart(header: Fields, body: bytes) -> list[bytes]:
    """Return the raw parts of a multipart; empty for another type, or if no boundary is found."""
    kind = header.get("content-type", "")
    boundary = _BOUNDARY.search(kind)
    if not kind.lower().startswith("multipart/") or boundary is None:
        return []
    line = re.compile(rb"^--" + re.escape((boundary[1] or boundary[2]).encode()) + rb"(?:--)?[ \t]*$", re.MULTILINE)
    boundaries = []
    for found in line.finditer(body):
        boundaries.append((found.start(), found.end() + 1))
        if len(boundaries) > _MAX_PARTS:
            break
    spans = pairwise([*boundaries, (len(body), 0)])
    return [body[start:end] for (_, start), (end, _) in spans if body[start:end].strip()]


def decoded_body(part: Part) -> bytes:
    """Return the body of a part, decoded."""
    encoding = part.fields.get("content-transfer-encoding", "").strip().lower()
    return _decode(part.body, encoding) if encoding in {"base64", "quoted-printable"} else part.body


def _decode(body: bytes, encoding: str) -> bytes:
    """Undo the transfer encoding; a body that is not encoded as declared is returned as it is."""
    with suppress(binascii.Error):
        if encoding == "base64":
            return binascii.a2b_base64(body[: 2 * _MAX_TEXT])
        if encoding == "quoted-printable":
            return binascii.a2b_qp(body[: 3 * _MAX_TEXT])
    return body

"""Writes mail headers. Nothing that a paper or a subscriber says can become a header of its own.

Python's EmailMessage is not used: it decodes `=?utf-8?q?a=0D=0ABcc:_x?=` in a subject into a Bcc header, and it breaks
long links.
"""

import re
from base64 import b64encode

from digest.errors import HeaderError
from digest.mail.encoding import MAX_LINE_BYTES

MAX_LINE = 78  # characters that a line should have at most (RFC 5322, 2.1.1)
_WORD_BYTES = 45  # of text in an encoded word, which has at most 75 characters with its frame (RFC 2047, 2)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")  # RFC 5322, 3.2.3: a name that needs no quotes
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # also line separators and lone surrogates
_PRINTABLE = re.compile(r"[ -~]*")


def unstructured(name: str, text: str) -> bytes:
    """Return a header of free text, such as Subject (RFC 5322, 2.2.1). Raises HeaderError for control characters."""
    _refuse_controls(name, text)
    text = " ".join(text.split())  # a folded line of nothing but spaces would end the headers
    if _PRINTABLE.fullmatch(text) and "=?" not in text:
        return _folded(name, text.split(" "))
    return _folded(name, _encoded_words(text))


def structured(name: str, value: str) -> bytes:
    """Return a header that programs read, such as List-Unsubscribe, as it is on one line (RFC 5322, 2.2.2).

    Raises HeaderError.
    """
    _refuse_controls(name, value)
    line = f"{name}: {value}\r\n"
    if not value.isascii() or len(line) > MAX_LINE_BYTES:
        raise HeaderError(name, f"must be ASCII and at most {MAX_LINE_BYTES} bytes long")
    return line.encode("ascii")


def address(name: str, display_name: str, mailbox: str) -> bytes:
    """Return a header with one mailbox: `To: "A. Reader" <reader@example.org>`. Raises HeaderError.

    An address that is not ASCII is written in UTF-8 (RFC 6532), for a server that offers SMTPUTF8.
    """
    _refuse_controls(name, display_name + mailbox)
    if re.search(r"[<>\s]", mailbox):
        raise HeaderError(name, f"{mailbox!r} is not an address")
    plain = "=?" not in display_name
    long = max(map(len, display_name.split(" "))) > MAX_LINE  # only encoded words can be folded then
    if not display_name:
        phrase = []
    elif plain and _ATOMS.fullmatch(display_name) and not long:
        phrase = display_name.split(" ")
    elif plain and _PRINTABLE.fullmatch(display_name) and len(display_name) < MAX_LINE:
        escaped = re.sub(r'(["\\])', r"\\\1", display_name)
        phrase = [f'"{escaped}"']
    else:
        phrase = _encoded_words(display_name)
    return _folded(name, [*phrase, f"<{mailbox}>"])


def _refuse_controls(name: str, value: str) -> None:
    control = _CONTROL.search(value)
    if control is not None:
        raise HeaderError(name, f"holds the control character U+{ord(control.group()):04X}")


def _encoded_words(text: str) -> list[str]:
    """Return the text as encoded words (RFC 2047). No character is split between two words."""
    encoded, at = text.encode(), 0
    words: list[str] = []
    while at < len(encoded):
        end = min(at + _WORD_BYTES, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(encoded[at:end]).decode()}?=")
        at = end
    return words


def _folded(name: str, words: list[str]) -> bytes:
    """Return the header with its words on lines of at most MAX_LINE characters, if they fit (RFC 5322, 2.2.3)."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > MAX_LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    if any(len(line) > MAX_LINE_BYTES for line in lines):
        raise HeaderError(name, f"holds a word of more than {MAX_LINE_BYTES} bytes")
    return ("\r\n".join(lines) + "\r\n").encode()

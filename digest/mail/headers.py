"""Mail headers, written by us and checked: nothing that a paper or a reader says can become a header of its own.

Python's EmailMessage decodes `=?utf-8?q?a=0D=0ABcc:_x?=` in a subject into a real Bcc line and breaks long links.
"""

import re
from base64 import b64encode

from digest.errors import HeaderError

_LINE = 78  # RFC 5322, 2.1.1: should be at most this long
_WORD_BYTES = 45  # of text in an encoded word: 75 characters at most with its frame (RFC 2047, 2)
_ATEXT = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~ ]+")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # controls, line separators, lone surrogates
_PRINTABLE = re.compile(r"[ -~]*")


def unstructured(name: str, text: str) -> bytes:
    """A header of free text, such as Subject. Raises HeaderError for control characters."""
    _check(name, text)
    text = " ".join(text.split())  # a line of nothing but spaces would end the headers
    if _PRINTABLE.fullmatch(text) and "=?" not in text:
        return _folded(name, text.split(" "))
    return _folded(name, _encoded_words(text))


def structured(name: str, value: str) -> bytes:
    """A header that machines read, such as List-Unsubscribe: ASCII, on one line, as it is. Raises HeaderError."""
    _check(name, value)
    line = f"{name}: {value}\r\n"
    if not value.isascii() or len(line) > 998:
        raise HeaderError(name, "must be ASCII and at most 998 bytes long")
    return line.encode("ascii")


def address(name: str, display_name: str, mailbox: str) -> bytes:
    """A header with one mailbox: `To: "A. Reader" <reader@example.org>`. Raises HeaderError."""
    _check(name, display_name)
    _check(name, mailbox)
    long = max(map(len, display_name.split(" "))) > _LINE  # folding needs places to fold at
    if not mailbox.isascii() or re.search(r"[<>\s]", mailbox):
        raise HeaderError(name, f"{mailbox!r} is not an ASCII address")
    if not display_name:
        phrase = []
    elif _ATEXT.fullmatch(display_name) and "=?" not in display_name and not long:
        phrase = display_name.split(" ")
    elif _PRINTABLE.fullmatch(display_name) and "=?" not in display_name and len(display_name) < _LINE:
        escaped = re.sub(r'(["\\])', r"\\\1", display_name)
        phrase = [f'"{escaped}"']
    else:
        phrase = _encoded_words(display_name)
    return _folded(name, [*phrase, f"<{mailbox}>"])


def _check(name: str, value: str) -> None:
    bad = _UNSAFE.search(value)
    if bad is not None:
        raise HeaderError(name, f"holds the control character U+{ord(bad.group()):04X}")


def _encoded_words(text: str) -> list[str]:
    """RFC 2047 encoded words; no character is split between two."""
    encoded, at = text.encode(), 0
    words: list[str] = []
    while at < len(encoded):
        end = min(at + _WORD_BYTES, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(encoded[at:end]).decode()}?=")
        at = end
    return words


def _folded(name: str, words: list[str]) -> bytes:
    """The words on lines of at most 78 characters where they fit, continued after a space (RFC 5322, 2.2.3)."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    folded = "\r\n".join(lines) + "\r\n"
    if any(len(line) > 998 for line in lines):
        raise HeaderError(name, "holds a word of more than 998 bytes")
    return folded.encode("ascii")

"""Addresses as bounces write them."""

import re

# Bounded, so that a line without an end costs no more than its length.
_ATEXT = r"[^\s<>@()\[\],;:\"'\\]"
_ADDRESS = re.compile(rf"(?:{_ATEXT}{{1,64}}|\"[^\"@<>\n]{{1,64}}\")@[^\W_](?:[\w-]|\.(?=\w)){{0,252}}")
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_MAIL_TYPES = {"rfc822", "utf-8", "smtp", "local", "internet", ""}


def bare(value: str) -> str:
    """The address of a field such as "rfc822; <a@example.org> (Ann)", or "" if it holds none.

    Knows the types rfc822 and utf-8 (RFC 3464, 2.3.1; RFC 6533, 3). Any other, such as x-unix, is no mail address.
    """
    kind, separator, address = value[:2000].partition(";")
    if not separator:
        kind, address = "", kind
    if kind.strip().lower() not in _MAIL_TYPES:
        return ""
    address = _COMMENT.sub(" ", address).strip().strip("<>").strip()
    if kind.strip().lower() == "utf-8":
        address = _ESCAPED.sub(_unescaped, address)
    found = _ADDRESS.search(_without_xtext(address))
    return found[0] if found else ""


def all_in(text: str) -> list[str]:
    """The addresses of a text, each once, in their order."""
    return list(dict.fromkeys(found[0] for found in _ADDRESS.finditer(text)))


def _without_xtext(address: str) -> str:
    """The address as it was before xtext (RFC 3461, 4), which some forget to undo.

    A "+" may as well belong to the address itself: "+20" is taken for a tag unless an "@" is missing, "+2B" and "+3D"
    never are, for xtext has to write those.
    """
    if "@" in address:
        return address.replace("+2B", "+").replace("+3D", "=")
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), address)


def _unescaped(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point < 0xE000 else "\N{REPLACEMENT CHARACTER}"

"""Decodes bytes by the character set that they declare, if it is a well-known one. Never raises an error.

Python's list also has codecs that are not character sets, and some that are slow: punycode takes half a minute for one
megabyte.
"""

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases

# Python's names of the character sets of encoding.spec.whatwg.org, and of UTF-32, which XML allows.
_KNOWN = {
    *("utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "ascii", "latin_1"),
    *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)),
    *(f"cp{page}" for page in (*range(1250, 1259), 437, 850, 866, 874, 932, 949)),
    *("koi8_r", "koi8_u", "mac_roman", "mac_cyrillic", "tis_620"),
    *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "euc_jp", "euc_kr", "shift_jis", "iso2022_jp"),
}
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "ascii": "utf_8"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_BE, "utf_32_be"),
    (codecs.BOM_UTF32_LE, "utf_32_le"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF8, "utf_8"),
    (codecs.BOM_UTF16_BE, "utf_16_be"),
    (codecs.BOM_UTF16_LE, "utf_16_le"),
)
# How XML begins in encodings of several bytes for each character, without a mark (XML 1.0, appendix F.1).
_WIDE = ((b"\0\0\0<", "utf_32_be"), (b"<\0\0\0", "utf_32_le"), (b"\0<\0?", "utf_16_be"), (b"<\0?\0", "utf_16_le"))
_HEAD = 4096  # bytes in which the character set is declared


def known_codec(charset: str) -> str:
    """Return Python's codec for a declared character set, or "" if it is not a well-known one."""
    name = normalize_encoding(charset[:40]).lower()
    codec = aliases.get(name, name)
    return _SUPERSETS.get(codec, codec) if codec in _KNOWN else ""


def split_byte_order_mark(body: bytes) -> tuple[str, bytes]:
    """Return the codec that a byte order mark names ("" if there is none), and the bytes after the mark."""
    for mark, codec in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return codec, body[len(mark) :]
    return "", body


def decode(body: bytes, declaration: re.Pattern[bytes]) -> str:
    """Return the text of a document that declares its character set: group 1 of `declaration`, in its first bytes.

    A byte order mark counts more. Bytes that are invalid in the character set become U+FFFD; but if all are valid as
    UTF-8, it is UTF-8. If most bytes that are not ASCII are invalid as UTF-8, the text is Windows-1252, which is what
    servers send that declare a wrong character set or none.
    """
    codec, body = split_byte_order_mark(body)
    codec = codec or next((wide for begin, wide in _WIDE if body.startswith(begin)), "")
    if not codec and (declared := declaration.search(body[:_HEAD])):
        codec = known_codec(declared[1].decode("ascii"))
        # One byte for each character was read, so it is neither of these: .NET's writer of strings declares UTF-16.
        codec = "" if codec.startswith(("utf_16", "utf_32")) else codec
    codec = codec or "utf_8"
    for strict in (codec, "utf_8"):
        try:
            return body.decode(strict)
        except UnicodeDecodeError:
            continue
    text = body.decode(codec, "replace")
    if codec == "utf_8":
        invalid = text.count("\ufffd")
        not_ascii = len(text) - len(text.encode("ascii", "ignore"))
        if invalid > not_ascii - invalid:
            return body.decode("cp1252", "replace")
    return text

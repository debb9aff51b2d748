"""Decodes bytes whose character set is declared by a stranger: only by well-known ones, and never with an error.

Python's list also has codecs that are not character sets, and some that are slow: punycode takes half a minute for one
megabyte.
"""

import codecs
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


def decode(body: bytes, charset: str) -> str:
    """Return the text of `body`, whose declared character set is `charset` ("": none was declared).

    Bytes that are invalid in it become U+FFFD. If most bytes that are not ASCII are invalid as UTF-8, the text is
    Windows-1252, which is what servers send that declare a wrong one or none.
    """
    codec = known_codec(charset) or "utf_8"
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        text = body.decode(codec, "replace")
    if codec == "utf_8":
        invalid = text.count("\ufffd")
        not_ascii = len(text) - len(text.encode("ascii", "ignore"))
        if invalid > not_ascii - invalid:
            return body.decode("cp1252", "replace")
    return text

"""Web pages that readers propose: a page gives an entry, or is refused with a reason."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

from digest.errors import SourceError
from digest.sources import parse_page
from tests.faults.gallery import Attack, mutated

_PAGE = b"""<!doctype html><html><head><meta charset="utf-8"><title>Site</title>
<meta name="citation_title" content="Cats &amp; dogs"><meta name="citation_author" content="Alpha, Ann">
<meta name="citation_publication_date" content="2026/6/3"><meta name="citation_doi" content="10.1000/cat.1">
<meta property="og:description" content="&lt;p&gt;We look.&lt;/p&gt;">
<meta name='citation_arxiv_id' content='2606.00001v1'>
</head><body><![CDATA[x]]><!-- x --></body></html>"""
_CHARSETS = (
    b"punycode idna utf-7 unicode_escape raw_unicode_escape zlib bz2 rot13 hex uu mbcs utf-16 utf-32 cp037 x".split()
)
_FILLINGS = (
    b"<![foo",
    b"<!DOCTYPE [",
    b"<a ",
    b"<meta ",
    b"&#1" + b"1" * 5_000,
    b"&",
    b"<!--",
    b"<meta content='",
    b"</",
    b"a-",
)


def attacks(random: Random, count: int, _folder: Path) -> Iterator[Attack]:
    """Every charset and every filling up to the size that is read, and mutations."""
    for charset in _CHARSETS:
        body = _PAGE.replace(b"utf-8", charset) + b"a-" * 500_000
        yield Attack(f"charset {charset!r}", partial(_read, body), seconds=5)
    for filling in _FILLINGS:
        yield Attack(f"full of {filling[:9]!r}", partial(_read, _PAGE + filling * (1_000_000 // len(filling))))
    for number in range(count):
        body = mutated(random, _PAGE)
        yield Attack(f"page {number}: {body[:60]!r}", partial(_read, body))


def _read(body: bytes) -> None:
    with suppress(SourceError):  # a clear refusal
        parse_page(body, url="https://example.org/1", source="submissions")

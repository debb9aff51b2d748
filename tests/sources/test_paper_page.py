"""The page of one paper, by its meta tags."""

import time

import pytest

from digest.errors import SourceError
from digest.models import Entry
from digest.sources import parse_page
from tests.builders import at

URL = "https://example.org/paper"


def read(*metas: str, url: str = URL) -> Entry:
    html = "<!doctype html><html><head><title>Site</title>" + "\n".join(metas) + "</head><body>x</body></html>"
    return parse_page(html.encode(), url=url, source="submissions")


def test_a_publishers_tags_make_an_entry() -> None:
    assert read(
        '<meta name="citation_title" content="Cats &amp; dogs: $x&lt;y$">',
        '<meta name="citation_author" content="Doe, Jane">',
        '<meta name="citation_author" content="Richard Roe">',
        '<meta name="citation_publication_date" content="2026/6/3">',
        '<meta name="citation_doi" content="doi:10.1000/ABC">',
        '<meta name="citation_pdf_url" content="https://example.org/paper.pdf">',
        "<meta name='citation_abstract' content='&lt;p&gt;We look.&lt;/p&gt;'>",
        '<meta property="og:title" content="Another title">',
    ) == Entry(
        guid=URL,
        title="Cats & dogs: x<y",
        title_source="Cats & dogs: $x<y$",
        abstract="We look.",
        authors=("Jane Doe", "Richard Roe"),
        url=URL,
        pdf_url="https://example.org/paper.pdf",
        doi="10.1000/abc",
        published_at=at("2026-06-03"),
    )


def test_open_graph_tags_are_used_if_there_are_no_others() -> None:
    entry = read('<meta property="og:title" content="Cats"><META PROPERTY=OG:Description CONTENT="On cats">')
    assert (entry.title, entry.abstract, entry.authors) == ("Cats", "On cats", ())


def test_a_doi_in_the_address_counts() -> None:
    assert read('<meta name="citation_title" content="Cats">', url="https://doi.org/10.1000/x").doi == "10.1000/x"


def test_authors_in_one_tag_are_parted() -> None:
    entry = read('<meta name="citation_title" content="Cats"><meta name="citation_authors" content="Doe, J.; Roe, R.">')
    assert entry.authors == ("J. Doe", "R. Roe")


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/paper.pdf", "file:///etc/passwd"])
def test_a_link_that_no_browser_may_follow_is_left_out(url: str) -> None:
    entry = read(f'<meta name="citation_title" content="Cats"><meta name="citation_pdf_url" content="{url}">')
    assert entry.pdf_url == ""


def test_the_declared_encoding_is_used() -> None:
    html = '<meta charset="iso-8859-1"><meta name="citation_title" content="Käse">'
    assert parse_page(html.encode("latin-1"), url=URL, source="s").title == "Käse"


@pytest.mark.parametrize(
    "charset",
    ["punycode", "utf-16", "utf-32", "idna", "zlib", "unicode_escape", "utf-7", "rot13", "mbcs", "x" * 40],
)
def test_a_charset_that_is_none_is_ignored(charset: str) -> None:
    body = f'<meta charset="{charset}"><meta name="citation_title" content="Zoë">'.encode() + b"a-" * 500_000
    begun = time.process_time()
    assert parse_page(body, url=URL, source="s").title == "Zoë"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "damage", ["<![foo", "<!DOCTYPE x [", f"&#{'1' * 5_000};", "<a b='&#99999999999999;'>", "<?", "</"]
)
def test_what_the_parser_cannot_read_costs_nothing_before_it(damage: str) -> None:
    assert read('<meta name="citation_title" content="Cats">', damage).title == "Cats"
    assert read('<meta name="citation_title" content="Cats">', f'<meta name="x" content="{damage}">').title == "Cats"


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"<html>", b"{}", b'<meta name="citation_title" content=" ">'])
def test_a_page_without_a_title_is_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match="names no title"):
        parse_page(body, url=URL, source="submissions")


@pytest.mark.parametrize("piece", ["<meta name=citation_author content=x>", "<", "<!--", "<a ", "&", "<meta content='"])
def test_a_hostile_page_takes_no_longer_than_it_is_long(piece: str) -> None:
    body = b'<meta name="citation_title" content="Cats">' + piece.encode() * (3_000_000 // len(piece))
    begin = time.monotonic()
    assert parse_page(body, url=URL, source="submissions").title == "Cats"
    assert time.monotonic() - begin < 10

"""Feeds of every kind, and answers that are no feed."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from digest.errors import NotFoundError, SourceError
from digest.models import AnnounceType, Entry
from digest.sources import detect_kind, parse
from digest.sources.parsing import html_to_text, plain_text
from tests.builders import at

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><id>x</id>
<entry><id>urn:1</id><title type="html">Cats &amp;amp; &lt;i&gt;dogs&lt;/i&gt;</title>
<link href="https://example.org/1"/><author><name>A. Author</name></author><author><name>B. Author</name></author>
<category term="pets"/><published>2026-06-03T09:00:00+02:00</published>
<summary type="html">&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</summary></entry>
<entry><title>0</title><link href="javascript:alert(1)"/><summary>p &lt; 0.05 &amp; q</summary></entry>
</feed>"""

RSS = """<rss version="2.0"><channel><title>T</title><item><title>Cats</title>
<link>https://doi.org/10.1101/2026.06.01.123456</link>
<description><![CDATA[<b>Bold</b> $x<y$ and $y>z$ ]]&gt; 50% gain]]></description>
<guid>g1</guid><pubDate>Wed, 03 Jun 2026 07:00:00 GMT</pubDate></item></channel></rss>"""

RDF = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="http://arxiv.org/"><title>math.PR updates on arXiv.org</title><link>http://arxiv.org/</link></channel>
<item rdf:about="http://arxiv.org/abs/1209.2411"><title>Random walks. (arXiv:1209.2411v3 [math.PR] UPDATED)</title>
<link>http://arxiv.org/abs/1209.2411</link><description>&lt;p&gt;We walk.&lt;/p&gt;</description>
<dc:creator>&lt;a href="http://arxiv.org/a"&gt;A. Author&lt;/a&gt; (Dept, City),
&lt;a href="http://x"&gt;B. Author&lt;/a&gt;, Jr.</dc:creator>
</item></rdf:RDF>"""


def entries(text: str, kind: str = "feed") -> list[Entry]:
    return parse(kind, text.encode(), source="src")


def reason(text: str | bytes, kind: str = "feed") -> str:
    with pytest.raises(SourceError) as caught:
        parse(kind, text.encode() if isinstance(text, str) else text, source="src")
    assert caught.value.source == "src"
    return caught.value.reason


def test_an_atom_entry() -> None:
    first, second = entries(ATOM)
    assert first == Entry(
        guid="urn:1",
        title="Cats & dogs",
        abstract="One. Two.",
        authors=("A. Author", "B. Author"),
        categories=("pets",),
        url="https://example.org/1",
        published_at=at("2026-06-03 07:00"),
    )
    assert (second.title, second.abstract, second.url) == ("0", "p < 0.05 & q", "")


def test_maths_in_html_stays_as_it_is_meant() -> None:
    (item,) = entries(RSS)
    assert item.abstract == "Bold x<y and y>z ]]> 50% gain"
    assert item.abstract_source == "Bold $x<y$ and $y>z$ ]]> 50% gain"
    assert item.doi == "10.1101/2026.06.01.123456"


def test_the_rdf_that_arxiv_once_served() -> None:
    (item,) = entries(RDF)
    assert (item.title, item.abstract) == ("Random walks.", "We walk.")
    assert item.authors == ("A. Author", "B. Author, Jr.")
    assert (item.arxiv_id, item.arxiv_version, item.categories) == ("1209.2411", 3, ("math.PR",))
    assert item.announce_type is AnnounceType.REPLACE


def test_an_encoding_that_only_the_bytes_declare() -> None:
    latin = ATOM.replace("utf-8", "iso-8859-1").replace("A. Author", "Å. Author").encode("iso-8859-1")
    assert parse("feed", latin, source="src")[0].authors[0] == "Å. Author"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "the answer is empty"),
        ("  \n", "the answer is empty"),
        ("<!DOCTYPE html><html><body>404</body></html>", "the answer is a web page, not a feed"),
        ("just words", "the answer is not a feed"),
        ("<x/>", "the answer is not a feed"),
        (ATOM[: ATOM.index("</entry>") + 40], "the feed breaks off after"),
        (RSS[:-40], "the feed breaks off after"),
        ("<feed>" + "<a>" * 100_000, "nested more than 200 deep"),
        (RSS.replace("<title>T</title>", "<title>Feed error for x</title>").replace(
            "<rss ", '<rss xmlns:arxiv="http://arxiv.org/schemas/atom" '), "arXiv says: Feed error for x"),
    ],
)  # fmt: skip
def test_an_incomplete_feed_is_refused_with_the_reason(body: str, said: str) -> None:
    assert said in reason(body)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('<link rel="alternate" type="application/rss+xml" href="/feed.xml">', "links is https://example.org/feed.xml"),
        ("<LINK type='application/atom+xml; charset=x' REL='feed Alternate' HREF='a?b&amp;c'>", "/blog/a?b&c"),
        ('<link rel="alternate" type="application/rss+xml" href="javascript:x">', "look for the feed's own address"),
        ('<link rel="alternate" type="application/rss+xml" href="https://[x">', "look for the feed's own address"),
        ('<link rel="alternate" type="text/html" href="/de">', "look for the feed's own address"),
        ("<![foo", "look for the feed's own address"),
    ],
)
@pytest.mark.parametrize("kind", ["feed", "arxiv", "huggingface", "text"])
def test_a_web_page_is_refused_with_the_feed_that_it_links(head: str, said: str, kind: str) -> None:
    body = f"\ufeff <!-- x -->\n<!DOCTYPE html><html><head>{head}</head></html>".encode()
    with pytest.raises(SourceError) as caught:
        parse(kind, body, source="src", url="https://example.org/blog/")
    assert caught.value.reason.startswith("the answer is a web page, not a feed; ")
    assert caught.value.reason.endswith(said)


def test_a_bomb_of_entities_is_refused() -> None:
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
        + "]><rss version='2.0'><channel><item><title>&j;</title></item></channel></rss>"
    )
    assert all(len(e.title) < 10_000 for e in entries(bomb))


@given(st.integers(0, len(ATOM)), st.integers(0, 40), st.binary(max_size=6))
@example(30, 0, b"\x00")  # in the declared encoding
@example(30, 0, b"\x80")
def test_damaged_bytes_give_entries_or_a_reason(begin: int, length: int, junk: bytes) -> None:
    body = ATOM.encode()
    with suppress(SourceError):  # anything else is a fault
        parse("feed", body[:begin] + junk + body[begin + length :], source="src")


def test_daily_papers_with_almost_nothing_in_them() -> None:
    body = """[{"paper": {"id": "2606.00001", "title": "A  paper", "authors": [{}, {"name": "A"}, 3], "upvotes": "many",
                "publishedAt": "soon", "githubRepo": "javascript:x"}}, {"paper": null}, 7]"""
    (item,) = entries(body, "huggingface")
    assert (item.title, item.authors, item.upvotes, item.published_at, item.code_url) == (
        "A paper",
        ("A",),
        None,
        None,
        "",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "the answer is not JSON"),
        ("[" * 100_000, "the answer is not JSON"),
        ('{"error": "Too many requests"}', "the answer is not a list of papers: Too many requests"),
        ("3", "the answer is not a list of papers"),
        ('[{"title": "x"}]', "none of its 1 items has a paper with an id and a title"),
    ],
)
def test_an_answer_without_papers_is_refused(body: str, said: str) -> None:
    assert said in reason(body, "huggingface")


def test_a_list_begins_with_the_line_before_the_first_long_one() -> None:
    long = "word " * 70
    found = entries(f"Header\n\nTitle one\n{long}\n\nTitle two\n\nshort abstract\n", "text")
    assert [(e.title, e.abstract) for e in found] == [("Title one", long.strip()), ("Title two", "short abstract")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"Title\nshort", "found no line of more than 300 characters"),
        (b"word " * 70, "found no line of more than 300 characters with a title before it"),
        (b"T\n" + b"word " * 70 + b"\nTitle two\n", "the last title has no abstract: 'Title two'"),
        (b"\xff\xfe\x00", "the text is not UTF-8 (byte 0)"),
    ],
)
def test_a_text_without_papers_is_refused(body: bytes, said: str) -> None:
    assert said in reason(body, "text")


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="no kind of source 'fed'; did you mean 'feed'"):
        parse("fed", b"", source="src")


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"\xef\xbb\xbf <rss/>", "feed"), (b" [", "huggingface"), (b"{}", "huggingface"), (b"A title", "text")],
)
def test_the_kind_is_detected_from_the_content(body: bytes, kind: str) -> None:
    assert detect_kind(body) == kind


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("$x<y$ and $y>z$", "$x<y$ and $y>z$"),
        ("p < 0.05 & q", "p < 0.05 & q"),
        ("a<b$ and $c>d", "a<b$ and $c>d"),
        ("50% gain ]]>", "50% gain ]]>"),
        ("fish &amp; chips", "fish & chips"),
        ("<p>One</p><p>Two<br/>three</p>", "One Two three"),
        ("H<sub>2</sub>O", "H2O"),
        ("<script>alert(1)</script>safe", "safe"),
        ('<a href="https://x.org">link</a>', "link"),
        ("nul\x00 and\nline", "nul and line"),
        ("<i>" * 5000 + "deep", "deep"),
        ("<div>" * 100_000 + "deep", ""),  # behind the cap
        ("<b>" * 3000 + "<script>alert(1)</script>deep", "deep"),
        ("abc\u202egnp.exe\u2066", "abcgnp.exe"),
    ],
)
def test_html_becomes_the_text_that_was_meant(written: str, shown: str) -> None:
    assert html_to_text(written) == shown


@given(st.text())
def test_plain_text_is_one_clean_line_and_stays_so(text: str) -> None:
    once = plain_text(text)
    assert plain_text(once) == once
    assert "\n" not in once
    assert "\x00" not in once


@given(st.text(alphabet="<>/ab=\"' &;lt$", max_size=60))
def test_html_never_fails(text: str) -> None:
    assert "\n" not in html_to_text(text)

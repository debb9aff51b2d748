"""Feeds whose fields do not have the shape that one would expect keep their right values."""

from datetime import datetime

import pytest

from digest.models import Entry
from digest.sources import parse
from tests.builders import at

NAMESPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
)
GOOD = "<item><title>A good one after it</title><link>https://example.org/good</link></item>"


def rss(*fields: str) -> list[Entry]:
    """Return the entries of a feed with one item of these fields, and a good item after it."""
    item = f"<item><title>Cats</title><link>https://example.org/1</link>{''.join(fields)}</item>"
    body = f'<rss version="2.0" {NAMESPACES}><channel><title>T</title>{item}{GOOD}</channel></rss>'
    return parse("feed", body.encode(), source="src")


@pytest.mark.parametrize(
    ("fields", "authors"),
    [
        (["<authors>Cara Gamma;Dan Delta</authors>"], ("Cara Gamma", "Dan Delta")),
        (["<authors x='1'>Cara Gamma</authors>"], ("Cara Gamma",)),
        (["<authors/>", "<dc:creator>Eve</dc:creator>"], ("Eve",)),
        (["<dc:creator>Eve</dc:creator>", "<authors>Cara;Dan</authors>"], ("Eve",)),
        (["<author_detail>x</author_detail>", "<dc:creator>Eve</dc:creator>"], ("Eve",)),
        (["<author><name>Eve</name></author>", "<author>Fay</author>"], ("Eve", "Fay")),
        (["<name>x</name>", "<author a='b'>Eve</author>"], ("Eve",)),
    ],
)
def test_authors_are_read_from_elements_that_feedparser_has_as_fields(
    fields: list[str], authors: tuple[str, ...]
) -> None:
    odd, good = rss(*fields)
    assert odd.authors == authors
    assert good.title == "A good one after it"


@pytest.mark.parametrize(
    "field",
    [
        '<dc:identifier xsi:type="dcterms:URI">https://doi.org/10.1000/Cat.7</dc:identifier>',
        "<prism:doi>10.1000/cat.7</prism:doi>",
        '<prism:doi x="">doi:10.1000/cat.7</prism:doi>',
        '<prism:doi x=""/><dc:identifier>10.1000/cat.7</dc:identifier>',
        "<guid x='y'>https://doi.org/10.1000/cat.7</guid>",
    ],
)
def test_a_doi_is_read_whatever_attributes_its_element_has(field: str) -> None:
    assert rss(field)[0].doi == "10.1000/cat.7"


@pytest.mark.parametrize(
    ("fields", "published"),
    [
        (["<published_parsed>2026</published_parsed>"], None),
        (["<published_parsed x='1'/>", "<pubDate>Wed, 03 Jun 2026 07:00:00 GMT</pubDate>"], at("2026-06-03 07:00")),
        (["<pubDate>Wed, 03 Jun 2026 07:00:00 GMT</pubDate>", "<updated_parsed>x</updated_parsed>"],
         at("2026-06-03 07:00")),
        (["<pubDate>Wed, 03 Jun 2026 07:00:00 GMT</pubDate>", "<published_parsed>x</published_parsed>"],
         at("2026-06-03 07:00")),
        (["<pubDate x=''>Wed, 03 Jun 2026 07:00:00 GMT</pubDate>"], at("2026-06-03 07:00")),
        (["<dc:date>0001-01-01T00:00:00+14:00</dc:date>"], None),
        (["<dc:date>9999-12-31T23:59:59-14:00</dc:date>"], None),
        (["<pubDate>Wed, 03 Jun 99999999999999999999 07:00:00 GMT</pubDate>"], None),
    ],
)  # fmt: skip
def test_a_date_is_read_from_the_element_that_is_one(fields: list[str], published: datetime | None) -> None:
    odd, good = rss(*fields)
    assert odd.published_at == published
    assert good.title == "A good one after it"


# Names of feedparser's own fields, of its elements, and of what Digest reads.
NAMES = (
    *(
        "authors",
        "author_detail",
        "tags",
        "links",
        "content",
        "summary",
        "summary_detail",
        "title_detail",
        "id",
        "guid",
    ),
    *("updated_parsed", "expired_parsed", "contributors", "publisher_detail", "source", "image", "textinput", "item"),
    *("link", "category", "keywords", "media:content", "itunes:author", "dc:creator", "prism:doi", "channel", "name"),
    *("dcterms:valid", "psc:chapter", "geo:lat", "georss:where", "language", "width", "email", "enclosure", "cloud"),
)


@pytest.mark.parametrize(
    "shape", ["<{0}>x</{0}>", "<{0} a='b'>x</{0}>", "<{0}/>", "<{0} href='http://[x'><name/></{0}>"]
)
def test_an_odd_element_costs_no_other_entry(shape: str) -> None:
    declared = NAMESPACES + "".join(
        f' xmlns:{prefix}="{uri}"'
        for prefix, uri in (
            ("media", "http://search.yahoo.com/mrss/"),
            ("itunes", "http://www.itunes.com/DTDs/PodCast-1.0.dtd"),
            ("dcterms", "http://purl.org/dc/terms/"),
            ("psc", "http://podlove.org/simple-chapters"),
            ("geo", "http://www.w3.org/2003/01/geo/wgs84_pos#"),
            ("georss", "http://www.georss.org/georss"),
        )
    )
    for name in NAMES:
        odd = shape.format(name)
        for item in (f"{odd}<title>Cats</title>", f"<title>Cats</title>{odd}{odd}"):
            body = (
                f'<rss version="2.0" {declared}><channel>{odd}<title>T</title><item>{item}</item>{GOOD}</channel></rss>'
            )
            for written in (body, body.replace("<title>T", "<title>T &nbsp;")):  # read strictly, then loosely
                assert any(e.title == "A good one after it" for e in parse("feed", written.encode(), source="s")), (
                    written
                )


def test_a_name_space_with_spaces_costs_no_entry() -> None:
    body = (
        '<rss version="2.0" xmlns:x="http://example.org/a b c"><channel><title>T</title>'
        "<item><x:y>1</x:y><title>Cats</title></item></channel></rss>"
    )
    assert [entry.title for entry in parse("feed", body.encode(), source="src")] == ["Cats"]


DIGITS = "1" * 5_000


@pytest.mark.parametrize(
    "item",
    [
        f"<title>Cats &#{DIGITS}; sleep</title>",
        f"<title>Cats &amp;#{DIGITS}; sleep</title>",
        f"<title>Cats &#x{DIGITS}; sleep</title>",
        f"<title>Cats &amp;#x{DIGITS}; sleep</title>",
        "<title>Cats &#1114112; sleep</title>",
        "<title>Cats &#xD800; sleep</title>",
    ],
)
def test_a_character_with_an_impossible_number_is_a_replacement_character(item: str) -> None:
    body = f'<rss version="2.0"><channel><title>T</title><item>{item}</item>{GOOD}</channel></rss>'
    odd, good = parse("feed", body.encode(), source="src")
    assert odd.title == "Cats \ufffd sleep"
    assert good.title == "A good one after it"


@pytest.mark.parametrize("field", ["description", "guid", "link", "author", "category", "pubDate", "dc:identifier"])
@pytest.mark.parametrize("number", [f"&#{DIGITS};", f"&amp;#{DIGITS};", DIGITS])
def test_a_number_of_5000_digits_costs_no_other_entry(field: str, number: str) -> None:
    assert [entry.title for entry in rss(f"<{field}>{number}</{field}>")] == ["Cats", "A good one after it"]


def test_an_arxiv_version_of_5000_digits_is_no_version() -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom"><title>T</title>'
        f"<entry><id>oai:arXiv.org:2606.00001v{DIGITS}</id><title>Cats</title></entry>"
        "<entry><id>oai:arXiv.org:2606.00002v12</id><title>Dogs</title></entry></feed>"
    )
    found = parse("arxiv", body.encode(), source="src")
    assert [(e.arxiv_id, e.arxiv_version) for e in found] == [("2606.00001", 0), ("2606.00002", 12)]


@pytest.mark.parametrize("prefix", ["arxiv", "a"])
def test_arxivs_elements_are_read_whatever_prefix_and_attributes_they_have(prefix: str) -> None:
    body = (
        f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:{prefix}="http://arxiv.org/schemas/atom"><title>T</title>'
        "<entry><id>http://arxiv.org/abs/2606.00001v1</id><title>Cats</title>"
        f'<{prefix}:doi x="y">10.1000/CAT</{prefix}:doi><category term="cs.LG"/>'
        f'<{prefix}:primary_category term="cs.CL" scheme="s"/></entry></feed>'
    )
    (entry,) = parse("feed", body.encode(), source="src")
    assert (entry.doi, entry.categories) == ("10.1000/cat", ("cs.CL", "cs.LG"))


def test_one_invalid_byte_costs_one_character() -> None:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>T</title>'
        "<item><title>Naïve Ångström 鳥</title></item><item><title>Caf! au lait</title></item></channel></rss>"
    )
    found = parse("feed", body.encode().replace(b"!", b"\xe9"), source="src")
    assert [entry.title for entry in found] == ["Naïve Ångström 鳥", "Caf\ufffd au lait"]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        *(
            ("UTF-8", "cp1252"),
            ("ISO-8859-1", "latin-1"),
            ("utf-16", "utf-16"),
            ("x-none", "utf-8"),
            ("UTF8", "utf-8-sig"),
        ),
        *(("punycode", "utf-8"), ("unicode_escape", "utf-8"), ("utf-7", "utf-8"), ("windows-1252", "cp1252")),
    ],
)
def test_only_declared_encodings_that_are_character_sets_are_used(declared: str, encoding: str) -> None:
    body = (
        f'<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>T</title>'
        "<item><title>Zoë naïve</title></item></channel></rss>"
    )
    (entry,) = parse("feed", body.encode(encoding), source="src")
    assert entry.title == "Zoë naïve"


def test_a_feed_in_chinese_that_declares_gb2312() -> None:
    body = (
        '<?xml version="1.0" encoding="gb2312"?><rss version="2.0"><channel><title>T</title>'
        "<item><title>关于狗的论文</title></item></channel></rss>"
    )
    assert parse("feed", body.encode("gb18030"), source="src")[0].title == "关于狗的论文"


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("upvotes", str(2**63), None),
        ("upvotes", "1" * 5_000, None),
        ("upvotes", "-1", None),
        ("upvotes", "1e400", None),
        ("upvotes", "17", 17),
        ("githubStars", str(2**31), None),
        ("publishedAt", '"0001-01-01T00:00:00+14:00"', None),
        ("publishedAt", '"0001-01-01"', None),
        ("publishedAt", '"9999-12-31T23:00:00-10:00"', None),
        ("publishedAt", '"2026-06-03T07:00:00Z"', at("2026-06-03 07:00")),
        ("authors", '{"name": "x"}', ()),
        ("id", "7", "2606.00001"),
    ],
)
def test_odd_values_of_daily_papers(field: str, value: str, read: object) -> None:
    odd = f'{{"paper": {{"id": "2606.00001", "title": "Cats", "{field}": {value}}}}}'
    body = f'[{odd}, {{"paper": {{"id": "2606.00002", "title": "Dogs"}}}}]'
    found = parse("huggingface", body.encode(), source="src")
    assert found[-1].title == "Dogs"
    if field != "id":
        names = {"githubStars": "stars", "publishedAt": "published_at"}
        assert getattr(found[0], names.get(field, field)) == read


def test_every_field_of_an_entry_is_limited() -> None:
    long = "word " * 100_000
    (entry, _) = rss(
        f"<description>{long}</description><guid>{long}</guid><category>{long}</category>",
        "<dc:creator>Ann Alpha</dc:creator>" * 25_000,
        "".join(f"<category>{number}</category>" for number in range(1_000)),
    )
    assert len(entry.abstract) <= 50_000
    assert len(entry.authors) == 20_000
    assert len(entry.categories) == 200
    assert max(map(len, entry.categories)) <= 300
    assert len(entry.guid) == 64


def test_the_names_of_all_authors_together_are_limited() -> None:
    entry, _ = rss(f"<dc:creator>{'n' * 20_000}</dc:creator>" * 300)
    assert max(map(len, entry.authors)) == 10_000
    assert 390_000 < sum(map(len, entry.authors)) <= 400_000


def test_many_names_in_one_element_are_kept() -> None:
    names = ", ".join(f"Surname{number}, A. B." for number in range(300))
    assert rss(f"<dc:creator>{names}</dc:creator>")[0].authors == (names,)


@pytest.mark.parametrize(
    ("element", "categories"),
    [
        ("<itunes:keywords>cats, dogs</itunes:keywords><category>birds</category>", ("cats", "dogs", "birds")),
        ("<media:keywords>cats,dogs</media:keywords>", ("cats", "dogs")),
        ('<itunes:image href="x">y</itunes:image><category>birds</category>', ("birds",)),
        ('<enclosure url="x">y</enclosure><category>birds</category>', ("birds",)),
    ],
)
def test_elements_that_feedparser_knows_at_one_end_only_are_read(element: str, categories: tuple[str, ...]) -> None:
    declared = 'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:media="http://search.yahoo.com/mrss/"'
    item = f"<item><title>Cats</title>{element}</item>"
    body = f'<rss version="2.0" {declared}><channel><title>T</title>{item}{GOOD}</channel></rss>'
    odd, good = parse("feed", body.encode(), source="src")
    assert odd.categories == categories
    assert good.title == "A good one after it"


@pytest.mark.parametrize(
    "declared", ["utf-16", "UTF-16", "utf-16le", "utf-32", "windows-1252", "us-ascii", "unicode", "shift_jis"]
)
def test_a_feed_in_utf_8_that_declares_another_encoding_is_utf_8(declared: str) -> None:
    title = "Étude “naïve” 猫"
    begin = f'<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>T</title>'
    body = f"{begin}<item><title>{title}</title></item></channel></rss>"
    assert parse("feed", body.encode(), source="src")[0].title == title


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["utf-16", "utf-8", "iso-8859-1"])
def test_how_the_bytes_begin_counts_more_than_the_declared_encoding(encoding: str, declared: str) -> None:
    begin = f'<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>T</title>'
    body = f"{begin}<item><title>Étude 猫</title></item></channel></rss>"
    assert parse("feed", body.encode(encoding), source="src")[0].title == "Étude 猫"


@pytest.mark.parametrize("space", ["", "\n", " "])
def test_entities_of_a_document_type_are_replaced_wherever_they_are_declared(space: str) -> None:
    entities = f'[{space}<!ENTITY who "Ada">{space}<!ENTITY nbsp "&#160;">{space}]'
    item = "<item><title>Cats&nbsp;and dogs</title><author>&who;</author></item>"
    begin = f'<?xml version="1.0"?>{space}<!DOCTYPE rss {entities}>{space}'
    body = f'{begin}<rss version="2.0"><channel>{item}</channel></rss>'
    (entry,) = parse("feed", body.encode(), source="src")
    assert (entry.title, entry.authors) == ("Cats and dogs", ("Ada",))


def test_links_and_ids_are_one_clean_line() -> None:
    (entry, _) = rss("<guid>a\u200e\u202eb\nc</guid>", "<link>https://example.org/a b\u202e</link>")
    assert entry.guid == "a\u200eb c"
    assert entry.url == "https://example.org/a%20b"

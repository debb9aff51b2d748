"""Feeds: mutations of small ones of every format. A feed is read and stored, or refused with a reason."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from digest.errors import SourceError
from digest.pipeline.ingest import store_entries
from digest.sources import detect_kind, parse
from digest.store import Store
from tests.faults.gallery import Attack, mutated

_RSS = b"""<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/">
<channel><title>Letters on Cats</title><link>https://journal.example.org/</link>
<item><title>Why cats sleep &amp; dream</title><link>https://journal.example.org/1</link><guid>urn:one</guid>
<description>&lt;p&gt;We watch cats.&lt;/p&gt;</description><dc:creator>Ann Alpha, Bob Beta</dc:creator>
<dc:date>2026-06-03</dc:date><prism:doi>10.1000/cat.1</prism:doi><category>cs.LG</category></item>
<item><title>Cats at $\\alpha$ degrees</title><link>/2</link><pubDate>Wed, 03 Jun 2026 04:00:00 GMT</pubDate></item>
</channel></rss>"""
_ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
<title>cs.CL updates</title>
<entry><id>oai:arXiv.org:2606.00001v2</id><title>Cats speak</title><updated>2026-06-03T04:00:00Z</updated>
<link href="https://arxiv.org/abs/2606.00001"/><author><name>Ann Alpha</name></author><category term="cs.CL"/>
<summary>arXiv:2606.00001v2 Announce Type: replace Abstract: They do.</summary>
<arxiv:announce_type>replace</arxiv:announce_type></entry></feed>"""
_RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="x"><title>T</title></channel>
<item rdf:about="https://arxiv.org/abs/1209.2411"><title>Cats. (arXiv:1209.2411v1 [math.PR] UPDATED)</title>
<link>https://arxiv.org/abs/1209.2411</link><description>&lt;p&gt;Cats.&lt;/p&gt;</description>
<dc:creator>&lt;a href="https://arxiv.org/a"&gt;Ann Alpha&lt;/a&gt;</dc:creator></item></rdf:RDF>"""
_HUGGING_FACE = b"""[{"paper": {"id": "2606.00002", "title": "Cats", "summary": "We watch.", "upvotes": 12,
"authors": [{"name": "Ann Alpha"}], "publishedAt": "2026-06-03T00:00:00.000Z", "githubRepo": "https://example.org/r",
"githubStars": 5, "submittedOnDailyAt": "2026-06-03T00:00:00.000Z"}, "title": "Cats"}]"""
_TEXT = b"Papers of the day\n\nCats\n" + b"We watch cats with care. " * 20 + b"\n"

SAMPLES = (_RSS, _ATOM, _RDF, _HUGGING_FACE, _TEXT)


# Names of elements that feedparser or Digest reads, and of feedparser's own fields.
_NAMES = tuple(
    name.encode()
    for name in (
        "authors author author_detail tags links link id guid title content summary description published_parsed "
        "pubDate updated category source image textinput item entry channel name dc:creator dc:identifier dc:date "
        "prism:doi arxiv:doi arxiv:primary_category rdf:about content:encoded media:content language"
    ).split()
)
_NAME = re.compile(rb"(</?)([a-z]+(?::[a-z]+)?)\b", re.IGNORECASE)
_ODD_TEXTS = (
    *(
        b"&#" + b"1" * 5_000 + b";",
        b"&amp;#" + b"9" * 5_000 + b";",
        b"&#xD800;",
        b"&#0;",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
    ),
    *(
        b"1" * 5_000,
        b"v" + b"7" * 5_000,
        b"a" * 20_000 + b"@",
        b"http://[x",
        b"0001-01-01T00:00:00+14:00",
        b"<",
        b"]]>",
    ),
    *(
        b"<![CDATA[",
        b"<!--",
        b"$\\" * 500,
        b"(" * 2_000,
        b" " * 20_000,
        "\u202e\u2028".encode(),
        b"10.1000/" + b"x" * 9_000,
    ),
    *(b"9" * 30, b"-1", b"1e999", b"null", b"{}", b"[]", b'"\\ud800"'),
)


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Mutations of each format, in turn: of bytes, of elements, and of texts. What is read is stored, too."""
    with Store.open(folder / "digest.db") as store:
        for number in range(count):
            sample = SAMPLES[number % len(SAMPLES)]
            changed = (mutated, _with_other_elements, _with_odd_texts)[number % 3](random, sample)
            yield Attack(f"feed {number}: {changed[:60]!r}", partial(_read_and_store, store, changed))


def _read_and_store(store: Store, body: bytes) -> None:
    try:
        entries = parse(detect_kind(body), body, source="list")
    except SourceError:  # a clear refusal
        return
    with store.write() as tx:
        store_entries(tx, "list", entries, now=datetime(2026, 6, 3, tzinfo=UTC), timezone="UTC")


def _with_other_elements(random: Random, sample: bytes) -> bytes:
    """Return a feed in which some elements have another name, an attribute, or another element in them."""
    changes = {random.choice(_NAMES): random.choice(_NAMES) for _ in range(3)}

    def change(found: re.Match[bytes]) -> bytes:
        begin, name = found.groups()
        if begin == b"</":
            return begin + changes.get(name, name)
        name = changes.get(name, name)
        added = random.choice(
            (b"", b"", b"", b" x=''", b" href='http://[x'", b" type='text/html'", b" xml:base='http://[x'")
        )
        before = b"<%s%s/>" % (random.choice(_NAMES), added) if random.random() < 0.1 else b""
        return before + begin + name + added

    return _NAME.sub(change, sample)


def _with_odd_texts(random: Random, sample: bytes) -> bytes:
    """Return a feed in which some texts are odd."""
    for _ in range(random.randint(1, 3)):
        places = [place.end() for place in re.finditer(rb">|: |: \"|\n", sample)]
        place = random.choice(places)
        sample = sample[:place] + random.choice(_ODD_TEXTS) + sample[place + random.choice((0, 0, 5)) :]
    return sample

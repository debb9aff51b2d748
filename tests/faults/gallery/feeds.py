"""Feeds: mutations of small ones of every format. A feed is read or refused with a reason."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from digest.errors import SourceError
from digest.sources import detect_kind, parse
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


def attacks(random: Random, count: int, _folder: Path) -> Iterator[Attack]:
    """Mutations of each format, in turn."""
    for number in range(count):
        body = mutated(random, SAMPLES[number % len(SAMPLES)])

        def read(body: bytes = body) -> None:
            with suppress(SourceError):  # a clear refusal
                parse(detect_kind(body), body, source="list")

        yield Attack(f"feed {number}: {body[:60]!r}", read)

"""Any RSS, Atom or RDF feed. A feed in arXiv's dialect is read as arXiv's, whichever site serves it."""

import hashlib
from typing import Any

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.feed_reader import authors_of, published_at, read_feed, records_of, text_of
from digest.sources.parsing import doi_in, html_to_text, web_url


def parse(body: bytes) -> list[Entry]:
    """Parse a feed. Raises ParseError if it is none, is incomplete, or is an error served as a feed."""
    feed = read_feed(body)
    if arxiv.is_arxiv(feed):
        return arxiv.entries(feed)
    return [_entry(item) for item in feed.items if text_of(item, "title", "summary")]


def _entry(item: dict[str, Any]) -> Entry:
    title = html_to_text(text_of(item, "title"))
    content = next((text_of(part, "value") for part in records_of(item, "content")), "")
    abstract = html_to_text(content or text_of(item, "summary"))
    url = web_url(text_of(item, "link"))
    ids = (text_of(item, "prism_doi"), text_of(item, "dc_identifier"), text_of(item, "id"), url)
    return Entry(
        guid=text_of(item, "id") or url or hashlib.sha256(f"{title}\0{abstract}".encode()).hexdigest(),
        title=title or "(no title)",
        abstract=abstract,
        authors=tuple(name for written in authors_of(item) if (name := html_to_text(written))),
        categories=tuple(
            dict.fromkeys(term for tag in records_of(item, "tags") if (term := html_to_text(text_of(tag, "term"))))
        ),
        url=url,
        arxiv_id=arxiv.arxiv_id_in(url)[0],
        doi=next((doi for text in ids if (doi := doi_in(text))), ""),
        published_at=published_at(item),
    )

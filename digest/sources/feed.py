"""Any RSS, Atom or RDF feed, through feedparser; arXiv's dialect of them is read as such."""

import hashlib
from typing import Any

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.arxiv import arxiv_id_in
from digest.sources.parsing import doi_in, html_to_text, parse_feed, published_at


def parse(body: bytes) -> list[Entry]:
    """The entries of a feed. Raises ParseError: not a feed, an error served as a feed, or one that breaks off."""
    parsed = parse_feed(body)
    if arxiv.is_arxiv(parsed):
        return arxiv.entries(parsed)
    return [_entry(item) for item in parsed.entries if item.get("title") or item.get("summary")]


def _entry(item: Any) -> Entry:
    title = html_to_text(item.get("title") or "")
    abstract = html_to_text((item.content[0].get("value") if item.get("content") else item.get("summary")) or "")
    url = web_url(item.get("link"))
    announced = (item.get("prism_doi"), item.get("dc_identifier"), item.get("id"), url)
    return Entry(
        guid=item.get("id") or url or hashlib.sha256(f"{title}\0{abstract}".encode()).hexdigest(),
        title=title or "(no title)",
        abstract=abstract,
        authors=tuple(name for a in item.get("authors", ()) if (name := html_to_text(a.get("name") or ""))),
        categories=tuple(dict.fromkeys(html_to_text(t.term) for t in item.get("tags", ()) if t.get("term"))),
        url=url,
        arxiv_id=arxiv_id_in(url)[0],
        doi=next((doi for text in announced if text and (doi := doi_in(text))), ""),
        published_at=published_at(item),
    )


def web_url(link: str | None) -> str:
    """The link if a reader's browser may follow it: nothing but http and https goes into a mail."""
    return link if link and link.lower().startswith(("https://", "http://")) else ""

"""Any RSS, Atom or RDF feed. A feed in arXiv's dialect is read as arXiv's, whichever site serves it."""

import hashlib

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.parsing import doi_in, html_to_text, parse_feed, published_at, web_url


def parse(body: bytes) -> list[Entry]:
    """Parse a feed. Raises ParseError if it is none, is incomplete, or is an error served as a feed."""
    parsed = parse_feed(body)
    if arxiv.is_arxiv(parsed):
        return arxiv.entries(parsed)
    found: list[Entry] = []
    for item in parsed.entries:
        if not item.get("title") and not item.get("summary"):
            continue
        title = html_to_text(item.get("title") or "")
        abstract = html_to_text((item.content[0].get("value") if item.get("content") else item.get("summary")) or "")
        url = web_url(item.get("link"))
        ids = (item.get("prism_doi"), item.get("dc_identifier"), item.get("id"), url)
        found.append(
            Entry(
                guid=item.get("id") or url or hashlib.sha256(f"{title}\0{abstract}".encode()).hexdigest(),
                title=title or "(no title)",
                abstract=abstract,
                authors=tuple(name for a in item.get("authors", ()) if (name := html_to_text(a.get("name") or ""))),
                categories=tuple(dict.fromkeys(html_to_text(t.term) for t in item.get("tags", ()) if t.get("term"))),
                url=url,
                arxiv_id=arxiv.arxiv_id_in(url)[0],
                doi=next((doi for text in ids if text and (doi := doi_in(text))), ""),
                published_at=published_at(item),
            )
        )
    return found

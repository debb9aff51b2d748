"""arXiv: its ids and URLs, its API, and its dialect of RSS, Atom and the RDF that it once served.

An entry's announce type is relative to the requested feed, and `published` is today's midnight in New York, so neither
tells that a paper is new.
"""

import re
from typing import Any

from digest.models import AnnounceType, Entry
from digest.sources.parsing import ParseError, doi_in, html_to_text, parse_feed, plain_text, published_at

API = "https://export.arxiv.org/api/query"  # info.arxiv.org/help/api/user-manual.html
DOMAIN = "arxiv.org"
SECONDS_BETWEEN_REQUESTS = 3.0  # over one connection (info.arxiv.org/help/api/tou.html)

# Hosts whose URLs name papers by arXiv id.
HOSTS = {"arxiv.org", "www.arxiv.org", "export.arxiv.org", "alphaxiv.org", "www.alphaxiv.org", "huggingface.co"}

_ID = re.compile(
    r"(?:^|arxiv[:./]|arxiv\.org:|/abs/|/pdf/|/papers/)(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(\d+))?(?![\w.]*\d)",
    re.IGNORECASE,
)
_WRITTEN_ID = re.compile(r"(?:arxiv:\s*)?(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_ANNOUNCED = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*(\S+)\s*(?:Abstract:\s*)?", re.IGNORECASE)
_RDF_TITLE = re.compile(r"\s*\(arXiv:(\S+)\s+\[([\w.-]+)\]\s*(UPDATED|CROSS LISTED)?\)\s*$", re.IGNORECASE)
_RDF_TYPES = {"updated": AnnounceType.REPLACE, "cross listed": AnnounceType.CROSS}
_NAME_SUFFIX = re.compile(r",(?=\s*(?:jr\.?|sr\.?|ii|iii|iv)\s*(?:,|$))", re.IGNORECASE)


def arxiv_id_in(text: str) -> tuple[str, int]:
    """The arXiv id in an id, link or DOI, and its version (0: not given); ("", 0) if there is none."""
    found = _ID.search(text)
    return (found.group(1), int(found.group(2) or 0)) if found else ("", 0)


def is_arxiv_id(text: str) -> bool:
    """Whether the whole text is an arXiv id as people write it, such as `arXiv: 2504.17830v2`."""
    return _WRITTEN_ID.fullmatch(text) is not None


def abs_url(arxiv_id: str) -> str:
    """The page of a paper on arXiv, which is its canonical URL."""
    return f"https://arxiv.org/abs/{arxiv_id}"


def pdf_url(arxiv_id: str) -> str:
    """The PDF of a paper on arXiv."""
    return f"https://arxiv.org/pdf/{arxiv_id}"


def id_of_url(url: str) -> str:
    """The arXiv id in a canonical URL, or "" if the URL is another site's."""
    return arxiv_id_in(url)[0] if url.startswith(abs_url("")) else ""


def parse(body: bytes) -> list[Entry]:
    """Parse anything that arXiv serves as a feed. Raises ParseError."""
    return entries(parse_feed(body))


def is_arxiv(parsed: Any) -> bool:
    """Whether a feed read by feedparser is in arXiv's dialect, whichever site serves it."""
    if "arxiv" in parsed.get("namespaces", {}) or "http://arxiv.org/schemas/atom" in parsed.namespaces.values():
        return True
    return any(_id(item)[0] and _RDF_TITLE.search(item.get("title") or "") for item in parsed.entries[:1])


def entries(parsed: Any) -> list[Entry]:
    """The entries of a feed read by feedparser. Raises ParseError for an error that arXiv serves as a feed."""
    title = plain_text(parsed.feed.get("title") or "")
    if title.lower().startswith("feed error"):
        raise ParseError(f"arXiv says: {title}")
    for item in parsed.entries:
        if "arxiv.org/api/errors" in (item.get("id") or ""):
            raise ParseError(f"arXiv says: {plain_text(item.get('summary') or 'error')}")
    return [_entry(item) for item in parsed.entries if _id(item)[0]]


def _id(item: Any) -> tuple[str, int]:
    named = (arxiv_id_in(item.get(key) or "") for key in ("id", "link"))
    return next((found for found in named if found[0]), ("", 0))


def _entry(item: Any) -> Entry:
    arxiv_id, version = _id(item)
    title, summary = item.get("title") or "", item.get("summary") or ""
    announced, rdf = _ANNOUNCED.match(summary), _RDF_TITLE.search(title)
    # Not from `arxiv:announce_type`: feedparser's key for it depends on the prefix that the feed chose.
    written = announced.group(1).lower() if announced else ""
    announce_type = AnnounceType(written) if written in set(AnnounceType) else AnnounceType.NEW
    primary = item.get("arxiv_primary_category", {}).get("term")
    if announced:
        summary = summary[announced.end() :]
    if rdf:
        title, summary = title[: rdf.start()], html_to_text(summary)
        version = arxiv_id_in(rdf.group(1))[1]
        announce_type = _RDF_TYPES.get((rdf.group(3) or "").lower(), AnnounceType.NEW)
        primary = primary or rdf.group(2)
    categories = [primary, *(tag.term for tag in item.get("tags", ()) if tag.get("term"))]
    # Names without affiliations: `A (Dept, City), B, Jr.` is `A` and `B, Jr.`. The API has one author in each element,
    # the feeds have all of them in one.
    names = [author.get("name") or "" for author in item.get("authors", ())]
    if len(names) == 1:
        text = _NAME_SUFFIX.sub("\0", _without_parentheses(html_to_text(names[0])))
        names = [name.replace("\0", ",") for name in text.split(",")]
    return Entry(
        guid=item.get("id") or arxiv_id,
        title=plain_text(title),
        abstract=plain_text(summary),
        authors=tuple(name for written in names if (name := plain_text(_without_parentheses(written)))),
        categories=tuple(dict.fromkeys(plain_text(term) for term in categories if term)),
        url=abs_url(arxiv_id),
        pdf_url=pdf_url(arxiv_id),
        arxiv_id=arxiv_id,
        arxiv_version=version,
        doi=doi_in(item.get("arxiv_doi") or ""),
        announce_type=announce_type,
        published_at=published_at(item),
    )


def _without_parentheses(name: str) -> str:
    depth = 0
    kept = ""
    for character in name:
        depth += character == "("
        kept += "" if depth else character
        depth -= character == ")" and depth > 0
    return kept

"""arXiv: its ids and URLs, its API, and its dialect of RSS, Atom and the RDF that it once served.

An entry's announce type is relative to the requested feed, and `published` is today's midnight in New York, so neither
tells that a paper is new.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from digest.models import AnnounceType, Entry
from digest.sources.feed_reader import Feed, authors_of, published_at, read_feed, records_of, text_of
from digest.sources.parsing import ParseError, doi_in, html_to_text, plain_text

API = "https://export.arxiv.org/api/query"  # info.arxiv.org/help/api/user-manual.html
DOMAIN = "arxiv.org"
SECONDS_BETWEEN_REQUESTS = 3.0  # over one connection (info.arxiv.org/help/api/tou.html)

# Hosts whose URLs name papers by arXiv id.
HOSTS = {"arxiv.org", "www.arxiv.org", "export.arxiv.org", "alphaxiv.org", "www.alphaxiv.org", "huggingface.co"}

_ID = re.compile(
    r"(?:^|arxiv[:./]|arxiv\.org:|/abs/|/pdf/|/papers/)(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(\d+))?(?![\w.]*\d)",
    re.IGNORECASE | re.ASCII,
)
_MAX_VERSION_DIGITS = 4
_WRITTEN_ID = re.compile(
    r"(?:arxiv:\s*)?(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE | re.ASCII
)
_ANNOUNCED = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*(\S+)\s*(?:Abstract:\s*)?", re.IGNORECASE)
_RDF_TITLE = re.compile(r"\s*\(arXiv:(\S+)\s+\[([\w.-]+)\]\s*(UPDATED|CROSS LISTED)?\)\s*$", re.IGNORECASE)
_RDF_TYPES = {"updated": AnnounceType.REPLACE, "cross listed": AnnounceType.CROSS}
_NAME_SUFFIX = re.compile(r",(?=\s*(?:jr\.?|sr\.?|ii|iii|iv)\s*(?:,|$))", re.IGNORECASE)


def arxiv_id_in(text: str) -> tuple[str, int]:
    """Return the arXiv id in an id, link or DOI, and its version (0: not given); ("", 0) if there is none."""
    found = _ID.search(text)
    if not found:
        return "", 0
    version = found.group(2) or ""
    return found.group(1), int(version) if 0 < len(version) <= _MAX_VERSION_DIGITS else 0


def is_arxiv_id(text: str) -> bool:
    """Return whether the whole text is an arXiv id as people write it, such as `arXiv: 2504.17830v2`."""
    return _WRITTEN_ID.fullmatch(text) is not None


def abs_url(arxiv_id: str) -> str:
    """Return the page of a paper on arXiv, which is its canonical URL."""
    return f"https://arxiv.org/abs/{arxiv_id}"


def pdf_url(arxiv_id: str) -> str:
    """Return the PDF of a paper on arXiv."""
    return f"https://arxiv.org/pdf/{arxiv_id}"


def id_of_url(url: str) -> str:
    """Return the arXiv id in a canonical URL, or "" if the URL is another site's."""
    return arxiv_id_in(url)[0] if url.startswith(abs_url("")) else ""


def speaks_for_arxiv(kind: str, url: str) -> bool:
    """Return True for a source whose word on arXiv's papers counts: of kind arxiv, or fetched from arxiv.org."""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:  # no URL
        host = ""
    return kind == "arxiv" or host == DOMAIN or host.endswith(f".{DOMAIN}")


def parse(body: bytes) -> list[Entry]:
    """Parse anything that arXiv serves as a feed. Raises ParseError."""
    return entries(read_feed(body))


def is_arxiv(feed: Feed) -> bool:
    """Return whether a feed is in arXiv's dialect, whichever site serves it."""
    if "arxiv" in feed.namespaces:
        return True
    return any(_id(item)[0] and _RDF_TITLE.search(text_of(item, "title")) for item in feed.items[:1])


def entries(feed: Feed) -> list[Entry]:
    """Return the entries of a feed. Raises ParseError for an error that arXiv serves as a feed."""
    title = plain_text(feed.title)
    if title.lower().startswith("feed error"):
        raise ParseError(f"arXiv says: {title}")
    for item in feed.items:
        if "arxiv.org/api/errors" in text_of(item, "id"):
            raise ParseError(f"arXiv says: {plain_text(text_of(item, 'summary') or 'error')}")
    return [_entry(item) for item in feed.items if _id(item)[0]]


def _id(item: dict[str, Any]) -> tuple[str, int]:
    named = (arxiv_id_in(text_of(item, field)) for field in ("id", "link"))
    return next((found for found in named if found[0]), ("", 0))


def _entry(item: dict[str, Any]) -> Entry:
    arxiv_id, version = _id(item)
    title, summary = text_of(item, "title"), text_of(item, "summary")
    announced, rdf = _ANNOUNCED.match(summary), _RDF_TITLE.search(title)
    # Not from `arxiv:announce_type`: feedparser's key for it depends on the prefix that the feed chose.
    written = announced.group(1).lower() if announced else ""
    announce_type = AnnounceType(written) if written in set(AnnounceType) else AnnounceType.NEW
    primary = text_of(item, "arxiv_primary_category")
    if announced:
        summary = summary[announced.end() :]
    if rdf:
        title, summary = title[: rdf.start()], html_to_text(summary)
        version = arxiv_id_in(rdf.group(1))[1]
        announce_type = _RDF_TYPES.get((rdf.group(3) or "").lower(), AnnounceType.NEW)
        primary = primary or rdf.group(2)
    categories = [primary, *(text_of(tag, "term") for tag in records_of(item, "tags"))]
    # Names without affiliations: `A (Dept, City), B, Jr.` is `A` and `B, Jr.`. The API has one author in each element,
    # the feeds have all of them in one.
    names = authors_of(item)
    if len(names) == 1:
        text = _NAME_SUFFIX.sub("\0", _without_parentheses(html_to_text(names[0])))
        names = [name.replace("\0", ",") for name in text.split(",")]
    return Entry(
        guid=text_of(item, "id") or arxiv_id,
        title=plain_text(title),
        abstract=plain_text(summary),
        authors=tuple(name for written in names if (name := plain_text(_without_parentheses(written)))),
        categories=tuple(dict.fromkeys(plain_text(term) for term in categories if term)),
        url=abs_url(arxiv_id),
        pdf_url=pdf_url(arxiv_id),
        arxiv_id=arxiv_id,
        arxiv_version=version,
        doi=doi_in(text_of(item, "arxiv_doi")),
        announce_type=announce_type,
        published_at=published_at(item),
    )


def _without_parentheses(name: str) -> str:
    depth = 0
    kept: list[str] = []
    for character in name:
        depth += character == "("
        if not depth:
            kept.append(character)
        depth -= character == ")" and depth > 0
    return "".join(kept)

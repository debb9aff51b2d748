"""arXiv's dialect: its RSS and Atom feeds, its API, and the RDF it once served.

An entry's announce type is relative to the feed that was asked, and `published` is today's midnight in New York, so
neither says that a paper is new to us.
"""

import re
from typing import Any

from digest.models import AnnounceType, Entry
from digest.sources.parsing import ParseError, doi_in, html_to_text, parse_feed, plain_text, published_at

API = "https://export.arxiv.org/api/query"  # info.arxiv.org/help/api/user-manual.html
DOMAIN = "arxiv.org"
SECONDS_BETWEEN_REQUESTS = 3.0  # over one connection (info.arxiv.org/help/api/tou.html)

# Hosts that name papers by arXiv id in their paths.
HOSTS = {"arxiv.org", "www.arxiv.org", "export.arxiv.org", "alphaxiv.org", "www.alphaxiv.org", "huggingface.co"}

_ID = re.compile(
    r"(?:^|arxiv[:./]|arxiv\.org:|/abs/|/pdf/|/papers/)(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v(\d+))?(?![\w.]*\d)",
    re.IGNORECASE,
)
_ANNOUNCED = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*(\S+)\s*(?:Abstract:\s*)?", re.IGNORECASE)
_RDF_TITLE = re.compile(r"\s*\(arXiv:(\S+)\s+\[([\w.-]+)\]\s*(UPDATED|CROSS LISTED)?\)\s*$", re.IGNORECASE)
_RDF_TYPES = {"updated": AnnounceType.REPLACE, "cross listed": AnnounceType.CROSS}
_SUFFIXES = {"jr.", "jr", "sr.", "sr", "ii", "iii", "iv"}


def parse(body: bytes) -> list[Entry]:
    """The entries of anything that arXiv serves as a feed. Raises ParseError."""
    return entries(parse_feed(body))


def arxiv_id_in(text: str) -> tuple[str, int]:
    """The arXiv id in an id, link or DOI, and its version (0: not said); ("", 0) if there is none."""
    found = _ID.search(text)
    return (found.group(1), int(found.group(2) or 0)) if found else ("", 0)


def abs_url(arxiv_id: str) -> str:
    """The page of a paper on arXiv."""
    return f"https://arxiv.org/abs/{arxiv_id}"


def pdf_url(arxiv_id: str) -> str:
    """The PDF of a paper on arXiv."""
    return f"https://arxiv.org/pdf/{arxiv_id}"


def id_of_url(url: str) -> str:
    """The arXiv id in a canonical URL (`abs_url`), or "" if the URL is another site's."""
    return arxiv_id_in(url)[0] if url.startswith(abs_url("")) else ""


def is_arxiv(parsed: Any) -> bool:
    """Whether a feed speaks arXiv's dialect, wherever it was served from."""
    spoken = "arxiv" in parsed.get("namespaces", {}) or "http://arxiv.org/schemas/atom" in parsed.namespaces.values()
    return spoken or any(
        _item_id(item)[0] and _RDF_TITLE.search(item.get("title") or "") for item in parsed.entries[:1]
    )


def entries(parsed: Any) -> list[Entry]:
    """The entries of a feed that feedparser has read. Raises ParseError for an error served as a feed."""
    title = plain_text(parsed.feed.get("title") or "")
    if title.lower().startswith("feed error"):
        raise ParseError(f"arXiv says: {title}")
    for item in parsed.entries:
        if "arxiv.org/api/errors" in (item.get("id") or ""):
            raise ParseError(f"arXiv says: {plain_text(item.get('summary') or 'error')}")
    return [_entry(item) for item in parsed.entries if _item_id(item)[0]]


def _item_id(item: Any) -> tuple[str, int]:
    named = (arxiv_id_in(item.get(key) or "") for key in ("id", "link"))
    return next((found for found in named if found[0]), ("", 0))


def _entry(item: Any) -> Entry:
    arxiv_id, version = _item_id(item)
    title, summary = item.get("title") or "", item.get("summary") or ""
    announced, rdf = _ANNOUNCED.match(summary), _RDF_TITLE.search(title)
    if rdf:
        title, summary = title[: rdf.start()], html_to_text(summary)
        version = arxiv_id_in(rdf.group(1))[1]
    if announced:
        summary = summary[announced.end() :]
    return Entry(
        guid=item.get("id") or arxiv_id,
        title=plain_text(title),
        abstract=plain_text(summary),
        authors=_authors(item),
        categories=_categories(item, rdf),
        url=abs_url(arxiv_id),
        pdf_url=pdf_url(arxiv_id),
        arxiv_id=arxiv_id,
        arxiv_version=version,
        doi=doi_in(item.get("arxiv_doi") or ""),
        announce_type=_announce_type(announced, rdf),
        published_at=published_at(item),
    )


def _announce_type(announced: re.Match[str] | None, rdf: re.Match[str] | None) -> AnnounceType:
    if rdf:
        return _RDF_TYPES.get((rdf.group(3) or "").lower(), AnnounceType.NEW)
    # Not from `arxiv:announce_type`: under which key feedparser gives that depends on the feed's prefix.
    written = announced.group(1).lower() if announced else ""
    return AnnounceType(written) if written in set(AnnounceType) else AnnounceType.NEW


def _categories(item: Any, rdf: re.Match[str] | None) -> tuple[str, ...]:
    primary = item.get("arxiv_primary_category", {}).get("term") or (rdf.group(2) if rdf else None)
    named = [tag.term for tag in item.get("tags", ()) if tag.get("term")]
    return tuple(dict.fromkeys(plain_text(term) for term in [primary, *named] if term))


def _authors(item: Any) -> tuple[str, ...]:
    """Names without affiliations. The API names each author by themselves, the feeds all of them in one string."""
    written = [a.get("name") or "" for a in item.get("authors", ())]
    if len(written) == 1:
        written = _split(html_to_text(written[0]))
    return tuple(name for w in written if (name := plain_text(_without_parentheses(w))))


def _split(names: str) -> list[str]:
    """`A (Dept, City), B, Jr.` -> `A (Dept, City)`, `B, Jr.`: commas in parentheses part nobody."""
    depth = 0
    parts = [""]
    for character in names:
        depth = max(0, depth + (character == "(") - (character == ")"))
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    whole: list[str] = []
    for part in parts:
        if whole and part.strip().lower() in _SUFFIXES:
            whole[-1] += f",{part}"
        else:
            whole.append(part)
    return whole


def _without_parentheses(name: str) -> str:
    depth = 0
    kept = ""
    for character in name:
        depth += character == "("
        kept += "" if depth else character
        depth -= character == ")" and depth > 0
    return kept

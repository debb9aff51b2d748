"""arXiv's dialect: its RSS and Atom feeds, its API, and the RDF it once served.

An entry's announce type is relative to the feed that was asked, and `published` is today's midnight in New York, so
neither says that a paper is new to us.
"""

import re
from typing import Any

from digest.models import AnnounceType, Entry
from digest.sources.identity import arxiv_id_in, doi_in
from digest.sources.readable import from_html, plain
from digest.sources.syndication import moment_of, read
from digest.sources.unreadable import UnreadableError

_ANNOUNCED = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*(\S+)\s*(?:Abstract:\s*)?", re.IGNORECASE)
_RDF_TITLE = re.compile(r"\s*\(arXiv:(\S+)\s+\[([\w.-]+)\]\s*(UPDATED|CROSS LISTED)?\)\s*$", re.IGNORECASE)
_RDF_TYPES = {"updated": AnnounceType.REPLACE, "cross listed": AnnounceType.CROSS}
_SUFFIXES = {"jr.", "jr", "sr.", "sr", "ii", "iii", "iv"}


def parse(body: bytes) -> list[Entry]:
    """The entries of anything that arXiv serves as a feed. Raises UnreadableError."""
    return entries(read(body))


def is_arxiv(parsed: Any) -> bool:
    """Whether a feed speaks arXiv's dialect, wherever it was served from."""
    spoken = "arxiv" in parsed.get("namespaces", {}) or "http://arxiv.org/schemas/atom" in parsed.namespaces.values()
    return spoken or any(_id(item)[0] and _RDF_TITLE.search(item.get("title") or "") for item in parsed.entries[:1])


def entries(parsed: Any) -> list[Entry]:
    """The entries of a feed that feedparser has read. Raises UnreadableError for an error served as a feed."""
    title = plain(parsed.feed.get("title") or "")
    if title.lower().startswith("feed error"):
        raise UnreadableError(f"arXiv says: {title}")
    for item in parsed.entries:
        if "arxiv.org/api/errors" in (item.get("id") or ""):
            raise UnreadableError(f"arXiv says: {plain(item.get('summary') or 'error')}")
    return [_entry(item) for item in parsed.entries if _id(item)[0]]


def _id(item: Any) -> tuple[str, int]:
    named = (arxiv_id_in(item.get(key) or "") for key in ("id", "link"))
    return next((found for found in named if found[0]), ("", 0))


def _entry(item: Any) -> Entry:
    arxiv_id, version = _id(item)
    title, summary = item.get("title") or "", item.get("summary") or ""
    announced, rdf = _ANNOUNCED.match(summary), _RDF_TITLE.search(title)
    if rdf:
        title, summary = title[: rdf.start()], from_html(summary)
        version = arxiv_id_in(rdf.group(1))[1]
    if announced:
        summary = summary[announced.end() :]
    return Entry(
        guid=item.get("id") or arxiv_id,
        title=plain(title),
        abstract=plain(summary),
        authors=_authors(item),
        categories=_categories(item, rdf),
        url=f"https://arxiv.org/abs/{arxiv_id}",
        pdf_url=f"https://arxiv.org/pdf/{arxiv_id}",
        arxiv_id=arxiv_id,
        arxiv_version=version,
        doi=doi_in(item.get("arxiv_doi") or ""),
        announce_type=_announce_type(announced, rdf),
        published_at=moment_of(item),
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
    return tuple(dict.fromkeys(plain(term) for term in [primary, *named] if term))


def _authors(item: Any) -> tuple[str, ...]:
    """Names without affiliations. The API names each author by themselves, the feeds all of them in one string."""
    written = [a.get("name") or "" for a in item.get("authors", ())]
    if len(written) == 1:
        written = _split(from_html(written[0]))
    return tuple(name for w in written if (name := plain(_without_parentheses(w))))


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

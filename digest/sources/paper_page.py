"""The page of one paper: its citation_… meta tags, as Google Scholar asks for them, else those of Open Graph.

scholar.google.com/intl/en/scholar/inclusion.html, "Indexing guidelines"; ogp.me.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser

from digest.models import Entry
from digest.sources.arxiv import arxiv_id_in
from digest.sources.feed import web_url
from digest.sources.parsing import ParseError, doi_in, html_to_text

_MOST_READ = 1_000_000  # bytes: meta tags stand at the beginning
_MOST_TAGS = 2_000
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?!\d)")


def parse(body: bytes, *, url: str) -> Entry:
    """The paper that a web page at `url` shows. Raises ParseError where it names no title."""
    tags = _tags(body[:_MOST_READ])
    title = _first(tags, "citation_title", "og:title", "dc.title")
    if not title:
        raise ParseError("the page names no title (citation_title, og:title)")
    written = _first(tags, "citation_date", "citation_publication_date", "citation_online_date")
    return Entry(
        guid=url,
        title=title,
        abstract=_first(tags, "citation_abstract", "dc.description", "og:description", "description"),
        authors=tuple(dict.fromkeys(_authors(tags))),
        url=url,
        pdf_url=web_url(_first(tags, "citation_pdf_url")),
        arxiv_id=arxiv_id_in(_first(tags, "citation_arxiv_id"))[0],
        doi=doi_in(_first(tags, "citation_doi", "dc.identifier")) or doi_in(url),
        published_at=_day(written),
    )


class _Metas(HTMLParser):
    """Collects (name, content) of a page's meta tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, list[str]] = {}
        self._count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by HTMLParser."""
        if tag != "meta" or self._count >= _MOST_TAGS:
            return
        self._count += 1
        said = dict(attrs)
        name, content = said.get("name") or said.get("property"), said.get("content")
        if name and content and (text := html_to_text(content)):
            self.found.setdefault(name.lower(), []).append(text)


def _tags(body: bytes) -> dict[str, list[str]]:
    named = _CHARSET.search(body[:4096])
    try:
        text = body.decode(named[1].decode("ascii") if named else "utf-8", "replace")
    except LookupError:
        text = body.decode("utf-8", "replace")
    reader = _Metas()
    reader.feed(text)
    return reader.found


def _first(tags: dict[str, list[str]], *names: str) -> str:
    """What the first of these names says that says something."""
    return next((tags[name][0] for name in names if name in tags), "")


def _authors(tags: dict[str, list[str]]) -> Iterator[str]:
    named = tags.get("citation_author") or [
        name.strip() for names in tags.get("citation_authors", ()) for name in names.split(";")
    ]
    for name in named:
        last, comma, first = name.partition(", ")
        whole = f"{first} {last}" if comma and "," not in first else name
        if whole.strip():
            yield whole.strip()


def _day(written: str) -> datetime | None:
    found = _DATE.match(written)
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC) if found else None
    except ValueError:
        return None

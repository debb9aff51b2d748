"""The web page of one paper: its canonical URL, and the entry that its meta tags describe.

The tags are citation_…, as Google Scholar asks for them, else those of Open Graph:
scholar.google.com/intl/en/scholar/inclusion.html, "Indexing guidelines"; ogp.me.
"""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from ipaddress import ip_address
from urllib.parse import quote, urlsplit, urlunsplit

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.parsing import ParseError, doi_in, html_to_text, web_url

_MAX_BYTES = 1_000_000  # meta tags are at the beginning of a page
_MAX_TAGS = 2_000
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?!\d)")

_MAX_URL = 500  # characters

_DOI_HOSTS = {"doi.org", "www.doi.org", "dx.doi.org"}
_DOI = re.compile(r"(?:doi:\s*)?10\.\d{4,9}/\S+", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d|0x)[a-z0-9-]{2,63}")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".onion")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_UNQUOTED = "/:?#[]@!$&'()*+,;=%~"


def canonical_url(written: str) -> str:
    """`https://arxiv.org/abs/2504.17830`, `https://doi.org/10.1101/…` or the page's own URL; "" if it is not valid.

    A URL may not have credentials, an IP address, or a host that is local or has no domain.
    """
    written = written.strip()
    if len(written) > _MAX_URL:
        return ""
    if arxiv.is_arxiv_id(written):
        arxiv_id, _ = arxiv.arxiv_id_in(written.replace(" ", ""))
        return arxiv.abs_url(arxiv_id) if arxiv_id else ""
    if _DOI.fullmatch(written):
        return _doi_url(doi_in(written))
    return "" if _UNSAFE.search(written) else _page_url(written)


def _page_url(written: str) -> str:
    try:
        parts = urlsplit(written)
        host = (parts.hostname or "").encode("idna").decode("ascii").rstrip(".")
        port = parts.port
    except ValueError:  # also a UnicodeError, which is one
        return ""
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"} or "@" in parts.netloc or not _is_public_name(host):
        return ""
    if host in arxiv.HOSTS and (arxiv_id := arxiv.arxiv_id_in(parts.path)[0]):
        return arxiv.abs_url(arxiv_id)
    if host in _DOI_HOSTS and (doi := doi_in(parts.path)):
        return _doi_url(doi)
    netloc = host if port in {None, {"http": 80, "https": 443}[scheme]} else f"{host}:{port}"
    path, query = (quote(part, safe=_UNQUOTED) for part in (parts.path or "/", parts.query))
    url = urlunsplit((scheme, netloc, path, query, ""))
    return url if len(url) <= _MAX_URL else ""


def _doi_url(doi: str) -> str:
    """The URL of a DOI, or of the arXiv paper that it names."""
    if doi and (arxiv_id := arxiv.arxiv_id_in(doi)[0]):
        return arxiv.abs_url(arxiv_id)
    url = f"https://doi.org/{quote(doi, safe=_UNQUOTED)}"
    return url if doi and len(url) <= _MAX_URL else ""


def _is_public_name(host: str) -> bool:
    """Whether the host looks like a name in the public DNS. Its addresses are checked when it is fetched."""
    try:
        ip_address(host)
    except ValueError:
        return _HOST.fullmatch(host) is not None and not host.endswith(_LOCAL_SUFFIXES)
    return False


def parse(body: bytes, *, url: str) -> Entry:
    """Parse the paper that the web page at `url` describes. Raises ParseError if the page names no title."""
    charset = _CHARSET.search(body[:4096])
    try:
        text = body[:_MAX_BYTES].decode(charset[1].decode("ascii") if charset else "utf-8", "replace")
    except LookupError:
        text = body[:_MAX_BYTES].decode("utf-8", "replace")
    reader = _MetaTags()
    reader.feed(text)
    tags = reader.found
    title = _first(tags, "citation_title", "og:title", "dc.title")
    if not title:
        raise ParseError("the page names no title (citation_title, og:title)")
    date = _DATE.match(_first(tags, "citation_date", "citation_publication_date", "citation_online_date"))
    try:
        published_at = datetime(int(date[1]), int(date[2]), int(date[3]), tzinfo=UTC) if date else None
    except ValueError:
        published_at = None
    listed = [name for names in tags.get("citation_authors", ()) for name in names.split(";")]
    authors: dict[str, None] = {}  # each once
    for name in tags.get("citation_author") or listed:
        last, comma, first = name.strip().partition(", ")
        whole = f"{first} {last}" if comma and "," not in first else name  # `Author, Ada` is Ada Author
        if whole.strip():
            authors[whole.strip()] = None
    return Entry(
        guid=url,
        title=title,
        abstract=_first(tags, "citation_abstract", "dc.description", "og:description", "description"),
        authors=tuple(authors),
        url=url,
        pdf_url=web_url(_first(tags, "citation_pdf_url")),
        arxiv_id=arxiv.arxiv_id_in(_first(tags, "citation_arxiv_id"))[0],
        doi=doi_in(_first(tags, "citation_doi", "dc.identifier")) or doi_in(url),
        published_at=published_at,
    )


class _MetaTags(HTMLParser):
    """Collects the contents of a page's meta tags by name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, list[str]] = {}
        self._count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by HTMLParser."""
        if tag != "meta" or self._count >= _MAX_TAGS:
            return
        self._count += 1
        attributes = dict(attrs)
        name, content = attributes.get("name") or attributes.get("property"), attributes.get("content")
        if name and content and (text := html_to_text(content)):
            self.found.setdefault(name.lower(), []).append(text)


def _first(tags: dict[str, list[str]], *names: str) -> str:
    """The content of the first of these names that the page has, or ""."""
    return next((tags[name][0] for name in names if name in tags), "")

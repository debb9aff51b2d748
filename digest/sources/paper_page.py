"""The web page of one paper: its canonical URL, and the entry that its meta tags describe.

The tags are citation_…, as Google Scholar asks for them, else those of Open Graph:
scholar.google.com/intl/en/scholar/inclusion.html, "Indexing guidelines"; ogp.me.
"""

import re
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit, urlunsplit

from digest.models import Entry
from digest.sources import arxiv, html_page
from digest.sources.parsing import ParseError, doi_in, html_to_text, web_url

_DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})(?!\d)")

_MAX_URL = 500  # characters

_DOI_HOSTS = {"doi.org", "www.doi.org", "dx.doi.org"}
_DOI = re.compile(r"(?:doi:\s*)?10\.\d{4,9}/\S+", re.IGNORECASE)
# A name in the public DNS: no IP address, as the last label does not begin with a digit.
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
    if scheme not in {"http", "https"} or "@" in parts.netloc:
        return ""
    if not _HOST.fullmatch(host) or host.endswith(_LOCAL_SUFFIXES):  # its addresses are checked when it is fetched
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
    """Return the URL of a DOI, or of the arXiv paper that it names."""
    if doi and (arxiv_id := arxiv.arxiv_id_in(doi)[0]):
        return arxiv.abs_url(arxiv_id)
    url = f"https://doi.org/{quote(doi, safe=_UNQUOTED)}"
    return url if doi and len(url) <= _MAX_URL else ""


def parse(body: bytes, *, url: str) -> Entry:
    """Parse the paper that the web page at `url` describes. Raises ParseError if the page names no title."""
    tags: dict[str, list[str]] = {}  # contents of meta tags by name
    for _, attributes in html_page.read_tags(body, {"meta"}):
        name = attributes.get("name") or attributes.get("property")
        if name and (content := html_to_text(attributes.get("content", ""))):
            tags.setdefault(name.lower(), []).append(content)
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


def _first(tags: dict[str, list[str]], *names: str) -> str:
    """Return the content of the first of these names that the page has, or ""."""
    return next((tags[name][0] for name in names if name in tags), "")

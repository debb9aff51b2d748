"""The canonical URL of a paper that a reader proposes as a URL, an arXiv id or a DOI. Pure."""

import re
from ipaddress import ip_address
from urllib.parse import quote, urlsplit, urlunsplit

from digest.sources import arxiv
from digest.sources.parsing import doi_in

MAX_URL = 500  # characters

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
    if len(written) > MAX_URL:
        return ""
    if arxiv.is_arxiv_id(written):
        return _arxiv_url(arxiv.arxiv_id_in(written.replace(" ", ""))[0])
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
        return _arxiv_url(arxiv_id)
    if host in _DOI_HOSTS and (doi := doi_in(parts.path)):
        return _doi_url(doi)
    netloc = host if port in {None, {"http": 80, "https": 443}[scheme]} else f"{host}:{port}"
    path, query = (quote(part, safe=_UNQUOTED) for part in (parts.path or "/", parts.query))
    url = urlunsplit((scheme, netloc, path, query, ""))
    return url if len(url) <= MAX_URL else ""


def _arxiv_url(arxiv_id: str) -> str:
    return arxiv.abs_url(arxiv_id) if arxiv_id else ""


def _doi_url(doi: str) -> str:
    """The URL of a DOI, or of the arXiv paper that it names."""
    if doi and (arxiv_id := arxiv.arxiv_id_in(doi)[0]):
        return _arxiv_url(arxiv_id)
    url = f"https://doi.org/{quote(doi, safe=_UNQUOTED)}"
    return url if doi and len(url) <= MAX_URL else ""


def _is_public_name(host: str) -> bool:
    """Whether the host looks like a name in the public DNS. Its addresses are checked when it is fetched."""
    try:
        ip_address(host)
    except ValueError:
        return _HOST.fullmatch(host) is not None and not host.endswith(_LOCAL_SUFFIXES)
    return False

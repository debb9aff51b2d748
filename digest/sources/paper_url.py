"""What readers propose: an address or an id as they write it, to the one canonical URL of the paper. Pure."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from digest.sources import arxiv
from digest.sources.parsing import doi_in

MAX_URL = 500  # characters

_DOI_HOSTS = {"doi.org", "www.doi.org", "dx.doi.org"}
_ARXIV_ID = re.compile(r"(?:arxiv:\s*)?(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_DOI = re.compile(r"(?:doi:\s*)?10\.\d{4,9}/\S+", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d|0x)[a-z0-9-]{2,63}")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_LEFT_AS_IT_IS = "/:?#[]@!$&'()*+,;=%~"


def canonical_url(written: str) -> str:
    """`https://arxiv.org/abs/2504.17830`, `https://doi.org/10.1101/…` or the web address itself; "" for what is none.

    An address may not hold credentials, nor name a host by its number, inside our own network or without a domain.
    """
    written = written.strip()
    if len(written) > MAX_URL:
        return ""
    if _ARXIV_ID.fullmatch(written):
        return _of_arxiv(arxiv.arxiv_id_in(written.replace(" ", ""))[0])
    if _DOI.fullmatch(written):
        return _of_doi(doi_in(written))
    return "" if _UNSAFE.search(written) else _of_address(written)


def _of_address(written: str) -> str:
    try:
        parts = urlsplit(written)
        host = (parts.hostname or "").encode("idna").decode("ascii").rstrip(".")
        port = parts.port
    except ValueError:  # UnicodeError is one
        return ""
    if parts.scheme.lower() not in {"http", "https"} or "@" in parts.netloc or not _is_public(host):
        return ""
    return _canonical(parts, host, port)


def _canonical(parts: SplitResult, host: str, port: int | None) -> str:
    if host in arxiv.HOSTS and (arxiv_id := arxiv.arxiv_id_in(parts.path)[0]):
        return _of_arxiv(arxiv_id)
    if host in _DOI_HOSTS and (doi := doi_in(parts.path)):
        return _of_doi(doi)
    scheme = parts.scheme.lower()
    place = host if port in {None, {"http": 80, "https": 443}[scheme]} else f"{host}:{port}"
    path, query = (quote(part, safe=_LEFT_AS_IT_IS) for part in (parts.path or "/", parts.query))
    url = urlunsplit((scheme, place, path, query, ""))
    return url if len(url) <= MAX_URL else ""


def _of_arxiv(arxiv_id: str) -> str:
    return f"https://arxiv.org/abs/{arxiv_id}" if arxiv_id else ""


def _of_doi(doi: str) -> str:
    if doi and (arxiv_id := arxiv.arxiv_id_in(doi)[0]):
        return _of_arxiv(arxiv_id)
    url = f"https://doi.org/{quote(doi, safe=_LEFT_AS_IT_IS)}"
    return url if doi and len(url) <= MAX_URL else ""


def _is_public(host: str) -> bool:
    """Whether it is written as a name in the public DNS is; what it stands for is looked at when it is fetched."""
    try:
        ip_address(host)
    except ValueError:
        local = host.endswith((".localhost", ".local", ".internal", ".localdomain", ".home.arpa", ".onion"))
        return _HOST.fullmatch(host) is not None and not local
    return False

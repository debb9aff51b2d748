"""Where papers come from: bytes in, Entries out.

Each kind of source is one file with `parse(body) -> list[Entry]`, entered in KINDS below.
"""

from collections.abc import Callable, Mapping

from digest.errors import NotFoundError, SourceError
from digest.models import Entry
from digest.sources import arxiv, feed, huggingface, paper_page, text
from digest.sources.fetch import Fetched, Fetcher
from digest.sources.parsing import ParseError, clean_entry

KINDS: Mapping[str, Callable[[bytes], list[Entry]]] = {
    "feed": feed.parse,
    "arxiv": arxiv.parse,
    "huggingface": huggingface.parse,
    "text": text.parse,
}

__all__ = ["KINDS", "Fetched", "Fetcher", "arxiv", "detect_kind", "fetch_paper", "parse", "parse_page"]


def parse(kind: str, body: bytes, *, source: str) -> list[Entry]:
    """Return the entries in `body`, in its order.

    Raises SourceError, naming `source`, if `body` cannot be parsed, and NotFoundError if there is no such kind.
    """
    if kind not in KINDS:
        raise NotFoundError("kind of source", kind, KINDS)
    try:
        return [clean_entry(entry) for entry in KINDS[kind](body)]
    except ParseError as error:
        raise SourceError(source, str(error)) from None


def parse_page(body: bytes, *, url: str, source: str) -> Entry:
    """Return the paper that the web page at `url` describes. Raises SourceError, naming `source`."""
    try:
        return clean_entry(paper_page.parse(body, url=url))
    except ParseError as error:
        raise SourceError(source, str(error)) from None


def fetch_paper(fetcher: Fetcher, url: str, *, source: str, arxiv_api: str = arxiv.API) -> Entry:
    """Fetch the paper at a canonical URL, from arXiv's API or from the page itself. Raises SourceError."""
    arxiv_id = arxiv.id_of_url(url)
    if not arxiv_id:
        return parse_page(fetcher.fetch(source, url).body or b"", url=url, source=source)
    body = fetcher.fetch(source, f"{arxiv_api}?id_list={arxiv_id}").body or b""
    entries = [entry for entry in parse("arxiv", body, source=source) if entry.arxiv_id == arxiv_id]
    if not entries:
        raise SourceError(source, f"arXiv has no paper {arxiv_id}")
    return entries[0]


def detect_kind(body: bytes) -> str:
    """Return the kind of source that `body` looks like."""
    begin = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin == b"<":
        return "feed"
    return "huggingface" if begin in {b"[", b"{"} else "text"

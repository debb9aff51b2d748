"""Where papers come from: bytes in, Entries out. One file a kind; each has `parse(body) -> list[Entry]`."""

from collections.abc import Callable, Mapping

from digest.errors import NotFoundError, SourceError
from digest.models import Entry
from digest.sources import arxiv, feed, huggingface, page, text
from digest.sources.fetch import Fetched, Fetcher
from digest.sources.readable import readable
from digest.sources.unreadable import UnreadableError

KINDS: Mapping[str, Callable[[bytes], list[Entry]]] = {
    "feed": feed.parse,
    "arxiv": arxiv.parse,
    "huggingface": huggingface.parse,
    "text": text.parse,
}

__all__ = ["KINDS", "Fetched", "Fetcher", "parse", "parse_page", "recognise"]


def parse(kind: str, body: bytes, *, source: str) -> list[Entry]:
    """The entries that `body` holds, in its order. Raises SourceError, naming `source`, or NotFoundError for a kind."""
    if kind not in KINDS:
        raise NotFoundError("kind of source", kind, KINDS)
    try:
        return [readable(entry) for entry in KINDS[kind](body)]
    except UnreadableError as error:
        raise SourceError(source, str(error)) from None


def parse_page(body: bytes, *, url: str, source: str) -> Entry:
    """The paper that the web page at `url` shows. Raises SourceError, naming `source`."""
    try:
        return readable(page.parse(body, url=url))
    except UnreadableError as error:
        raise SourceError(source, str(error)) from None


def recognise(body: bytes) -> str:
    """The kind of source that `body` looks like."""
    begin = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin == b"<":
        return "feed"
    return "huggingface" if begin in {b"[", b"{"} else "text"

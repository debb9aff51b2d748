"""The kinds of sources. Each is one file with `parse(body) -> list[Entry]`, entered in KINDS below."""

from collections.abc import Callable, Mapping

from digest.errors import NotFoundError, SourceError
from digest.models import Entry
from digest.sources import arxiv, feed, html_page, huggingface, paper_page, text
from digest.sources.parsing import ParseError, clean_entry

KINDS: Mapping[str, Callable[[bytes], list[Entry]]] = {
    "feed": feed.parse,
    "arxiv": arxiv.parse,
    "huggingface": huggingface.parse,
    "text": text.parse,
}
_MAX_ENTRIES = 10_000  # of one answer


def parse(kind: str, body: bytes, *, source: str, url: str = "") -> list[Entry]:
    """Return the entries in `body`, in its order. `url` is where it came from.

    Raises SourceError, naming `source`, if `body` cannot be parsed, and NotFoundError if there is no such kind.
    """
    if kind not in KINDS:
        raise NotFoundError("kind of source", kind, KINDS)
    if html_page.is_page(body):
        linked = html_page.find_linked_feed(body, url)
        hint = f"the feed that it links is {linked}" if linked else "look for the feed's own address"
        raise SourceError(source, f"the answer is a web page, not a feed; {hint}")
    try:
        found = KINDS[kind](body)
    except ParseError as error:
        raise SourceError(source, str(error)) from None
    if len(found) > _MAX_ENTRIES:
        raise SourceError(source, f"the answer has {len(found)} entries, and {_MAX_ENTRIES} are the most that are read")
    return [clean_entry(entry) for entry in found]


def parse_page(body: bytes, *, url: str, source: str) -> Entry:
    """Return the paper that the web page at `url` describes. Raises SourceError, naming `source`."""
    try:
        return clean_entry(paper_page.parse(body, url=url))
    except ParseError as error:
        raise SourceError(source, str(error)) from None


def detect_kind(body: bytes) -> str:
    """Return the kind of source that `body` looks like."""
    begin = body[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin == b"<":
        return "feed"
    return "huggingface" if begin in {b"[", b"{"} else "text"

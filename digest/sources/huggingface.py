"""Hugging Face's api/daily_papers. Its schema has changed three times, and nearly every field may be missing."""

import json
from datetime import UTC, datetime
from typing import Any

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.parsing import ParseError, plain_text, web_url

_MAX_DIGITS = 20


def parse(body: bytes) -> list[Entry]:
    """Parse the papers of a day. Raises ParseError if the answer is not a list of papers."""
    try:
        # -1 is no count. int() refuses 5,000 digits.
        items = json.loads(body, parse_int=lambda digits: int(digits) if len(digits) <= _MAX_DIGITS else -1)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the answer is not JSON: {error}") from None
    if not isinstance(items, list):
        message = items.get("error", "") if isinstance(items, dict) else ""
        raise ParseError(f"the answer is not a list of papers{': ' + plain_text(str(message)) if message else ''}")
    found = [entry for item in items if (entry := _entry(_record(item))) is not None]
    if items and not found:
        raise ParseError(f"none of its {len(items)} items has a paper with an id and a title")
    return found


def _entry(item: dict[str, Any]) -> Entry | None:
    """Return the entry of one item, or None if it has no id or no title."""
    paper = _record(item.get("paper"))
    paper_id, title = _text(paper, "id"), _text(paper, "title") or _text(item, "title")
    if not paper_id or not title:
        return None
    authors = paper.get("authors")
    arxiv_id = arxiv.arxiv_id_in(paper_id)[0]
    page_url = f"https://huggingface.co/papers/{paper_id}"
    try:
        published = datetime.fromisoformat(_text(paper, "publishedAt"))
        published_at = published.replace(tzinfo=UTC) if published.tzinfo is None else published.astimezone(UTC)
    except (ValueError, OverflowError):  # the year 1 in a time zone east of UTC began before the first date
        published_at = None
    return Entry(
        guid=f"huggingface:{paper_id}",
        title=title,
        abstract=_text(paper, "summary") or _text(item, "summary"),
        authors=tuple(
            name
            for author in (authors if isinstance(authors, list) else ())
            if (name := _text(_record(author), "name"))
        ),
        url=arxiv.abs_url(arxiv_id) if arxiv_id else page_url,
        pdf_url=arxiv.pdf_url(arxiv_id) if arxiv_id else "",
        code_url=web_url(_text(paper, "githubRepo")),
        discussion_url=page_url,
        arxiv_id=arxiv_id,
        published_at=published_at,
        upvotes=_count(paper.get("upvotes")),
        stars=_count(paper.get("githubStars")),
    )


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return plain_text(value) if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

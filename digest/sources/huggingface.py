"""Hugging Face's api/daily_papers. Its schema has grown three times and nearly every field may be missing."""

import json
from datetime import UTC, datetime
from typing import Any

from digest.models import Entry
from digest.sources import arxiv
from digest.sources.feed import web_url
from digest.sources.parsing import ParseError, plain_text


def parse(body: bytes) -> list[Entry]:
    """The papers of a day. Raises ParseError if the answer is not such a list."""
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"the answer is not JSON: {error}") from None
    if not isinstance(items, list):
        told = items.get("error", "") if isinstance(items, dict) else ""
        raise ParseError(f"the answer is not a list of papers{': ' + plain_text(str(told)) if told else ''}")
    found = [entry for item in items if (entry := _entry(item)) is not None]
    if items and not found:
        raise ParseError(f"none of its {len(items)} items has a paper with an id and a title")
    return found


def _entry(item: Any) -> Entry | None:
    paper = _record(_record(item).get("paper"))
    paper_id, title = _text(paper, "id"), _text(paper, "title") or _text(_record(item), "title")
    if not paper_id or not title:
        return None
    arxiv_id = arxiv.arxiv_id_in(paper_id)[0]
    return Entry(
        guid=f"huggingface:{paper_id}",
        title=title,
        abstract=_text(paper, "summary") or _text(_record(item), "summary"),
        authors=tuple(name for author in _list(paper.get("authors")) if (name := _text(_record(author), "name"))),
        url=arxiv.abs_url(arxiv_id) if arxiv_id else f"https://huggingface.co/papers/{paper_id}",
        pdf_url=arxiv.pdf_url(arxiv_id) if arxiv_id else "",
        code_url=web_url(_text(paper, "githubRepo")),
        discussion_url=f"https://huggingface.co/papers/{paper_id}",
        arxiv_id=arxiv_id,
        published_at=_moment(_text(paper, "publishedAt")),
        upvotes=_count(paper.get("upvotes")),
        stars=_count(paper.get("githubStars")),
    )


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return plain_text(value) if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

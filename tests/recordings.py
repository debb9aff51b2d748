"""Real papers and real topics, from the recordings beside the project."""

import csv
import json
from collections.abc import Iterator
from random import Random

from digest.models import Entry, Paper
from digest.sources.identity import paper_of
from digest.sources.parsing import clean_entry, plain_text
from tests.builders import RECORDINGS

LISTINGS = RECORDINGS / "arxiv" / "listings"
DAYS = tuple(f"2026-06-{day:02}" for day in range(1, 13))


def papers_of(day: str) -> list[Paper]:
    """The papers announced on one of DAYS, each once, readable as at ingest."""
    with (LISTINGS / f"{day}.jsonl").open(encoding="utf-8") as lines:
        entries = [_entry(json.loads(line)) for line in lines]
    return list({e.guid: paper_of(clean_entry(e), f"arxiv:{e.guid}") for e in entries}.values())


def rule_lists(count: int, *, lines: int, seed: int = 1) -> Iterator[str]:
    """Rules of `count` profiles, each of so many of the topics that people gave."""
    with (RECORDINGS / "profiles" / "arXivDigest_topics.csv").open(encoding="utf-8") as rows:
        topics = [
            topic for row in csv.reader(rows) if (topic := plain_text(row[0])) and topic.replace(" ", "").isalpha()
        ]
    random = Random(seed)
    for _ in range(count):
        yield "\n".join(random.sample(topics, lines))


def _entry(record: dict[str, object]) -> Entry:
    return Entry(
        guid=str(record["id"]),
        title=plain_text(str(record["title"])),
        abstract=plain_text(str(record["summary"])),
        authors=tuple(plain_text(name) for name in record["authors"]),  # type: ignore[attr-defined]
        categories=tuple(record["categories"]),  # type: ignore[arg-type]
        url=str(record["abs"]),
        pdf_url=str(record["pdf"]),
    )

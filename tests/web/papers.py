"""Papers that pages show."""

from datetime import date, datetime, timedelta
from typing import Any

from digest.app import App
from digest.matching import compile_rules
from digest.models import Entry, Paper
from digest.store import papers, profiles
from tests.builders import NOW, a_paper, at

HOSTILE = Paper(
    id="doi:10.1/<b>\"'&?#%",
    title='</title><script>alert(1)</script> "{{ 7*7 }}" ]]> مرحبا \x00\x0b\x1b\u202e\u2066\ufeff\ufffe\uffff\ufdd0 <x',
    abstract="<p>]]> &nbsp; <!-- \\ { } $x$ %\nER  - \r\nTY  - JOUR\r\n@misc{a, title = {b}}",
    authors=("<b>A</b> and B", "x, y, z\r\nAU  - z", "\x00"),
    categories=("<cs.LG>", ""),
    url="javascript:alert(1)",
    pdf_url="https://x.org/'\"><script>alert(1)</script>",
    code_url="data:text/html,x",
    discussion_url="https://x.org/{}\\",
)


def publish_papers(app: App, *new: Paper, on: str = "2026-06-03") -> None:
    """Store papers in the edition of a date, first seen at seven o'clock."""
    with app.store.write() as tx:
        papers.add(tx, new, first_seen_at=at(f"{on} 07:00"), edition_on=date.fromisoformat(on))


def add_papers(app: App, *new: Paper | str, seen_at: datetime = NOW) -> None:
    """Store papers first seen at `seen_at`. A text means a paper with that title."""
    made = [paper if isinstance(paper, Paper) else a_paper(paper, f"Abstract of {paper}.") for paper in new]
    with app.store.write() as tx:
        papers.add(tx, made, first_seen_at=seen_at, edition_on=seen_at.date())


def merge_papers(app: App, younger: str, older: str) -> None:
    with app.store.write() as tx:
        papers.merge(tx, younger=younger, older=older)


def add_key(app: App, paper: Paper, key: str) -> None:
    with app.store.write() as tx:
        papers.add_keys(tx, {key: paper.id})


def record_sighting(app: App, paper: Paper, source: str, *, days_later: int = 0, **rest: Any) -> None:
    entry = Entry(guid=f"{source}/{paper.id}", title=paper.title, **rest)
    with app.store.write() as tx:
        papers.record_sightings(tx, source, [(entry, paper.id)], now=NOW + timedelta(days=days_later))


def share_profile(app: App, name: str, rules: str) -> None:
    """Add a shared profile."""
    with app.store.write() as tx:
        profiles.add(tx, name, compile_rules(rules), by="tests", now=NOW)

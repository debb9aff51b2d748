"""Papers for pages to show."""

from datetime import datetime

from digest.installation import Installation
from digest.matching import compile_rules
from digest.models import Paper
from digest.store import papers, profiles
from tests.builders import NOW, a_paper


def printed(here: Installation, *new: Paper | str, seen_at: datetime = NOW) -> None:
    """Papers that are known; of a text the paper with that title."""
    made = [paper if isinstance(paper, Paper) else a_paper(paper, f"Abstract of {paper}.") for paper in new]
    with here.store.write() as tx:
        papers.add(tx, made, first_seen_at=seen_at, edition_on=seen_at.date())


def shared_profile(here: Installation, name: str, rules: str) -> None:
    with here.store.write() as tx:
        profiles.add(tx, name, compile_rules(rules), now=NOW)

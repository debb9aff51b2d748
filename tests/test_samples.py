"""The demo's samples are correct: a feed as arXiv serves it, and five subscribers."""

import re
import tomllib
from collections import Counter
from typing import Any

import pytest

from digest.demo import PAPERS, SUBSCRIBERS
from digest.matching import parse_rules
from digest.models import AnnounceType, Entry
from digest.sources import detect_kind, parse
from digest.subscribers.fields import new_subscriber
from digest.subscribers.schedule import parse_days, parse_send_at, parse_timezone


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    body = PAPERS.read_bytes()
    return parse(detect_kind(body), body, source="samples")


@pytest.fixture(scope="module")
def people() -> dict[str, Any]:
    return tomllib.loads(SUBSCRIBERS.read_text(encoding="utf-8"))


def test_the_feed_holds_some_forty_papers_and_none_twice(entries: list[Entry]) -> None:
    assert 35 <= len(entries) <= 45
    for value in ("arxiv_id", "title", "abstract"):
        assert max(Counter(getattr(e, value) for e in entries).values()) == 1


def test_every_sample_paper_is_described_as_in_a_real_feed(entries: list[Entry]) -> None:
    for e in entries:
        assert e.url == f"https://arxiv.org/abs/{e.arxiv_id}"
        assert 60 <= len(e.abstract.split()) <= 140, e.title
        assert e.authors
        assert all(re.fullmatch(r"[a-z-]+(\.[A-Za-z-]{2,})?", category) for category in e.categories)
    assert {e.announce_type for e in entries} == set(AnnounceType)


@pytest.mark.parametrize("awkward", ["p < 0.05", r"$O(n \log n)$", "Schrödinger", r"Schr\"odinger", " & "])
def test_the_feed_holds_what_is_awkward_in_real_ones(entries: list[Entry], awkward: str) -> None:
    texts = [text for e in entries for text in (e.title, e.abstract, e.title_source, e.abstract_source, *e.authors)]
    assert any(awkward in text for text in texts)


def test_readers_see_none_of_its_latex(entries: list[Entry]) -> None:
    assert [e.title for e in entries if "$" in e.title + e.abstract or "\\" in e.title + e.abstract] == []


def test_the_people_are_five_with_profiles_that_exist_and_rules_that_can_be_read(people: dict[str, Any]) -> None:
    followed = {name for person in people["subscriber"] for name in person["profiles"]}
    assert followed == {profile["name"] for profile in people["profile"]}
    assert len({person["email"] for person in people["subscriber"]}) == 5
    for person in people["subscriber"]:
        parse_timezone(person["timezone"])
        parse_send_at(person["send_at"])
        parse_days(person["days"])
        new = new_subscriber(person["email"], timezone="UTC", language="en", confirmed=True)
        assert new.email.endswith("@example.org")
        assert person["profiles"] or parse_rules(person["rules"])

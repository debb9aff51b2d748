"""Recorded answers of real sources are parsed completely."""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from digest.errors import SourceError
from digest.models import Entry
from digest.sources import detect_kind, identity, parse
from tests.builders import RECORDINGS, at, needs_recordings

pytestmark = needs_recordings


def read(path: str) -> list[Entry]:
    body = (RECORDINGS / path).read_bytes()
    return parse(detect_kind(body), body, source=path)


def api(name: str) -> bytes:
    (file,) = (RECORDINGS / "arxiv/api").glob(f"{name}_*.json")
    return str(json.loads(file.read_text(encoding="utf-8"))["body"]).encode()


def test_a_complete_day_of_arxiv() -> None:
    entries = read("arxiv/rss/quant-ph_2025-04-28.rss.xml")
    assert Counter(e.announce_type.value for e in entries) == {
        "new": 40,
        "cross": 10,
        "replace": 22,
        "replace-cross": 9,
    }
    assert len(identity.reconcile(entries, {}).new) == 81
    first = entries[0]
    assert (first.arxiv_id, first.arxiv_version, first.authors) == ("2504.17830", 1, ("Radmir Kokoulin",))
    assert first.abstract.startswith("We introduce a self-adjoint time operator \\(T_w")
    assert (first.url, first.pdf_url) == ("https://arxiv.org/abs/2504.17830", "https://arxiv.org/pdf/2504.17830")
    assert first.published_at == at("2025-04-28 04:00")
    assert entries[1].categories == ("quant-ph", "physics.comp-ph")
    assert all(e.abstract and e.authors and e.categories and "Announce" not in e.abstract for e in entries)


def test_an_empty_feed_is_not_an_error() -> None:
    assert read("arxiv/rss/cs_2025-11-23_sunday_empty.atom.xml") == []


def test_a_feed_without_an_xml_declaration() -> None:
    entries = read("arxiv/rss/cs_lg_2026-04-27_trimmed.rss.xml")
    assert len(entries) == 3
    assert "visual resolution & stride" in entries[0].abstract


def test_answers_of_the_api() -> None:
    assert len(parse("feed", api("q_testing_s0"), source="api")) == 100
    assert parse("arxiv", api("id_0000.0000"), source="api") == []
    (zero,) = parse("arxiv", api("id_2104.12255v1"), source="api")
    assert (zero.title, zero.arxiv_id, zero.categories) == ("0", "2104.12255", ("cs.CR",))
    (old,) = parse("arxiv", api("id_astro-ph_0601001"), source="api")
    assert (old.arxiv_id, old.authors[:2]) == ("astro-ph/0601001", ("Andrew Gould", "Susan Dorsher"))


def test_an_error_that_is_served_as_a_feed_is_an_error() -> None:
    with pytest.raises(SourceError, match="api: arXiv says: incorrect id format for abc"):
        parse("feed", api("id_abc"), source="api")


@pytest.mark.parametrize(
    ("day", "papers"),
    [("2024-05-27", 13), ("2025-03-03", 7), ("2026-06-01", 49), ("2026-06-03", 23), ("2026-06-12", 35)],
)
def test_three_generations_of_daily_papers(day: str, papers: int) -> None:
    entries = read(f"huggingface/{day}.json")
    assert len(entries) == papers
    assert all(e.title and e.abstract and e.authors and e.arxiv_id and e.upvotes is not None for e in entries)


def test_code_and_stars_are_known_where_the_source_says_them() -> None:
    entries = read("huggingface/2026-06-01.json")
    assert any(e.stars for e in entries)
    assert all(e.code_url.startswith("https://") for e in entries if e.stars)


def test_the_hand_made_list() -> None:
    entries = read("seed/daily-papers-sep-11.txt")
    assert len(entries) == 91
    assert entries[0].title.startswith("Not All Prompts Are Made Equal")
    assert entries[0].abstract.startswith("Text-to-image (T2I)")
    assert max(len(e.title) for e in entries) < 200 < min(len(e.abstract) for e in entries)


def test_the_same_paper_from_two_sources_is_one() -> None:
    today = read("huggingface/2026-06-01.json")
    both = identity.reconcile([*today, *today, *read("huggingface/2026-06-02.json")], {})
    assert len(both.new) == len({e.arxiv_id for e in today} | {e.arxiv_id for e in read("huggingface/2026-06-02.json")})


FAULTS = RECORDINGS.parent / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason=f"the small inputs that went wrong are not at {FAULTS}")


@needs_faults
def test_small_feeds_that_once_ended_the_ingest_have_the_right_values() -> None:
    (ieee,) = read("../faults/feed-ieee-authors.xml")
    assert ieee.authors == ("Ann Alpha", "Bob Beta")
    (identifier,) = read("../faults/feed-dc-identifier-attribute.xml")
    assert identifier.doi == "10.1000/ex.1"
    titles = [entry.title for entry in read("../faults/feed-one-bad-byte.xml")]
    assert titles == ["Étude — naïve Schrödinger 猫 “quoted”", "Another caf\ufffd"]


@needs_faults
@pytest.mark.parametrize("file", sorted(FAULTS.glob("feed-*")), ids=lambda file: file.name)
def test_no_small_feed_is_more_than_its_sources_failure(file: Path) -> None:
    with suppress(SourceError):
        assert read(f"../faults/{file.name}")

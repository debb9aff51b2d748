"""digest match: rules tried on papers."""

import json
from pathlib import Path

import pytest

from tests.builders import RECORDINGS, needs_recordings
from tests.commandline import Cli


def test_stored_papers_are_matched_best_first_with_the_evidence(cli: Cli) -> None:
    cli.write_papers("A study of dogs and one cat", "A study of cats and their catnip")
    cli.ok("ingest")
    ran = cli.ok("match", "cat ^2\ncatnip", "--json")
    assert [(r["title"], r["score"]) for r in ran.records] == [
        ("A study of cats and their catnip", 7.1699),  # of two papers, cat is in both: 1, catnip in one: 1.6
        ("A study of dogs and one cat", 4.0),
    ]
    assert [(r["rule"], r["score"], r["in_title"]) for r in ran.records[0]["reasons"]] == [
        ("cat", 4.0, True),
        ("catnip", 3.1699, True),
    ]
    assert ran.records[1]["evidence"][0] == {"rule": "cat", "field": "title", "start": 24, "end": 27, "text": "cat"}
    assert ran.err == "2 of 2 papers match\n"


def test_people_get_a_table(cli: Cli) -> None:
    cli.ok("ingest")
    ran = cli.ok("match", "cat")
    assert "A study of cats" in ran.out
    assert "cat in the title 3.2" in ran.out


def test_nothing_found_is_no_failure(cli: Cli) -> None:
    cli.ok("ingest")
    ran = cli.ok("match", "horse")
    assert (ran.out, ran.err) == ("", "0 of 2 papers match\n")


def test_days_limit_the_stored_papers(cli: Cli) -> None:
    cli.ok("ingest", "--now", "2020-01-01T00:00:00Z")
    assert (
        cli.ok("match", "cat").err == "0 of 0 papers match; no papers in the last 7 days, --days looks further back\n"
    )
    assert cli.ok("match", "cat", "--days", "36500").err == "1 of 2 papers match\n"


def test_a_feed_needs_no_configuration(bare: Cli) -> None:
    bare.write_papers("A study of cats", "A study of dogs")
    assert bare.ok("match", "-", "--feed", "papers.txt", "--json", stdin="dog").record["title"] == "A study of dogs"
    assert sorted(f.name for f in bare.folder.iterdir()) == ["papers.txt"]


def test_papers_of_several_feeds_are_counted_once(bare: Cli) -> None:
    bare.write_papers("A study of cats", "A study of dogs")
    (bare.folder / "more.json").write_text(json.dumps([{"paper": {"id": "2606.00001", "title": "The cat"}}]))
    feeds = ["--feed", "papers.txt", "--feed", "more.json", "--feed", "papers.txt"]
    assert bare.ok("match", "cat", *feeds).err == "2 of 3 papers match\n"


def test_a_feed_that_cannot_be_read_is_a_warning_unless_it_is_the_only_one(bare: Cli) -> None:
    bare.write_papers("A study of cats", "A study of dogs")
    ran = bare.ok("match", "cat", "--feed", "papers.txt", "--feed", "gone.xml")
    assert "warning: gone.xml: " in ran.err
    ran = bare("match", "cat", "--feed", "gone.xml")
    assert ran.code == 1
    assert ran.err.endswith("error: no feed could be read\n")


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ("rss.example.org/atom/cs.LG", "for a web address, write https://rss.example.org/atom/cs.LG"),
        ("page.html", "the answer is a web page, not a feed; the feed that it links is https://example.org/feed.xml"),
        ("https://[x/", "https://[x/ is not a valid address: Invalid IPv6 URL"),
    ],
)
def test_a_feed_with_a_wrong_address_is_refused_with_what_to_write(bare: Cli, feed: str, said: str) -> None:
    link = '<link rel="alternate" type="application/rss+xml" href="https://example.org/feed.xml">'
    (bare.folder / "page.html").write_text(f"<!doctype html>{link}", encoding="utf-8")
    ran = bare("match", "cat", "--feed", feed)
    assert ran.code == 1
    first, last = ran.err.splitlines()
    assert first.endswith(said)
    assert last == "error: no feed could be read"


def test_the_configurations_fetch_settings_hold_for_feeds_too(cli: Cli) -> None:
    cli.configure("[fetch]\nallow_privat = []\n")
    assert cli("match", "cat", "--feed", "papers.txt").code == 2


def test_a_bad_rule_is_refused_before_anything_is_read(bare: Cli) -> None:
    ran = bare("match", "cat AND", "--feed", "gone.xml")
    assert ran.code == 2
    assert ran.err.startswith("error: line 1, column 8: ")


SEED = RECORDINGS / "seed" / "daily-papers-sep-11.txt"


@needs_recordings
def test_it_finds_in_a_real_list_what_a_person_would_find(bare: Cli) -> None:
    ran = bare.ok("match", 'quantiz* OR "low precision"', "--feed", str(SEED), "--json")
    assert [r["title"].partition(":")[0] for r in ran.records] == [
        "A Survey of Quantization Methods for Efficient Neural Network Inference",
        "Low-Precision Training of Large Language Models",
        "From PEFT to DEFT",
        "Mixed Precision Training of Convolutional Neural Networks using Integer Operations",
        "Stable Code Technical Report",
        "Quartet",
    ]
    lines = SEED.read_text(encoding="utf-8").splitlines()
    for record in ran.records:
        title = next(i for i, line in enumerate(lines) if line.strip() == record["title"])
        abstract = next(line.strip() for line in lines[title + 1 :] if line.strip())
        shown = {"title": record["title"], "abstract": abstract}
        assert record["evidence"]
        for e in record["evidence"]:
            assert shown[e["field"]][e["start"] : e["end"]] == e["text"]
            assert e["text"].lower().replace("-", " ").startswith(("quantiz", "low precision"))


RECORDED = {
    "arxiv/rss/quant-ph_2025-04-28.rss.xml": "81",
    "seed/daily-papers-sep-11.txt": "91",
}


@needs_recordings
@pytest.mark.parametrize(("file", "papers"), RECORDED.items(), ids=lambda value: Path(value).name)
def test_a_feed_is_recognised_by_its_content(bare: Cli, file: str, papers: str) -> None:
    assert bare.ok("match", "zzz", "--feed", str(RECORDINGS / file)).err == f"0 of {papers} papers match\n"


@pytest.mark.parametrize("rules", ["", "# nothing", "-survey"])
def test_rules_that_can_match_nothing_are_refused(cli: Cli, rules: str) -> None:
    assert cli("match", "-", stdin=rules).code == 2


def test_a_feed_has_no_days(bare: Cli) -> None:
    ran = bare("match", "cat", "--feed", "papers.txt", "--days", "3")
    assert (ran.code, ran.err) == (2, "error: --days applies to stored papers; use either --feed or --days\n")


def test_a_time_can_be_given(cli: Cli) -> None:
    cli.ok("ingest", "--now", "2026-06-02T06:00:00Z")
    assert cli.ok("match", "cat", "--now", "2026-06-03T06:00:00Z").err == "1 of 2 papers match\n"

"""digest profile backtest."""

import json

import pytest

from digest.cli.profile import sparkline
from tests.commandline import Cli


@pytest.fixture
def ingested(cli: Cli) -> Cli:
    """Papers of two days: cats and dogs, then birds; and a profile of cats."""
    cli.ok("ingest", "--now", "2026-06-02T06:00:00Z")
    cli.write_papers("A study of birds")
    cli.ok("ingest", "--now", "2026-06-03T06:00:00Z")
    cli.ok("profile", "add", "Pets", "--rules", "cat\nintegrable hierarch")
    return cli


NOW = ("--now", "2026-06-03T07:00:00Z")


def test_a_backtest_shows_papers_per_day_and_each_rules_matches(ingested: Cli) -> None:
    ran = ingested.ok("profile", "backtest", "Pets", *NOW)
    assert "papers per day, at most 1:  02 Jun █· 03 Jun" in ran.out
    assert "1" in ran.out
    assert "33.3%" in ran.out
    assert "never matches" in ran.out
    assert ran.err == "1 of 3 papers match, 0.5 on a day with papers\n"


def test_unsaved_rules_are_compared_with_the_saved_ones(ingested: Cli) -> None:
    ran = ingested.ok("profile", "backtest", "Pets", "--rules", "dog\nbird", "--json", *NOW)
    assert [(r["day"], r["papers"], r["of"]) for r in ran.records if r["record"] == "day"] == [
        ("2026-06-02", 1, 2),
        ("2026-06-03", 1, 1),
    ]
    assert [(r["rule"], r["papers"], r["share"], r["floods"]) for r in ran.records if r["record"] == "rule"] == [
        ("dog", 1, 0.3333, True),
        ("bird", 1, 0.3333, True),
    ]
    changes = [(r["record"], r["title"]) for r in ran.records if r["record"] in {"added", "removed"}]
    assert sorted(changes) == [
        ("added", "A study of birds"),
        ("added", "A study of dogs"),
        ("removed", "A study of cats"),
    ]
    assert (
        ran.err
        == "2 of 3 papers match, 1.0 on a day with papers; 2 more than by the saved rules of 'Pets', and 1 fewer\n"
    )
    assert json.loads(ingested.ok("profile", "show", "Pets", "--json").out)["rules"].startswith("cat")


def test_the_table_shows_added_and_removed_papers(ingested: Cli) -> None:
    out = ingested.ok("profile", "backtest", "Pets", "--rules", "dog", *NOW).out
    assert "+  title:" in out
    assert "-  title:" in out


def test_only_the_given_days_are_tested(ingested: Cli) -> None:
    ran = ingested.ok("profile", "backtest", "Pets", "--days", "1", *NOW)
    assert ran.err == "0 of 1 papers match, 0.0 on a day with papers\n"


def test_nothing_stored_is_no_error(cli: Cli) -> None:
    cli.ok("profile", "add", "Pets", "--rules", "cat")
    ran = cli.ok("profile", "backtest", "Pets")
    assert (ran.out, ran.err) == ("", "no papers in the last 30 days; --days looks further back\n")


def test_bad_rules_and_unknown_profiles_are_refused(ingested: Cli) -> None:
    ran = ingested("profile", "backtest", "Pets", "--rules", "cat AND")
    assert (ran.code, ran.err) == (2, "error: line 1, column 8: expected a word, a phrase or ( before the end\n")
    assert ingested("profile", "backtest", "Pest").err == "error: no profile 'Pest'; did you mean 'Pets'?\n"


def test_rules_of_a_new_profile_can_be_tried_before_there_is_one(ingested: Cli) -> None:
    ran = ingested.ok("profile", "backtest", "New", "--rules", "dog", *NOW)
    assert ran.err == "1 of 3 papers match, 0.5 on a day with papers\n"


def test_the_table_lists_only_some_of_many_removed_papers(ingested: Cli) -> None:
    ingested.write_papers(*(f"A cat called {n}" for n in range(30)))
    ingested.ok("ingest", "--now", "2026-06-03T06:30:00Z")
    ran = ingested.ok("profile", "backtest", "Pets", "--rules", "dog", *NOW)
    assert "31 papers removed, the best 20:" in ran.out
    assert ran.out.count("title:") == 21


def test_a_profile_that_only_excludes_papers_is_refused(cli: Cli) -> None:
    ran = cli("profile", "add", "Nothing", "--rules", "-survey")
    assert ran.code == 2
    assert "only exclude papers" in ran.err


def test_a_sparkline_is_as_high_as_its_largest_value() -> None:
    assert sparkline([None, 0, 1, 4, 8, 16]) == " ·▁▂▄█"
    assert (sparkline([]), sparkline([0, None])) == ("", "· ")

"""What a profile would have found, rule by rule, and better rules for those that find nothing or too much."""

from datetime import date
from time import process_time

import pytest

from digest.matching import Search
from digest.matching.paper_collection import Findings, PaperCollection
from digest.matching.rule_stats import RuleStats, rule_stats
from digest.models import Paper
from tests.builders import a_paper, a_profile

MONDAY, TUESDAY = date(2026, 6, 1), date(2026, 6, 2)


def found(rules: str, *papers: Paper, days: list[date]) -> Findings:
    collection = PaperCollection(list(zip(papers, days, strict=True)))
    everything = collection.dated_within(date.min, date.max)
    return collection.find([a_profile(rules)], everything, counted_after=None, begin=0, limit=len(papers))


def run(rules: str, *papers: Paper) -> list[RuleStats]:
    return rule_stats(a_profile(rules), Search(papers))


def of_rule(rule: str, *papers: Paper) -> RuleStats:
    (record,) = run(rule, *papers)
    return record


def suggestion(rule: str, *titles: str) -> tuple[str, int] | None:
    """The suggestion for a rule and its number of papers, among other papers that do not matter."""
    papers = [a_paper(title) for title in titles] + [a_paper(f"nothing {n}") for n in range(20)]
    found = of_rule(rule, *papers).suggestion
    return None if found is None else (found.rule, found.papers)


def test_papers_are_counted_by_day_including_days_without_a_match() -> None:
    result = found("cat", a_paper("cat"), a_paper("dog"), a_paper("x", "cats"), days=[TUESDAY, MONDAY, TUESDAY])
    assert list(result.days.items()) == [(MONDAY, (0, 1)), (TUESDAY, (2, 2))]
    assert [item.paper.title for item in result.items] == ["cat", "x"]


def test_days_without_papers_are_included() -> None:
    thursday = date(2026, 6, 4)
    assert list(found("cat", a_paper("cat"), a_paper("x"), days=[MONDAY, thursday]).days.values()) == [
        (1, 1),
        (0, 0),
        (0, 0),
        (0, 1),
    ]


def test_each_rule_has_a_paper_count_and_a_share() -> None:
    result = run("cat\n\ndog ^2\n-bird", a_paper("cat"), a_paper("cat bird"), a_paper("dog"), a_paper("x"))
    assert [(r.line, r.rule, r.excludes, r.papers, r.share) for r in result] == [
        (1, "cat", False, 2, 0.5),
        (3, "dog", False, 1, 0.25),
        (4, "bird", True, 1, 0.25),
    ]


def test_each_rule_counts_the_papers_that_only_it_finds_or_excludes() -> None:
    papers = [a_paper("cat"), a_paper("cat dog"), a_paper("dog bird"), a_paper("bird"), a_paper("cat fish bird")]
    rules = run("cat\ndog\n-bird\n-fish", *papers)
    assert [(r.rule, r.papers, r.alone) for r in rules] == [
        ("cat", 3, 1),
        ("dog", 2, 0),
        ("bird", 2, 1),
        ("fish", 1, 0),
    ]


def test_a_rule_written_twice_is_listed_twice() -> None:
    assert [(r.line, r.papers) for r in run("cat\ncats", a_paper("cat"))] == [(1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("rule", "title", "better"),
    [
        ("integrable hierarch", "An integrable hierarchy", "integrable hierarch*"),
        ('"diffusion models"', "A diffusion model", "diffusion model"),
        ("assymptotic giant", "An asymptotic giant", "asymptotic giant"),
        ("cats AND assymptotic", "An asymptotic cat", "asymptotic AND cat"),
        ("foundation modle", "A foundation model", "foundation model"),
        ("pruning and distillation", "Pruning, or distillation", "distillation AND pruning"),
        ("pruning network", "Pruning of a network", "network AND pruning"),
        ("cat AND (integrable hierarch)", "Integrable hierarchies of cats", "cat AND integrable hierarch*"),
        ("cats or dogs", "A dog", "cat OR dog"),
        ("cats and dogs", "Dogs after cats", "cat AND dog"),
        ("large cats not small dogs", "A large cat", "large cat AND NOT small dog"),
    ],
)
def test_a_rule_that_finds_nothing_gets_a_suggestion_that_finds_something(rule: str, title: str, better: str) -> None:
    assert suggestion(rule, title) == (better, 1)


def test_a_field_that_finds_nothing_is_removed_in_the_suggestion() -> None:
    paper = a_paper("x", "A quark")
    found = of_rule("title:quark", paper, *(a_paper(str(n)) for n in range(20))).suggestion
    assert found is not None
    assert found.rule == "quark"


@pytest.mark.parametrize("rule", ["zzz", "author:Nobody", "cat:math", "cat AND NOT cat", "zz* NEAR/2 yy*"])
def test_nothing_is_suggested_if_no_variant_finds_anything(rule: str) -> None:
    assert suggestion(rule, "cat") is None


def test_no_spelling_is_suggested_for_a_very_long_word() -> None:
    begun = process_time()
    assert suggestion("a" * 100_000, "a" * 99_999) is None
    assert process_time() - begun < 5  # on a slow machine; else minutes


def test_a_rule_that_finds_more_than_a_tenth_floods_and_is_suggested_for_titles_only() -> None:
    papers = [a_paper("data")] + [a_paper(f"x{n}", "data") for n in range(4)] + [a_paper(str(n)) for n in range(25)]
    record = of_rule("data", *papers)
    assert record.floods
    assert record.suggestion is not None
    assert (record.suggestion.rule, record.suggestion.papers) == ("title:data", 1)
    assert not of_rule("-data", *papers).floods


def test_a_backtest_without_papers_or_rules_is_empty() -> None:
    assert run("cat")[0].share == 0
    assert run("# nothing", a_paper("cat")) == []

"""How close rules come to a paper that they do not match."""

import pytest

from digest.matching.near_misses import NearMiss, list_matching_rules, list_near_misses
from tests.builders import a_paper, a_profile

PAPER = a_paper("Low precision training", "We train big networks on small machines.", authors=("Ada Lovelace",))


def near(rules: str, limit: int = 9) -> list[NearMiss]:
    return list_near_misses(a_profile(rules), PAPER, limit=limit)


@pytest.mark.parametrize(
    ("rule", "has", "lacks", "excluded_by"),
    [
        ("low rank", ("low",), ("rank",), ()),
        ("training precision", ("training", "precision"), (), ()),  # the words, and not in this order
        ("title:networks OR precision AND pruning", ("precision",), ("network", "pruning"), ()),
        ("precision NOT machines", ("precision",), (), ("machine",)),
        ("precision NOT (big AND fish)", ("precision",), (), ("big",)),
        ("train* NEAR/1 pruning", ("train*",), ("pruning",), ()),
        ("author:ada_byron", ("ada",), ("byron",), ()),
    ],
)
def test_a_near_miss_lists_which_words_the_paper_has(
    rule: str, has: tuple[str, ...], lacks: tuple[str, ...], excluded_by: tuple[str, ...]
) -> None:
    (found,) = near(rule)
    assert (found.rule, set(found.has), set(found.lacks)) == (rule, set(has), set(lacks))
    assert found.excluded_by == excluded_by


def test_the_rule_with_the_largest_share_of_its_words_comes_first() -> None:
    assert [found.rule for found in near("low rank model\nlow rank\nprecision NOT machines")] == [
        "precision NOT machines",
        "low rank",
        "low rank model",
    ]


def test_rules_without_a_word_of_the_paper_and_excluding_lines_are_no_near_misses() -> None:
    assert near("cats\n-low rank") == []


def test_the_number_of_near_misses_is_limited() -> None:
    assert len(near("low rank\nlow rank model", limit=1)) == 1


def test_matching_rules_include_those_that_exclude_the_paper() -> None:
    found = list_matching_rules(a_profile("cats\nprecision^2  # a note\n-machine\n-cats"), PAPER)
    assert [(rule.line, rule.text, rule.excludes) for rule in found] == [(2, "precision", False), (3, "machine", True)]

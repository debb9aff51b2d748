"""NEAR/n: two terms in one text, with few words between them."""

import pytest

from digest.errors import RuleError
from digest.matching import parse_query
from tests.builders import a_paper
from tests.matching.finding import matches


def test_near_counts_the_words_between() -> None:
    assert matches("cats NEAR/2 dogs", "cats and lazy dogs")
    assert not matches("cats NEAR/1 dogs", "cats and lazy dogs")
    assert matches("cats NEAR/0 dogs", "cats, dogs")


def test_near_matches_in_either_order() -> None:
    assert matches("cats NEAR/2 dogs", "dogs and lazy cats")


def test_near_stays_within_one_text() -> None:
    assert not matches("cats NEAR/50 dogs", a_paper("cats", "dogs"))


def test_the_sides_of_near_do_not_overlap() -> None:
    assert not matches("audio NEAR/5 audio-visual", "audio-visual")
    assert not matches("cats NEAR/5 cats", "a cat")
    assert matches("cats NEAR/5 cats", "a cat and a cat")


def test_a_compound_counts_as_its_parts() -> None:
    assert matches("cats NEAR/2 dogs", "cats audio-visual dogs")
    assert not matches("cats NEAR/1 dogs", "cats audio-visual dogs")


@pytest.mark.parametrize(
    "rule", ['"big cats" NEAR/1 d*s', "big cat NEAR/1 do*", "(birds OR big cats) NEAR/1 (dogs OR fish)"]
)
def test_a_side_of_near_is_words_a_phrase_a_prefix_or_alternatives(rule: str) -> None:
    assert matches(rule.replace("d*s", "dog*"), "big cats, lazy dogs")
    assert not matches(rule.replace("d*s", "dog*"), "small cats, lazy dogs")


def test_near_binds_tighter_than_not_and_and_and_or() -> None:
    assert matches("x1 AND NOT a1 NEAR/0 b1", "x1 a1 c1 b1")
    assert not matches("x1 AND NOT a1 NEAR/0 b1", "x1 a1 b1")
    assert matches("x1 OR a1 NEAR/0 b1", "x1")


@pytest.mark.parametrize("rule", ["title:(cats NEAR/2 dogs)", "title:cats NEAR/2 dogs", "(cats NEAR/2 dogs)[ti]"])
def test_a_field_may_apply_to_near_or_to_one_side(rule: str) -> None:
    assert matches(rule, a_paper("cats and dogs"))
    assert not matches(rule, a_paper("x", "cats and dogs"))


def test_all_means_title_and_abstract_to_near() -> None:
    assert parse_query("all:(cats NEAR/2 dogs)") == parse_query("cats NEAR/2 dogs")


@pytest.mark.parametrize(
    ("rule", "column", "reason"),
    [
        ("cats NEAR dogs", 6, "expected a number of words after NEAR, as in a NEAR/3 b"),
        ("cats NEAR/x dogs", 6, "expected a number of words after NEAR, as in a NEAR/3 b"),
        ("cats NEAR/-1 dogs", 6, "expected a number of words after NEAR, as in a NEAR/3 b"),
        ("cats NEAR/51 dogs", 6, "at most 50 words between"),
        ("cats NEAR/3", 12, "expected a word, a phrase or ( before the end"),
        ("NEAR/3 cats", 1, "expected a word, a phrase or ( before 'NEAR/3'"),
        ("a1 NEAR/3 b1 NEAR/3 c1", 14, "write a NEAR/3 b AND b NEAR/3 c"),
        ("(a1 NEAR/3 b1) NEAR/3 c1", 16, "write a NEAR/3 b AND b NEAR/3 c"),
        ("(a1 AND b1) NEAR/3 c1", 13, "write AND and NOT outside: a NEAR/3 b AND NOT c"),
        ("(NOT a1) NEAR/3 c1", 10, "write AND and NOT outside: a NEAR/3 b AND NOT c"),
        ("author:(song NEAR/1 han)", 14, "NEAR looks in titles and abstracts"),
        ("cat:cs NEAR/1 dogs", 8, "NEAR looks in titles and abstracts"),
        ("title:cats NEAR/1 abs:dogs", 12, "these can never be near each other"),
    ],
)
def test_invalid_near_is_an_error_that_says_how_to_fix_it(rule: str, column: int, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_query(rule)
    assert caught.value.column == column
    assert reason in caught.value.reason

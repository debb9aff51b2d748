"""Rules for authors and categories."""

import pytest

from digest.matching import parse_query
from digest.matching.language.query import format_query
from digest.models import Paper
from tests.builders import a_paper
from tests.matching.finding import matches


def by(*authors: str) -> Paper:
    return a_paper("x", authors=authors)


@pytest.mark.parametrize(
    "rule", ['author:"LeCun, Y"', "author:Y. LeCun", "au:lecun_y", "au:LeCun Y*", "AUTHOR: lecun;y"]
)
@pytest.mark.parametrize("name", ["Yann LeCun", "Y. LeCun", "LeCun, Yann", "LeCun Y"])
def test_an_author_is_found_in_either_order_and_by_the_initial(rule: str, name: str) -> None:
    assert matches(rule, by("Somebody Else", name))


def test_an_initial_is_the_beginning_of_a_name() -> None:
    assert not matches('author:"LeCun, Y"', by("Bernard LeCun"))
    assert not matches("author:Song Han", by("S. Han"))


@pytest.mark.parametrize("name", ["Donald E. Knuth", "Knuth, Donald", "Donald Ervin Knuth"])
def test_other_names_may_be_between_the_parts(name: str) -> None:
    assert matches("author:Donald Knuth", by(name))


def test_the_parts_of_a_name_must_be_in_one_author() -> None:
    assert not matches("author:Song Han", by("Yi Song", "Han Li"))


def test_names_fold_accents_but_no_plurals() -> None:
    assert matches("author:Schrodinger", by("Erwin Schrödinger"))
    assert not matches("author:Williams", by("J. William"))


def test_a_single_letter_alone_is_a_name() -> None:
    assert matches("author:Y", by("Y Combinator"))
    assert not matches("author:Y", by("Yann LeCun"))


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("author:O'Neill", "Tip O’Neill"),
        ("author:O'Neill, T.", "Tip O'Neill"),
        ("author:Jean-Pierre Serre", "Serre, Jean Pierre"),
        ("author:J.-P. Serre", "Jean-Pierre Serre"),
        ("author:韩松", "韩松"),
        ("author:del_Maestro", "A. Del Maestro"),
        ("author:Hin* G", "Geoffrey Hinton"),
    ],
)
def test_names_of_every_shape_are_found_and_formatted(rule: str, name: str) -> None:
    assert matches(rule, by(name))
    assert parse_query(format_query(parse_query(rule))) == parse_query(rule)


def test_the_words_of_one_part_stay_together() -> None:
    assert not matches("author:O'Neill", by("O. T. Neill"))


def test_a_category_is_found_whole_or_by_its_archive() -> None:
    paper = a_paper("x", categories=("cs.LG", "quant-ph"))
    for rule in ("cat:cs.LG", "cat:cs", "cat:cs.*", "cat:quant-ph", "cat:CS.lg", 'category:"cs.LG"'):
        assert matches(rule, paper), rule
    assert not matches("cat:cs.CL", paper)
    assert not matches("cat:cs.*", a_paper("x", categories=("physics.optics",)))


def test_an_initial_is_one_letter_after_folding() -> None:
    query = parse_query("author:LeCun, Y\uff9e")
    assert parse_query(format_query(query)) == query

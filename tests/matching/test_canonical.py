"""Queries that ask the same have one canonical form, which can be formatted and parsed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import RuleError
from digest.matching import parse_query
from digest.matching.language.query import (
    AllOf,
    AnyOf,
    Author,
    Near,
    Not,
    Query,
    canonical,
    format_query,
    iter_terms,
    matches_empty_paper,
    patterns,
)
from digest.models import Paper
from tests.matching.reference import is_true
from tests.matching.strategies import PAPERS, RULES


def turned(query: Query) -> Query:
    """Returns an equivalent query with all parts reversed and doubled."""
    match query:
        case AllOf(parts):
            return AllOf(tuple(turned(part) for part in reversed(parts)) + parts)
        case AnyOf(parts):
            return AnyOf((AnyOf(tuple(turned(part) for part in reversed(parts))), *parts))
        case Near(left, right, distance):
            return Near(right[::-1] + right, left[::-1], distance)
        case Author(parts):
            return Author(parts[::-1] + parts)
        case Not(part):
            return Not(Not(Not(turned(part))))
        case _:
            return query


@given(RULES)
def test_a_formatted_query_parses_to_the_same_query(rule: str) -> None:
    query = parse_query(rule)
    assert parse_query(format_query(query)) == query


@given(RULES)
def test_order_repetition_and_nesting_make_no_difference(rule: str) -> None:
    query = parse_query(rule)
    assert canonical(query) == query
    assert canonical(turned(query)) == query


@given(RULES, PAPERS)
def test_a_canonical_query_means_the_same(rule: str, paper: Paper) -> None:
    query = parse_query(rule)
    assert is_true(turned(query), paper) == is_true(query, paper)
    assert not matches_empty_paper(query)


@given(
    st.text(st.sampled_from("aks s-é*'中か\u3099ﾞꙮ") | st.characters())
    | st.lists(st.sampled_from("as ies xes kaies matrices".split())).map("-".join)
)
def test_any_words_that_parse_can_be_formatted(words: str) -> None:
    for rule in (words, f'"{words}"', f"author:{words}", f"category:{words}"):
        try:
            query = parse_query(rule)
        except RuleError:
            continue
        assert parse_query(format_query(query)) == query
        assert canonical(query) == query
        assert all(term.readings for term in iter_terms(query))


@pytest.mark.parametrize(
    "forms",
    [
        ["cats OR dog", "dogs OR cat OR cats", "(dog) OR (cat)"],
        ["(cats OR dog) AND net", "net AND (dogs OR cat OR cats)", "net AND ((dog OR cat))"],
        ["cats", "CATS", "  cat ", "cat AND cats"],
        ["cat AND NOT dog", "cats ANDNOT dogs", "NOT dog AND cat", "cat AND NOT NOT NOT dog"],
        ["a1 NEAR/2 b1", "b1 NEAR/2 a1", "(b1 OR b1) NEAR/02 a1"],
        ["title:a1 NEAR/2 b1", "title:(b1 NEAR/2 a1)", "a1 NEAR/2 b1[ti]"],
        ["author:Song Han", 'au:"Han, Song"', "au:han_song", "Han Song[au]"],
        ["audio-visual", "audio–visual", "Audio--Visual"],
        ["multi-tasks", "multi-task"],
        ['"quantiz*"', "quantiz*", "“Quantiz*”"],
        ["cat:cs.LG", 'category:"CS LG"'],
    ],
)
def test_equivalent_queries_have_one_canonical_form(forms: list[str]) -> None:
    assert len({parse_query(form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("systems-on-chip", "system-on-chip"),
        ('"cats"', "cats"),
        ("cats dogs", "dogs cats"),
        ("author:韩松", "author:韩 松"),
        ("a1 NEAR/2 b1", "a1 NEAR/3 b1"),
    ],
)
def test_different_queries_have_different_canonical_forms(one: str, other: str) -> None:
    assert parse_query(one) != parse_query(other)


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        ("Deep Networks", "deep network"),
        ('"Deep Networks"', '"deep networks"'),
        ("NOT dogs AND (b1 OR a1)", "(a1 OR b1) AND NOT dog"),
        ("(a1 AND b1) OR c1", "a1 AND b1 OR c1"),
        ("a1 AND (NOT b1 AND NOT c1)", "a1 AND NOT b1 AND NOT c1"),
        ("a1 AND NOT (b1 NEAR/3 (c1 OR d1))", "a1 AND NOT (c1 OR d1) NEAR/3 b1"),
        ('ti:(cats OR "dogs")', 'title:"dogs" OR title:cat'),
        ('au:"O\'Neill, T."', "author:o'neill t"),
        ("cat:cs.* OR cat:quant-ph", "category:cs.* OR category:quant-ph"),
        ("扩散模型", "扩 散 模 型"),
    ],
)
def test_queries_are_formatted_without_unneeded_parentheses(rule: str, written: str) -> None:
    assert format_query(parse_query(rule)) == written


@given(st.lists(st.sampled_from("multi systems matrices as is x net*".split()), min_size=1, max_size=5).map("-".join))
def test_parts_of_compounds_are_stemmed_only_if_no_reading_changes(compound: str) -> None:
    wanted = patterns(compound, exact=False)
    if wanted:  # a star is at the end of a reading only
        (term,) = iter_terms(parse_query(compound))
        assert term.readings == wanted

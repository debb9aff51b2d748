"""Rules in the syntax of arXiv and PubMed."""

import pytest

from digest.errors import RuleError
from digest.matching import parse_query
from tests.builders import a_paper
from tests.matching.finding import matches


def test_an_arxiv_query_is_a_valid_rule() -> None:
    rule = 'cat:cs.CV AND (ti:"diffusion model" OR abs:pruning) ANDNOT all:survey'
    assert matches(rule, a_paper("A diffusion model", categories=("cs.CV",)))
    assert matches(rule, a_paper("x", "on pruning", categories=("cs.LG", "cs.CV")))
    assert not matches(rule, a_paper("A diffusion model", "a survey", categories=("cs.CV",)))
    assert not matches(rule, a_paper("A diffusion model"))


def test_arxiv_joins_names_with_underscores() -> None:
    assert matches("au:del_maestro", a_paper("x", authors=("Adrian Del Maestro",)))


@pytest.mark.parametrize(
    ("rule", "column", "reason"),
    [
        ("cats AND co:pages", 10, "co: (comments) is not in the feeds; fields are title:"),
        ("jr:Nature", 1, "jr: (journal references) is not in the feeds"),
        ('jr:"Phys Rev"', 4, "jr: (journal references) is not in the feeds"),
        ("rn:x1", 1, "rn: (report numbers)"),
        ("id:2504.17830", 1, "id: (identifiers)"),
        ("submittedDate:[202301010600 TO 202401010600]", 1, "submittedDate: (dates)"),
    ],
)
def test_fields_that_feeds_do_not_contain_are_an_error(rule: str, column: int, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_query(rule)
    assert caught.value.column == column
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("tagged", "own"),
    [
        ("heart attack[tiab]", "heart attack"),
        ('"heart attack"[Title/Abstract]', '"heart attack"'),
        ("heart [Text Word]", "heart"),
        ("heart[tw]", "heart"),
        ("heart[TI]", "title:heart"),
        ("heart [Title]", "title:heart"),
        ("heart[ab]", "abstract:heart"),
        ("heart* [Abstract]", "abstract:heart*"),
        ("hinton[au]", "author:hinton"),
        ("hinton[1au]", "author:hinton"),
        ("heart[all]", "all:heart"),
        ("heart [All Fields]", "all:heart"),
        ("(heart OR lung)[ti] AND x1", "title:(heart OR lung) AND x1"),
    ],
)
def test_a_pubmed_tag_is_a_field_after_its_term(tagged: str, own: str) -> None:
    assert parse_query(tagged) == parse_query(own)


@pytest.mark.parametrize("rule", ["Hinton GE[au]", '"Hinton GE"[Author]', "Hinton G [AU]"])
def test_pubmed_writes_initials_after_the_family_name(rule: str) -> None:
    assert matches(rule, a_paper("x", authors=("Geoffrey E. Hinton",)))
    assert not matches(rule, a_paper("x", authors=("Everest Hinton",)))


def test_capitals_are_initials_only_in_pubmed_syntax() -> None:
    assert not matches("author:Hinton GE", a_paper("x", authors=("Geoffrey E. Hinton",)))


@pytest.mark.parametrize(
    ("rule", "column", "reason"),
    [
        ("foo[mesh]", 4, "no tag [mesh]; tags are [Title]"),
        ("foo[titel]", 4, "no tag [titel]; did you mean [title]?"),
        ('"foo bar"[dp] AND x1', 10, "no tag [dp]"),
        ("(a1 OR b1)[MeSH Terms]", 11, "no tag [MeSH Terms]"),
        ("review [Publication Type]", 8, "no tag [Publication Type]"),
        ("[Publication Type]", 1, "no tag [Publication Type]"),
        ("[ti] foo", 1, "expected a word, a phrase or ( before '[ti]'"),
        ("foo[ti] bar", 9, "expected AND, OR or NOT before 'bar'"),
        ("song NEAR/2 han[au]", 6, "NEAR looks in titles and abstracts"),
    ],
)
def test_a_tag_is_never_silently_read_as_words(rule: str, column: int, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_query(rule)
    assert caught.value.column == column
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("rule", "title"),
    [
        ("[CII] emission", "[CII] emission at z=6"),
        ("[O III]", "bright [O III] lines"),
        ("beta[2]", "a beta[2] agonist"),
        ("[18F]FDG", "[18F]FDG PET"),
        ("benzo[ghi]perylene", "of benzo[ghi]perylene"),
        ('"Fe[III]"', "Fe[III] oxides"),
        ("emission [CII]", "emission [CII]"),
    ],
)
def test_other_brackets_are_part_of_words(rule: str, title: str) -> None:
    assert matches(rule, title)


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("cat:cs.LG+AND+ti:pruning", "cat:cs.LG AND ti:pruning"),
        ("search_query=abs:%22low+precision%22", 'abs:"low precision"'),
        ("%28ti:cats+OR+ti:dogs%29+ANDNOT+abs:birds", "(ti:cats OR ti:dogs) ANDNOT abs:birds"),
    ],
)
def test_a_query_copied_from_a_url_is_decoded(written: str, rule: str) -> None:
    assert parse_query(written) == parse_query(rule)

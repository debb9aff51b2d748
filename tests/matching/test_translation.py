"""Translating what people copy from arXiv and PubMed: addresses, queries over several lines, tags of other fields."""

import re
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import RuleError
from digest.matching import compile_rules, parse_query
from digest.matching.language.translation import MAX_PASTED, Translation, translate_query
from tests.builders import a_paper
from tests.matching.finding import found
from tests.matching.strategies import RULES

API = "https://export.arxiv.org/api/query"
ADVANCED = "https://arxiv.org/search/advanced?advanced="
PUBMED = "https://pubmed.ncbi.nlm.nih.gov/"


def same(pasted: str, rule: str) -> bool:
    """Whether a pasted query means the same as one of our rules."""
    return parse_query(translate_query(pasted).rules) == parse_query(rule)


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        (f"{API}?search_query=all:electron+AND+ti:%22dark+matter%22&start=0", 'all:electron AND title:"dark matter"'),
        ("http://export.arxiv.org/api/query?search_query=cat:cs.LG&sortBy=submittedDate", "category:cs.LG"),
        ('export.arxiv.org/api/query?search_query=ti:"electron thermal\nconductivity"&sortBy=x',
         'title:"electron thermal conductivity"'),
        ("https://arxiv.org/search/?query=dark+matter&searchtype=title&size=50", "title:(dark AND matter)"),
        ("https://arxiv.org/search/?query=%22dark+matter%22+axion&searchtype=all", 'all:("dark matter" AND axion)'),
        ("https://arxiv.org/search/cs?query=LeCun%2C+Y%3B+Hinton&searchtype=author", "author:(LeCun, Y AND Hinton)"),
        (f"{PUBMED}?term=heart+failure+OR+aspirin&sort=date", "(heart AND failure) OR aspirin"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/?term=asthma%5Btiab%5D", "asthma"),
        ("https://eutils.ncbi.nlm.nih.gov/entrez/eutils/esearch.fcgi?db=pubmed&term=asthma[ti]", "title:asthma"),
        ("search_query=ti:%22diffusion+model%22+AND+cat:cs.CV&start=0", 'title:"diffusion model" AND category:cs.CV'),
    ],
)  # fmt: skip
def test_the_address_of_a_search_becomes_its_query(address: str, rule: str) -> None:
    assert same(address, rule)
    assert translate_query(address).left_out == ()


def test_an_advanced_arxiv_search_keeps_its_operators_fields_and_checkboxes() -> None:
    terms = [("AND", "stochastic parrot", "title"), ("OR", '"language model"', "abstract"), ("NOT", "survey", "all")]
    asked = [
        (f"terms-{n}-{name}", value)
        for n, term in enumerate(terms)
        for name, value in zip(("operator", "term", "field"), term, strict=True)
    ]
    asked += [("classification-computer_science", "y"), ("classification-physics", "y")]
    asked += [("classification-physics_archives", "hep-ph"), ("date-filter_by", "date_range")]
    asked += [("date-from_date", "2020-07-05"), ("date-to_date", "")]
    pasted = f"{ADVANCED}&{urlencode(asked)}"
    wanted = 'title:(stochastic AND parrot) OR abstract:"language model" AND NOT all:survey'
    assert same(pasted, f"({wanted}) AND (category:cs.* OR category:hep-ph.*)")
    assert translate_query(pasted).left_out == ("date-from_date=2020-07-05",)


def test_the_checkbox_for_physics_becomes_all_its_archives() -> None:
    rules = translate_query(f"{ADVANCED}&classification-physics=y&classification-physics_archives=all").rules
    papers = [a_paper(name, categories=(name,)) for name in ("hep-th", "astro-ph.CO", "math-ph", "cs.LG", "math.AG")]
    assert found(rules, *papers) == ["hep-th", "astro-ph.CO", "math-ph"]


@pytest.mark.parametrize(
    ("pasted", "rule", "left_out"),
    [
        ('"asthma"[MeSH Terms] OR "asthma"[tiab]', '"asthma"', ["[MeSH Terms]"]),
        ('"Diabetes Mellitus, Type 2/therapy"[Mesh:NoExp]', '"Type 2 Diabetes Mellitus"', ["[Mesh:NoExp]"]),
        ('cats[ti] AND ("2020/01/01"[Date - Publication] : "3000"[Date - Publication])', "title:cats",
         ['"2020/01/01"[Date - Publication] : "3000"[Date - Publication]']),
        ("cats[Title/Abstract] AND 2019:2024[dp]", "cats", ["2019:2024[dp]"]),
        ("cats NOT (review[pt] OR letter[pt])", "cats", ["review[pt]", "letter[pt]"]),
        ("cats AND english[Language] AND Nature[journal]", "cats", ["english[Language]", "Nature[journal]"]),
        ("cats AND submittedDate:[202301010600 TO 202401010600]", "cats",
         ["submittedDate:[202301010600 TO 202401010600]"]),
        ('cats AND co:"12 pages" ANDNOT (jr:Nature OR rn:x1)', "cats", ['co:"12 pages"', "jr:Nature", "rn:x1"]),
        (f"{PUBMED}?term=cats&filter=years.2020-2024", "cats", ["filter=years.2020-2024"]),
        ("https://arxiv.org/search/advanced?terms-0-term=cats&terms-0-field=title&terms-1-term=x&terms-1-field=doi",
         "title:cats", ["doi: x"]),
    ],
)  # fmt: skip
def test_parts_that_no_feed_contains_are_left_out_and_listed(pasted: str, rule: str, left_out: list[str]) -> None:
    assert same(pasted, rule)
    assert translate_query(pasted).left_out == tuple(left_out)


@pytest.mark.parametrize(
    ("pasted", "rule"),
    [
        ("a1[ti] OR b1[ti] AND c1[ti]", "(title:a1 OR title:b1) AND title:c1"),  # from left to right
        ("a1[ti] AND b1[ti] OR c1[ti] NOT d1[ti]", "((title:a1 AND title:b1) OR title:c1) AND NOT title:d1"),
        ("ti:a1 OR ti:b1 AND ti:c1", "title:a1 OR (title:b1 AND title:c1)"),  # arXiv
        ("cancer[ti] (lung OR liver)[tiab]", "title:cancer AND (lung OR liver)"),
        ("heart attack[tiab] AND the aspirin trial", "heart attack AND (aspirin AND trial)"),
        ("Hinton GE[Author - Last]", "Hinton GE[au]"),
        ('"rationing healthcare"[tiab:~2]', "rationing NEAR/2 healthcare"),
        ("(lung OR liver)[tiab:~2] AND x1[ti]", "(lung OR liver) AND title:x1"),
        ('"breast cancer screening"[ti:~4]', "title:(breast AND cancer AND screening)"),
        ("(heart OR lung)[Title] AND x1[ab]", "title:(heart OR lung) AND abstract:x1"),
        ("“low precision”[tiab]", '"low precision"'),
        ("cat:cs.CV ANDNOT au:del_maestro", "category:cs.CV AND NOT author:del maestro"),
    ],
)
def test_a_query_keeps_the_meaning_it_has_on_its_site(pasted: str, rule: str) -> None:
    assert same(pasted, rule)


def test_a_query_may_take_several_lines() -> None:
    pasted = '(\n "heart failure"[tiab]\n  OR cardiac*\n)\r\nAND\r\n"low\ndose"'
    assert same(pasted, '("heart failure" OR cardiac*) AND "low dose"')


def test_complete_queries_become_separate_rules() -> None:
    pasted = f"cats\n\n{API}?search_query=ti:dogs\ncats\nti:birds"
    assert translate_query(pasted) == Translation("cats\nti:dogs\nti:birds")


@pytest.mark.parametrize("rule", ["[CII] emission", "beta[2] agonist", "emission [Pt]", "BERT: pre-training"])
def test_brackets_and_colons_that_are_no_tags_are_kept(rule: str) -> None:
    assert translate_query(rule) == Translation(rule)


@pytest.mark.parametrize(
    ("pasted", "reason"),
    [
        ("", "there are no words to look for"),
        ("jr:Nature", "feeds contain none of this: jr:Nature"),
        ("2020[dp] AND review[pt]", "feeds contain none of this: 2020[dp], review[pt]"),
        ("#1 AND #2", "#1 is a line of a search history"),
        ("cats AND", "expected a word, a phrase or ( after AND"),
        ("cats AND OR dogs", "expected a word, a phrase or ( next to AND"),
        ("OR cats", "expected a word, a phrase or ( next to OR"),
        ("(cats", "expected ) before the end"),
        ("cats)", "this ) has no matching ("),
        ('"cats', "a quotation mark is unmatched"),
        ("[", "a bracket is unmatched"),
        ("# [MeSH Terms]", "feeds contain none of this: [MeSH Terms]"),
        ("ti:", "expected a word, a phrase or ( before the end"),
        ("cats NOT", "expected a word, a phrase or ( after NOT"),
        ("NOT cats", "this matches papers that contain none of its words"),
        ("-cats", "this only says what to exclude"),
        ("https://example.org/?term=cats", "this is not the address of a search"),
        ("https://arxiv.org/abs/2504.17830", "this is not the address of a search"),
        ("https://[x", "this is not the address of a search"),
        ("(" * 60 + "cats" + ")" * 60, "nested deeper than 50"),
        ("ti:" * 60 + "cats", "ti:"),
        ("x" * (MAX_PASTED + 1), "longer than 20,000 characters"),
    ],
)
def test_an_invalid_query_says_what_is_wrong(pasted: str, reason: str) -> None:
    with pytest.raises(RuleError, match=re.escape(reason)):
        translate_query(pasted)


def translation_of(text: str) -> Translation | None:
    """Returns None if the text is rejected with a RuleError. Any other error fails the test."""
    try:
        return translate_query(text)
    except RuleError:
        return None


def check(text: str) -> None:
    """The translation compiles and looks for something."""
    found = translation_of(text)
    if found is not None:
        assert compile_rules(found.rules).has_positive_rules
        assert all(part.strip() for part in found.left_out)


_PIECES = (
    'a1 b1 cats AND OR NOT ANDNOT ( ) " “ ” title: ti: au: all: cat: co: jr: submittedDate:[1 TO 2] [tiab] [MeSH Terms]'
    " [mh:noexp] [dp] : 2020:2024[dp] [tiab:~2] [au] [pt] #1 # ^2 - * x* a+AND+b https://arxiv.org/search/?query="
    f" {API}?search_query= {PUBMED}?term= &filter=x &terms-0-term=x , /"
)


@given(st.text() | st.text(st.sampled_from('ab ()"“”[]:^*-#/.,;\n\0ti&=?+%2') | st.characters()))
def test_any_text_becomes_rules_or_a_rule_error(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from([*_PIECES.split(), "\n"])), st.sampled_from(["", " "]))
def test_pieces_of_queries_in_any_order_become_rules_or_a_rule_error(pieces: list[str], between: str) -> None:
    check(between.join(pieces))


@given(st.sampled_from([API + "?search_query=", PUBMED + "?term=", ADVANCED + "&terms-0-term="]), st.text())
def test_any_address_becomes_rules_or_a_rule_error(address: str, rest: str) -> None:
    check(address + rest)


@given(
    st.dictionaries(st.sampled_from(["query", "searchtype", "search_query", "term", "id_list", "filter"]), st.text())
)
def test_any_search_parameters_become_rules_or_a_rule_error(asked: dict[str, str]) -> None:
    for address in ("https://arxiv.org/search/", PUBMED):
        check(f"{address}?{urlencode(asked)}")


@pytest.mark.parametrize(
    "rule",
    [
        "(cat OR dog) AND net",
        "(cat OR dog) NOT net",
        "(ti:cat OR ti:dog) AND (cat:cs.LG OR cat:cs.CL)",
        "(cat OR dog) OR (cat OR dog) AND net",
        "cat OR cat AND dog",
        "net AND (cat OR dog) OR x",
    ],
)
def test_parentheses_are_kept_where_they_matter(rule: str) -> None:
    assert same(rule, rule)


@given(RULES)
def test_a_rule_of_ours_is_never_misread_without_an_error(rule: str) -> None:
    """A query with PubMed's tags is read as PubMed reads it: left to right, with AND between words."""
    check(rule)
    found = translation_of(rule)
    if found is not None and "[" not in rule:
        assert found.left_out == ()
        assert parse_query(found.rules) == parse_query(rule)

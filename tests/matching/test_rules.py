"""The rule language, sentence by sentence."""

import json
from pathlib import Path

import pytest

from digest.errors import RuleError
from digest.matching import Index, parse_rules
from digest.matching.query import MAX_CHARACTERS
from digest.models import Paper
from tests.builders import RECORDINGS, a_paper, a_profile, needs_recordings


def found(rules: str, *papers: Paper) -> list[str]:
    """The titles of the papers that the rules match, in the order given."""
    matches = Index([a_profile(rules)]).match(papers).for_profile(0)
    titles = {m.paper.title for m in matches}
    return [p.title for p in papers if p.title in titles]


def matches(rule: str, paper: str | Paper) -> bool:
    return bool(found(rule, paper if isinstance(paper, Paper) else a_paper(paper)))


def test_a_line_of_bare_words_is_a_phrase() -> None:
    assert matches("diffusion model", "A diffusion model of text")
    assert not matches("diffusion model", "A model of diffusion")


def test_a_phrase_does_not_match_across_title_and_abstract() -> None:
    assert not matches('"graph neural"', a_paper("Graph", "neural nets"))


def test_lines_are_alternatives() -> None:
    assert found("cats\ndogs", a_paper("cats"), a_paper("dogs"), a_paper("birds")) == ["cats", "dogs"]


def test_and_or_not_are_operators_in_capitals_only() -> None:
    assert matches("cats AND dogs", "dogs chase cats")
    assert not matches("cats and dogs", "dogs chase cats")
    assert matches("cats and dogs", "cats and dogs")
    assert matches("cats OR dogs", "dogs")


def test_not_binds_tighter_than_and_and_and_tighter_than_or() -> None:
    rule = "a1 OR b1 AND NOT c1"
    assert matches(rule, "a1 c1")
    assert matches(rule, "b1")
    assert not matches(rule, "b1 c1")


@pytest.mark.parametrize("rule", ["cats AND NOT dogs", "cats ANDNOT dogs", "cats NOT dogs", "cats AND (NOT dogs)"])
def test_not_excludes_however_it_is_written(rule: str) -> None:
    assert matches(rule, "cats")
    assert not matches(rule, "cats, dogs")


def test_parentheses_group() -> None:
    assert not matches("(a1 OR b1) AND c1", "a1")
    assert matches("(a1 OR b1) AND c1", "c1 b1")


def test_quotes_make_a_phrase_exact() -> None:
    assert matches("model", "models")
    assert not matches('"model"', "models")
    assert matches("“low precision”", "LOW Precision")


def test_a_star_matches_any_ending() -> None:
    assert matches("quantiz*", "Quantization")
    assert matches("integrable hierarch*", "an integrable hierarchy")
    assert matches('"quantiz* net*"', "quantized networks")
    assert not matches("quantiz*", "requantize")


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ("title:{}", "title"), ("ti:{}", "title"), ("abstract:{}", "abstract"), ("abs:{}", "abstract"),
        ("author:{}", "author"), ("au:{}", "author"), ("category:{}", "category"), ("cat:{}", "category"),
        ("TITLE: {}", "title"),
    ],
)  # fmt: skip
def test_a_field_looks_only_there(rule: str, where: str) -> None:
    papers = {
        "title": a_paper("quark"),
        "abstract": a_paper("x", "quark"),
        "author": a_paper("y", authors=("Quark",)),
        "category": a_paper("z", categories=("quark",)),
    }
    assert found(rule.format("quark"), *papers.values()) == [papers[where].title]


def test_all_looks_everywhere() -> None:
    papers = [
        a_paper("quark"),
        a_paper("x", "quark"),
        a_paper("y", authors=("Quark",)),
        a_paper("z", categories=("quark",)),
    ]
    assert len(found("all:quark", *papers)) == 4


def test_bare_terms_do_not_look_at_authors_and_categories() -> None:
    assert not matches("quark", a_paper("x", authors=("Quark",), categories=("quark",)))


def test_a_field_binds_to_the_next_word_run_phrase_or_parenthesis() -> None:
    assert matches("title:mixed precision", "mixed precision")
    assert not matches("title:mixed precision", a_paper("mixed", "precision"))
    assert matches("title:(a1 OR b1) AND c1", a_paper("b1", "c1"))
    assert not matches('title:"a1" AND b1', a_paper("x", "a1 b1"))


def test_the_innermost_field_counts() -> None:
    assert matches("title:(a1 AND abs:b1)", a_paper("a1", "b1"))


def test_a_category_is_found_whole_or_by_its_archive() -> None:
    paper = a_paper("x", categories=("cs.LG", "quant-ph"))
    for rule in ("cat:cs.LG", "cat:cs", "cat:cs.*", "cat:quant-ph", "cat:CS.lg"):
        assert matches(rule, paper), rule
    assert not matches("cat:cs.CL", paper)
    assert not matches("cat:cs.*", a_paper("x", categories=("physics.optics",)))


def test_an_author_phrase_stays_within_one_author() -> None:
    assert not matches("author:Song Han", a_paper("x", authors=("Yi Song", "Han Li")))
    assert matches("author:Schrodinger", a_paper("x", authors=("Erwin Schrödinger",)))


def test_plurals_of_names_do_not_fold() -> None:
    assert not matches("author:Williams", a_paper("x", authors=("J. William",)))


def test_words_are_whole_words() -> None:
    assert matches("ai", "longcat.ai")
    assert not matches("ai", "said")


def test_case_and_accents_fold_also_in_quotes() -> None:
    assert matches('"Schrodinger"', "SCHRÖDINGER bridges")


@pytest.mark.parametrize("rule", ["audio-visual", '"audio-visual"'])
@pytest.mark.parametrize("title", ["audio-visual", "audio visual", "audiovisual", "audio–visual"])
def test_a_dashed_compound_in_a_rule_matches_spaced_and_joined(rule: str, title: str) -> None:
    assert matches(rule, title)


@pytest.mark.parametrize("rule", ["audio visual", "audiovisual", '"audiovisual"'])
def test_a_dashed_compound_in_a_paper_matches_spaced_and_joined(rule: str) -> None:
    assert matches(rule, "audio-visual speech")


def test_universe_is_never_university() -> None:
    assert not matches("universe", "university")


def test_a_line_that_begins_with_a_dash_excludes_for_the_whole_profile() -> None:
    rules = "cats\ndogs\n-title:survey"
    assert found(rules, a_paper("cats"), a_paper("A survey of dogs")) == ["cats"]


def test_a_hash_begins_a_comment_at_the_start_and_after_a_space() -> None:
    rules = parse_rules('# pets\ncats # furry\nC#\n"a # b"')
    assert [rule.text for rule in rules.rules] == ["cats", "C#", '"a # b"']


def test_a_weight_at_the_end_of_a_line_weighs_that_rule() -> None:
    (cats, dogs) = Index([a_profile("cats^2.5\ndogs")]).match([a_paper("x", "cats"), a_paper("y", "dogs")]).score
    assert (cats, dogs) == (2.5, 1.0)


def test_lines_and_columns_are_kept() -> None:
    assert [(r.line, r.text, r.weight, r.excludes) for r in parse_rules("\n  cats ^2\n - dogs\n").rules] == [
        (2, "cats", 2.0, False),
        (3, "dogs", 1.0, True),
    ]


BAD = [
    ("cats AND", 1, 9, "expected a word, a phrase or ( before the end"),
    ("AND cats", 1, 1, "expected a word, a phrase or ( before 'AND'"),
    ("cats AND OR dogs", 1, 10, "expected a word, a phrase or ( before 'OR'"),
    ("(cats", 1, 6, "expected ) before the end"),
    ("cats)", 1, 5, "this ) closes nothing"),
    ("()", 1, 2, "expected a word, a phrase or ( before ')'"),
    ("title:", 1, 7, "expected a word, a phrase or ( before the end"),
    ("title:NOT x1", 1, 7, "expected a word, a phrase or ( before 'NOT'"),
    ('"cats" dogs', 1, 8, "expected AND, OR or NOT before 'dogs'"),
    ("cats title:dogs", 1, 6, "expected AND, OR or NOT before 'title:'"),
    ('cats "dogs', 1, 6, "this quotation mark has no partner"),
    ("cats -dogs", 1, 6, "expected AND, OR or NOT before 'dogs', not -"),
    ("ok\n  titel:cats", 2, 3, "no field titel:; did you mean title:? (quotes make it plain words)"),
    (
        'foo:"cats"',
        1,
        5,
        "no field foo:; fields are title: abstract: author: category: all: (quotes make it plain words)",
    ),
    ("cats NEAR/3 dogs", 1, 6, "NEAR is not understood yet; use AND"),
    ("NOT cats", 1, 1, "this is true of papers that hold none of its words"),
    ("cats OR NOT dogs", 1, 1, "this is true of papers that hold none of its words"),
    ("*", 1, 1, "expected at least two letters before *, as in quantiz*"),
    ("x*", 1, 1, "expected at least two letters before *, as in quantiz*"),
    ("qu*nt", 1, 3, "expected * at the end of a word only"),
    ("...", 1, 1, "there is no letter or digit in '...'"),
    ("cats^0", 1, 5, "expected a weight above 0 and at most 100 after ^, such as ^2"),
    ("cats^big", 1, 5, "expected a weight above 0"),
    ("cats^2 dogs", 1, 5, "expected a weight at the end of the line only"),
    ("-cats^2", 1, 6, "a line that excludes has no weight"),
    ("-", 1, 2, "expected a word, a phrase or ( before the end"),
    ("(" * 60 + "cats" + ")" * 60 + " AND", 1, 129, "expected a word"),
    ("NOT " * 60 + "cats", 1, 1, "parentheses and NOTs lie deeper than 50"),
    ("(" * 10_000, 1, 10_001, "expected a word"),
    ("word " * 60, 1, 1, "a phrase of more than 50 words"),
    ("x" * (MAX_CHARACTERS + 1), 1, 1, "500,000 is the most"),
]


@pytest.mark.parametrize(("rules", "line", "column", "reason"), BAD, ids=[b[0][:20] for b in BAD])
def test_a_bad_rule_is_an_error_with_line_column_and_what_was_expected(
    rules: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules(rules)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason


def test_a_profile_with_a_bad_rule_is_named() -> None:
    with pytest.raises(RuleError, match="line 2, column 1: .* \\(profile 'Pets'\\)"):
        Index([a_profile("cats\n*", "Pets")])


@needs_recordings
def test_keyword_lists_that_people_use_are_read_as_they_stand() -> None:
    lists = json.loads((RECORDINGS / "profiles/transcribed_profiles.json").read_text(encoding="utf-8"))
    lines = [line for one in lists for key in ("lines", "include") for line in one.get(key, [])]
    plain = [line for line in lines if "|" not in line]  # "resurgence | math.AG" is a syntax of their own
    assert len(plain) > 80
    assert len(parse_rules("\n".join(plain)).rules) == len(plain)


@needs_recordings
def test_the_papers_that_a_person_would_find_are_found() -> None:
    lines = [
        line
        for line in Path(RECORDINGS / "seed/daily-papers-sep-11.txt").read_text(encoding="utf-8").splitlines()
        if line
    ]
    begin = next(i for i, line in enumerate(lines) if len(line) > 300) - 1
    papers = [a_paper(t, a) for t, a in zip(lines[begin::2], lines[begin + 1 :: 2], strict=True)]
    assert [title[:38] for title in found('quantiz* OR "low precision"', *papers)] == [
        "A Survey of Quantization Methods for E",
        "Mixed Precision Training of Convolutio",
        "Quartet: Native FP4 Training Can Be Op",
        "From PEFT to DEFT: Parameter Efficient",
        "Low-Precision Training of Large Langua",
        "Stable Code Technical Report",
    ]

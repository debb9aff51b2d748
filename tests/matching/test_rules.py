"""The rule language, sentence by sentence."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import RuleError
from digest.matching import MAX_MISTAKES, MAX_WRITTEN, compile_rules, list_mistakes, parse_query, parse_rules
from digest.matching.language.hints import list_hints
from digest.matching.language.parser import MAX_TERMS
from digest.matching.language.query import MAX_CHARACTERS
from digest.matching.language.translation import translate_query
from tests.builders import RECORDINGS, a_paper, needs_recordings
from tests.matching.finding import found, matches
from tests.matching.strategies import RULES


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
def test_every_spelling_of_not_excludes(rule: str) -> None:
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
def test_a_field_is_the_only_place_searched(rule: str, where: str) -> None:
    papers = {
        "title": a_paper("quark"),
        "abstract": a_paper("x", "quark"),
        "author": a_paper("y", authors=("Quark",)),
        "category": a_paper("z", categories=("quark",)),
    }
    assert found(rule.format("quark"), *papers.values()) == [papers[where].title]


@pytest.mark.parametrize(
    ("rule", "categories"),
    [
        ("category:cs.*", ["cs.LG", "cs"]),
        ("category:math.*", ["math.PR"]),
        ("category:math", ["math.PR", "math-ph"]),
        ("category:stat.*", ["stat.ML"]),
        ("category:cond-mat.*", ["cond-mat.stat-mech"]),
        ("category:math-ph.*", ["math-ph"]),
    ],
)
def test_an_archive_matches_the_beginning_of_a_category(rule: str, categories: list[str]) -> None:
    everything = ["cs.LG", "cs", "math.PR", "math-ph", "stat.ML", "cond-mat.stat-mech", "physics.comp-ph"]
    papers = [a_paper(category, categories=(category,)) for category in everything]
    assert found(rule, *papers) == categories


def test_all_searches_every_field() -> None:
    papers = [
        a_paper("quark"),
        a_paper("x", "quark"),
        a_paper("y", authors=("Quark",)),
        a_paper("z", categories=("quark",)),
    ]
    assert len(found("all:quark", *papers)) == 4


def test_terms_without_a_field_do_not_search_authors_and_categories() -> None:
    assert not matches("quark", a_paper("x", authors=("Quark",), categories=("quark",)))


def test_a_field_binds_to_the_next_word_run_phrase_or_parenthesis() -> None:
    assert matches("title:mixed precision", "mixed precision")
    assert not matches("title:mixed precision", a_paper("mixed", "precision"))
    assert matches("title:(a1 OR b1) AND c1", a_paper("b1", "c1"))
    assert not matches('title:"a1" AND b1', a_paper("x", "a1 b1"))


def test_the_innermost_field_counts() -> None:
    assert matches("title:(a1 AND abs:b1)", a_paper("a1", "b1"))


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


def test_chinese_is_found_within_running_text() -> None:
    assert matches("扩散模型", "基于扩散模型的图像生成")
    assert matches("扩散*", "扩散模型")
    assert not matches("扩散模型", "模型扩散")
    assert matches("GPT模型", "使用 GPT 模型")


def test_a_kana_is_not_its_voiced_twin() -> None:
    assert matches("がん", "肺がんの診断")
    assert not matches("がん", "やかん")


def test_vowel_signs_are_part_of_a_word() -> None:
    assert matches("मॉडल", "भाषा मॉडल")
    assert not matches("मॉडल", "मडल")
    assert matches("मॉड*", "भाषा मॉडल")


@pytest.mark.parametrize("between", ["\0", "\x1b", "\u202e", "\u200f", "\u2028", "\x0b", "\x85"])
def test_controls_and_marks_of_direction_separate_words(between: str) -> None:
    assert len(parse_rules(f"deep{between}learning")) == 1
    assert matches(f"deep{between}learning", "deep learning")
    assert matches("deep learning", f"deep{between}learning")


def test_every_line_ending_is_accepted() -> None:
    assert [(rule.line, rule.text) for rule in parse_rules("a1\r\nb1\rc1\nd1")] == [
        (1, "a1"),
        (2, "b1"),
        (3, "c1"),
        (4, "d1"),
    ]


@pytest.mark.parametrize(
    ("rule", "title", "is_found"),
    [
        ("quasar", "Distant quasars", True),
        ("hierarch*", "Integrable hierarchies", True),
        ('"diffusion models"', "A diffusion model", False),
        ("low precision", "Low-Precision training", True),
        ("ai", "longcat.ai", True),
        ("ai", "He said", False),
    ],
)
def test_everyday_rules_find_what_readers_expect(rule: str, title: str, is_found: bool) -> None:
    assert matches(rule, title) is is_found


def test_universe_is_never_university() -> None:
    assert not matches("universe", "university")


def test_a_line_that_begins_with_a_dash_excludes_for_the_whole_profile() -> None:
    rules = "cats\ndogs\n-title:survey"
    assert found(rules, a_paper("cats"), a_paper("A survey of dogs")) == ["cats"]


def test_a_hash_begins_a_comment_at_the_start_and_after_a_space() -> None:
    rules = parse_rules('# pets\ncats # furry\nC#\n"a # b"')
    assert [rule.text for rule in rules] == ["cats", "C#", '"a # b"']


def test_a_weight_at_the_end_of_a_line_weighs_that_rule() -> None:
    assert [rule.weight for rule in parse_rules("cats^2.5\ndogs\nbirds ^ 100")] == [2.5, 1.0, 100.0]


def test_rules_know_their_lines() -> None:
    assert [(r.line, r.text, r.weight, r.excludes) for r in parse_rules("\n  cats ^2\n - dogs\n")] == [
        (2, "cats", 2.0, False),
        (3, "dogs", 1.0, True),
    ]


BAD = [
    ("cats AND", 1, 9, "expected a word, a phrase or ( before the end"),
    ("AND cats", 1, 1, "expected a word, a phrase or ( before 'AND'"),
    ("cats AND OR dogs", 1, 10, "expected a word, a phrase or ( before 'OR'"),
    ("(cats", 1, 6, "expected ) before the end"),
    ("cats)", 1, 5, "this ) has no matching ("),
    ("()", 1, 2, "expected a word, a phrase or ( before ')'"),
    ("title:", 1, 7, "expected a word, a phrase or ( before the end"),
    ("title:NOT x1", 1, 7, "expected a word, a phrase or ( before 'NOT'"),
    ('"cats" dogs', 1, 8, "expected AND, OR or NOT before 'dogs'"),
    ("cats title:dogs", 1, 6, "expected AND, OR or NOT before 'title:'"),
    ('cats "dogs', 1, 6, "this quotation mark is not closed"),
    ("cats -dogs", 1, 6, "expected AND, OR or NOT before 'dogs', not -"),
    ("ok\n  titel:cats", 2, 3, "no field titel:; did you mean title:? (quotes make it plain words)"),
    (
        'foo:"cats"',
        1,
        5,
        "no field foo:; fields are title: abstract: author: category: all: (quotes make it plain words)",
    ),
    ("–cats", 1, 1, "to exclude, begin the line with a plain -, not –"),
    ("— cats", 1, 1, "to exclude, begin the line with a plain -, not —"),
    ("cats -dogs", 1, 6, "to exclude it, write NOT or begin a line with a plain -"),
    ("cats ^2 OR dogs", 1, 6, "expected a weight at the end of the line only"),
    ("cats || dogs", 1, 6, "write OR for ||"),
    ("cats && dogs", 1, 6, "write AND for &&"),
    ("cats near/3 dogs", 1, 6, "NEAR is written in capitals"),
    ('"cats dogs"~3', 1, 12, "write a NEAR/3 b"),
    ("cat:cs.LG.*", 1, 5, "expected one archive before .*, as in cs.*"),
    ("dog_breed:poodle", 1, 1, "no field dog_breed:"),
    ("ok\n  ti:cats+AND+", 2, 3, "expected a word, a phrase or ( before the end"),
    ("NOT cats", 1, 1, "this matches papers that contain none of its words"),
    ("cats OR NOT dogs", 1, 1, "this matches papers that contain none of its words"),
    ("*", 1, 1, "expected at least two letters before *, as in quantiz*"),
    ("x*", 1, 2, "expected at least two letters before *, as in quantiz*"),
    ("qu*nt", 1, 3, "expected * at the end of a word only"),
    ("...", 1, 1, "there is no letter or digit in '...'"),
    ("cats^0", 1, 5, "expected a weight above 0 and at most 100 after ^, such as ^2"),
    ("cats^big", 1, 5, "expected a weight above 0"),
    ("cats^nan", 1, 5, "expected a weight above 0"),
    ("cats^inf", 1, 5, "expected a weight above 0"),
    ("cats^-1", 1, 5, "expected a weight above 0"),
    ("cats^1000000000", 1, 5, "expected a weight above 0"),
    ("cats^1e1", 1, 5, "expected a weight above 0"),
    ("cats^^2", 1, 6, "expected a weight above 0"),
    ("cats\n \ndogs^", 3, 5, "expected a weight above 0"),
    ("cats^2 dogs", 1, 5, "expected a weight at the end of the line only"),
    ("-cats^2", 1, 6, "a line that excludes has no weight"),
    ("-", 1, 2, "expected a word, a phrase or ( before the end"),
    ("(" * 60 + "cats" + ")" * 60 + " AND", 1, 129, "expected a word"),
    ("NOT " * 60 + "cats", 1, 1, "parentheses, fields and NOTs are nested deeper than 50"),
    ("(" * 10_000, 1, 10_001, "expected a word"),
    ("word " * 60, 1, 1, "a phrase of more than 50 words"),
    ("(" * 10_000 + "cats" + ")" * 10_000, 1, 1, "nested deeper than 50"),
    ("title:" * 10_000 + "cats", 1, 1, "nested deeper than 50"),
    ("word " * 60_000, 1, 1, "a phrase of more than 50 words"),
    ("cats" + " " * 300_000 + "AND", 1, 300_008, "expected a word, a phrase or ( before the end"),
    ("\0\u202e", 1, 1, "there is no letter or digit in"),
    ("x" * (MAX_CHARACTERS + 1), 1, 1, "the limit is 500,000"),
    ("cats\n" + " OR ".join(f"x{i}" for i in range(MAX_TERMS)), 2, 1, "more than 20,000 terms"),
]


@pytest.mark.parametrize(("rules", "line", "column", "reason"), BAD, ids=[b[0][:20] for b in BAD])
def test_a_bad_rule_is_an_error_with_line_column_and_what_was_expected(
    rules: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules(rules)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason


def error_of(text: str) -> RuleError | None:
    try:
        parse_rules(text)
    except RuleError as error:
        return error
    return None


@given(st.text() | st.text(st.sampled_from('ab ()"“”[]:^*-#/.,\n\0ti') | st.characters()))
def test_any_text_is_rules_or_an_error(text: str) -> None:
    error = error_of(text)
    if error is not None:
        assert error.line <= text.count("\n") + text.count("\r") + 1
        assert 1 <= error.column <= len(text) + 1
        assert "\n" not in str(error)


_PIECES = (
    'a1 b1 cats AND OR NOT ANDNOT NEAR NEAR/3 NEAR/x ( ) " “ ” title: au: all: cat: co: foo: x* * ^2 - # [tiab] [au]'
)


def _together(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(["", " "]).map(lambda between: between.join(pieces))


@given(st.lists(st.sampled_from([*_PIECES.split(), "[mesh]", '"a b"', "Hinton GE", "\n"])).flatmap(_together))
def test_pieces_of_rules_in_any_order_are_rules_or_an_error(text: str) -> None:
    error_of(text)


@given(RULES)
def test_every_construct_of_the_language_parses(rule: str) -> None:
    assert parse_rules(rule)[0].query == parse_query(rule)


def test_ten_thousand_rules_and_a_rule_of_ten_thousand_terms_parse() -> None:
    assert len(parse_rules("\n".join(f"word{i} AND b1" for i in range(10_000)))) == 10_000
    assert len(parse_rules(" OR ".join(f"deep word{i}" for i in range(10_000)))) == 1


@needs_recordings
def test_real_keyword_lists_parse_unchanged() -> None:
    lists = json.loads((RECORDINGS / "profiles/transcribed_profiles.json").read_text(encoding="utf-8"))
    lines = [line for one in lists for key in ("lines", "include") for line in one.get(key, [])]
    plain = [line for line in lines if "|" not in line]  # "resurgence | math.AG" is a syntax of their own
    assert len(plain) > 80
    assert len(parse_rules("\n".join(plain))) == len(plain)


@needs_recordings
def test_papers_found_by_hand_are_found() -> None:
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


# What took more than linear time: unclosed quotes, names before colons, white space, runs of marks, nesting, encoding.
_SLOW = (
    '(\n', "(", "a OR ", "ab*\n", "“", "„", '"', "“„«", "[", "a[", "^", "NOT ", "title:", "a: ", "eltit: OR ", "%22",
    "%2522", "search_query=", "#", "a # b\n", "\u0301", "a\u0301\u0323", "ﷺ", "中*", "as-as-as-as-as ",
    "tasks-sets-nets ", "\r", " ", "cats, ", "cats and ", "(a OR b) AND ", "all:a-b-c-d-e OR ", "category:cs.* OR ",
    "a[tiab] OR ", "\ud800", "😀 ", "x",
)  # fmt: skip
_SLOW_TEXTS = {unit: (unit * MAX_WRITTEN)[:MAX_WRITTEN] for unit in _SLOW} | {
    "an unknown field at the end": "c" * (MAX_WRITTEN - 4) + ' "x"',
    "white space in a category": f'category:"{" " * 9000}{"a" * 9000}"',
    "encoded but for a space": "%22" * 6600 + " x",
    "deep parentheses around much": "(" * 49 + " OR ".join(f"a{i}" for i in range(2500)) + ")" * 49,
}


@pytest.mark.parametrize("name", _SLOW_TEXTS)
def test_any_text_up_to_the_limit_is_read_or_refused_in_linear_time(name: str) -> None:
    text = _SLOW_TEXTS[name]
    begun = time.process_time()
    for read in (compile_rules, translate_query, list_hints):
        with suppress(RuleError):
            read(text)
    assert time.process_time() - begun < 4


@pytest.mark.parametrize("unit", ["(\n", "x", "cats\n"])
def test_rules_of_more_than_20000_characters_are_refused_before_they_are_read(unit: str) -> None:
    text = unit * 125_000
    begun = time.process_time()
    with pytest.raises(RuleError, match="more than 20,000 characters; shorten them") as caught:
        compile_rules(text)
    assert list_mistakes(text, caught.value) == [caught.value]
    assert time.process_time() - begun < 0.2


def test_reading_stops_at_twenty_mistakes() -> None:
    text = "cats\n(dogs\n" * 1000
    with pytest.raises(RuleError) as caught:
        compile_rules(text)
    mistakes = list_mistakes(text, caught.value)
    assert [mistake.line for mistake in mistakes] == list(range(2, 42, 2))
    assert len(mistakes) == MAX_MISTAKES


def test_a_message_does_not_repeat_a_word_of_any_length() -> None:
    for text in ("x" * 9000 + ":cats", "cats[" + "x" * 9000 + "]", "cats -" + "x" * 9000):
        with pytest.raises(RuleError) as caught:
            compile_rules(text)
        assert len(str(caught.value)) < 300

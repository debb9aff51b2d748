"""How text is split into words and folded."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text import COMPOUND, MARKS, WORD, cache_short, fold, normalize, readings, stem
from tests.matching.tokens import words

EVERY_CHARACTER = [chr(code) for code in range(0x110000)]
MIXED = st.text(
    st.sampled_from("aZ9 -–_.'é\u0308ßﬁΣא\u05b0مﷺहि\u094dกำคุ\u0e49한ᄒ\u1161中文かが\u3099ｶﾞー½㈠\u200d\u202e\0")
    | st.characters()
)


def spellings(text: str) -> list[str]:
    return [w.folded for w in words(text)]


def test_words_are_runs_of_letters_and_digits() -> None:
    assert spellings("longcat.ai said GPT4_mini") == ["longcat", "ai", "said", "gpt4", "mini"]


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Schrödinger", "schrodinger"),
        ("Møller", "moller"),
        ("Łojasiewicz", "lojasiewicz"),
        ("ＧＰＵ", "gpu"),
        ("ﬁeld", "field"),
    ],
)
def test_case_accents_strokes_width_and_ligatures_fold(written: str, folded: str) -> None:
    assert fold(written) == folded


def test_a_decomposed_accent_is_part_of_its_word() -> None:
    assert spellings("Schro\u0308dinger picture") == ["schrodinger", "picture"]


@pytest.mark.parametrize("word", ["लर्निंग", "ภาษาไทย", "العَرَبِيَّة", "বাংলা", "தமிழ்", "한국어", "עִבְרִית"])
def test_vowel_signs_and_points_belong_to_their_word(word: str) -> None:
    assert [w.end for w in words(word)] == [len(word)]


@pytest.mark.parametrize(
    ("written", "bare"), [("مُحَمَّد", "محمد"), ("שָׁלוֹם", "שלום"), ("λόγος", "λογοσ"), ("葛\U000e0100", "葛")]
)
def test_points_accents_and_variants_fold(written: str, bare: str) -> None:
    assert fold(written) == fold(bare)


@pytest.mark.parametrize(
    ("one", "other"), [("か", "が"), ("はは", "ばば"), ("कमल", "कमाल"), ("สด", "สุด"), ("ไม", "ไม้"), ("क", "क़")]
)
def test_marks_that_make_another_letter_do_not_fold(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize("written", ["が", "か\u3099", "\uff76\uff9e"])
def test_a_voiced_kana_is_one_word_however_it_is_written(written: str) -> None:
    assert len(words(written)) == 1


def test_every_han_ideograph_and_every_kana_is_a_word() -> None:
    assert spellings("GPT模型はデータ𠀀") == ["gpt", "模", "型", "は", "デ", "ー", "タ", "𠀀"]


def test_hangul_is_read_in_words() -> None:
    assert spellings("확산 모델") == ["확산", "모델"]


def test_controls_and_marks_of_direction_separate_words() -> None:
    assert spellings("ab\0cd\u202eef\u200fgh\u2028ij") == ["ab", "cd", "ef", "gh", "ij"]


def test_the_marks_are_those_of_unicode() -> None:
    marks = {c for c in EVERY_CHARACTER if unicodedata.category(c) in {"Mn", "Mc"}}
    assert set(re.findall(f"[{MARKS}]", "".join(EVERY_CHARACTER))) == marks


def test_every_character_that_is_a_word_folds_to_a_word() -> None:
    alone = [c for c in EVERY_CHARACTER if WORD.fullmatch(c)]
    assert [c for c in alone if not WORD.fullmatch(fold(c)) or fold(fold(c)) != fold(c)] == []


@given(MIXED)
def test_fold_is_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(MIXED)
def test_folding_does_not_change_the_words_of_a_text(text: str) -> None:
    folded = [fold(part) for part in WORD.findall(text)]
    assert [fold(part) for part in WORD.findall(" ".join(folded))] == folded


@given(MIXED)
def test_the_words_of_a_text_are_those_of_its_compounds_in_order(text: str) -> None:
    found = [(w.first, w.next, w.folded) for w in words(text)]
    position, expected = 0, []
    for run in COMPOUND.findall(text):
        app = words(run)
        expected += [(w.first + position, w.next + position, w.folded) for w in app]
        position += app[-1].next
    assert found == expected


def test_a_dashed_compound_reads_spaced_and_joined() -> None:
    found = [(w.folded, w.first, w.next) for w in words("audio-visual speech")]
    assert found == [("audio", 0, 1), ("audiovisual", 0, 2), ("visual", 1, 2), ("speech", 2, 3)]


@pytest.mark.parametrize("dash", ["-", "‐", "–", "—", "−", "--"])
def test_every_dash_makes_a_compound(dash: str) -> None:
    assert "wittenkontsevich" in spellings(f"Witten{dash}Kontsevich")


def test_a_dash_with_spaces_makes_no_compound() -> None:
    assert spellings("audio - visual") == ["audio", "visual"]


def test_offsets_cut_the_word_out_of_the_shown_text() -> None:
    text = "Über 𝛼-stable Lévy–Khintchine noise"
    cut = {w.folded: text[w.start : w.end] for w in words(text)}
    assert cut["uber"] == "Über"
    assert cut["levykhintchine"] == "Lévy–Khintchine"
    assert cut["noise"] == "noise"


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("models", "model"), ("studies", "study"), ("classes", "class"), ("boxes", "box"), ("approaches", "approach"),
        ("caches", "cache"), ("matrices", "matrix"), ("analyses", "analysis"), ("gpus", "gpu"), ("llms", "llm"),
        ("movies", "movie"), ("databases", "database"), ("biases", "bias"), ("viruses", "virus"), ("trees", "tree"),
    ],
)  # fmt: skip
def test_plural_endings_fold(plural: str, singular: str) -> None:
    assert stem(plural) == stem(singular)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("universe", "university"),
        ("prune", "pruning"),
        ("virus", "viru"),
        ("class", "clas"),
        ("gas", "ga"),
        ("bus", "bu"),
    ],
)
def test_nothing_but_plurals_folds(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@given(
    st.text("aeisxchmtrud", max_size=9)
    | st.from_regex(r"[a-z]{0,4}(sses|xes|aies|eies|ies|ie|us|ss|s){1,3}", fullmatch=True)
)
def test_a_stem_is_its_own_stem(word: str) -> None:
    assert stem(stem(word)) == stem(word)
    assert bool(stem(word)) == bool(word)


def test_readings_of_a_compound_in_a_rule() -> None:
    assert readings("multi-task x") == [("multi", "task", "x"), ("multitask", "x")]


def test_the_number_of_readings_is_limited_for_many_dashes() -> None:
    assert len(readings("-".join("abcdefghijkl"))) == 2
    assert len(readings(" ".join(["a-b"] * 40))) <= 128


def test_a_text_without_words_has_no_reading() -> None:
    assert readings("*** -- ?") == []


def test_normalize_makes_two_spellings_of_a_title_equal() -> None:
    assert normalize("Schrödinger’s  cat: A re-view") == normalize("SCHRODINGER's cat -- a re view")


def test_only_results_for_short_texts_are_kept() -> None:
    calls: list[int] = []

    @cache_short(10)
    def measure(text: str, *, twice: bool) -> int:
        calls.append(len(text))
        return len(text) * (2 if twice else 1)

    assert [measure("x" * length, twice=True) for length in (200, 200, 201, 201)] == [400, 400, 402, 402]
    assert calls == [200, 201, 201]


def test_thousands_of_marks_on_a_letter_are_folded_in_linear_time() -> None:
    begun = time.process_time()
    folded = fold("a" + "\N{COMBINING DOT BELOW}\N{COMBINING ACUTE ACCENT}" * 50_000)
    assert time.process_time() - begun < 2
    assert fold(folded) == folded == "a"

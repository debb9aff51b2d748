"""How text is read as words."""

import pytest

from digest.text import fold, plain, readings, stem, words, words_of_list


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


def test_a_phrase_cannot_reach_from_one_list_item_into_the_next() -> None:
    song, han = words_of_list(["Song", "Han"], separator=", ")
    assert song.next != han.first
    assert "Song, Han"[han.start : han.end] == "Han"


def test_readings_of_a_compound_in_a_rule() -> None:
    assert readings("multi-task x") == [("multi", "task", "x"), ("multitask", "x")]


def test_readings_stay_few_however_many_dashes_there_are() -> None:
    assert len(readings("-".join("abcdefghijkl"))) == 2
    assert len(readings(" ".join(["a-b"] * 40))) <= 128


def test_a_text_without_words_has_no_reading() -> None:
    assert readings("*** -- ?") == []


def test_plain_makes_two_spellings_of_a_title_one() -> None:
    assert plain("Schrödinger’s  cat: A re-view") == plain("SCHRODINGER's cat -- a re view")

"""Words: how this project reads text, in papers and in rules alike.

A word is a run of letters and digits with their marks (accents, vowel signs); a Han ideograph or a kana is a word of
its own, because those scripts put no spaces between words. Everything else separates. Case and accents fold everywhere,
plural endings only where the reader asks for them (`stem`). A compound written with a dash is a small lattice, because
each of its dashes may stand for a space or for nothing: `audio-visual` reads as `audio visual` and as `audiovisual`.

Offsets are code points into the text as it is shown.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

# Where Unicode keeps its marks; a test holds that there are no others.
_BLOCKS_WITH_MARKS = (
    (0x0300, 0x3100), (0xA660, 0xAC00), (0xFB1E, 0xFB1F), (0xFE00, 0xFE30), (0x101FD, 0x12000), (0x16100, 0x16200),
    (0x16A00, 0x17000), (0x1BC00, 0x1BD00), (0x1CF00, 0x1D250), (0x1DA00, 0x1DAB0), (0x1E000, 0x1E950),
    (0xE0100, 0xE01F0),
)  # fmt: skip


def _marks() -> str:
    """The marks that stand on or beside a letter (categories Mn and Mc), as ranges of a character class."""
    ranges: list[list[int]] = []
    for begin, end in _BLOCKS_WITH_MARKS:
        for code in range(begin, end):
            if unicodedata.category(chr(code)) in {"Mn", "Mc"}:
                if ranges and ranges[-1][1] == code - 1:
                    ranges[-1][1] = code
                else:
                    ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


MARKS = _marks()
_DASHES = "\\-\u00ad\u2010-\u2015\u2212"
_VOICING = "\uff9e\uff9f"  # halfwidth voicing marks: letters to Unicode, but they only stand behind a kana
_HALFWIDTH_KANA = "\uff66-\uff9d"
_HAN_AND_KANA = (
    "\u3005\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# Letters and digits to Unicode, but what they stand for is not: numbers in brackets and kanbun marks, two ligatures of
# kana, Arabic vowel signs that stand alone.
_NO_WORDS = (
    "\u309f\u30ff\u3192-\u3195\u3220-\u3229\u3280-\u3289\ufc5e-\ufc63\ufe70\ufe72\ufe74\ufe76\ufe78\ufe7a\ufe7c\ufe7e"
)

_ASCII = "[0-9A-Za-z]++"
_LETTER = f"[^\\W_{_HAN_AND_KANA}{_HALFWIDTH_KANA}{_VOICING}{_NO_WORDS}]"
_LETTERS = f"(?:{_LETTER}++[{MARKS}]*+)++"
_CHARACTER = f"(?:[{_HAN_AND_KANA}]|[{_HALFWIDTH_KANA}][{_VOICING}]?)(?<=\\w)[{MARKS}]*+"

# Each begins with what nearly every word is: ASCII, with nothing behind it that could belong to it.
WORD = re.compile(f"{_ASCII}(?![^\0-\x7f])|{_LETTERS}|{_CHARACTER}")  # a word
COMPOUND = re.compile(  # a word, or a compound of words
    f"{_ASCII}(?![^\0-,.-\x7f])|{_LETTERS}(?:[{_DASHES}]{{1,3}}{_LETTERS})*+|{_CHARACTER}"
)

# More parts than this and a "compound" is a table or an attack; its inner joins are left out.
_MAX_JOINED_PARTS = 6

# Letters whose stroke or ligature Unicode does not decompose.
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)

# Plurals that the endings below would fold wrongly, or not at all.
_IRREGULAR = {
    "analyses": "analysis",
    "axes": "axis",
    "biases": "bias",
    "buses": "bus",
    "caches": "cache",
    "consensuses": "consensus",
    "corpora": "corpus",
    "corpuses": "corpus",
    "cpus": "cpu",
    "crises": "crisis",
    "criteria": "criterion",
    "genera": "genus",
    "genuses": "genus",
    "gpus": "gpu",
    "hypotheses": "hypothesis",
    "indices": "index",
    "lenses": "lens",
    "matrices": "matrix",
    "minima": "minimum",
    "maxima": "maximum",
    "menus": "menu",
    "niches": "niche",
    "npus": "npu",
    "nuclei": "nucleus",
    "parentheses": "parenthesis",
    "phenomena": "phenomenon",
    "simplices": "simplex",
    "spectra": "spectrum",
    "statuses": "status",
    "stimuli": "stimulus",
    "syntheses": "synthesis",
    "theses": "thesis",
    "tpus": "tpu",
    "vertices": "vertex",
    "viruses": "virus",
}


# Marks that are dropped: accents and the vowel points of Hebrew, Arabic and Syriac. The others are as good as letters:
# vowel signs, nuktas, viramas, the voicing of kana, the tones of Thai.
_POINTS = frozenset({1, *range(10, 37), *range(200, 255)})  # canonical combining classes
_INVISIBLE = frozenset({0x034F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)})
_NOT_OF_A_WORD = re.compile(f"^[{MARKS}]+|[^\\w{MARKS}]+|_+")


def fold(word: str) -> str:
    """Case, accents, ligatures and width folded: `Schrödinger` and `SCHRODINGER` are one.

    The result holds letters, digits and marks only, is not empty where `word` is a word, and folds to itself.
    """
    if word.isascii():
        lowered = word.lower()
        return lowered if lowered.isalnum() else _NOT_OF_A_WORD.sub("", lowered)
    return _fold_any(word)


@lru_cache(maxsize=65536)
def _fold_any(word: str) -> str:
    folded, before = _fold_once(word), word
    while folded != before:  # what one kind of folding leaves, another may reach: fold is idempotent
        folded, before = _fold_once(folded), folded
    return folded


def _fold_once(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
    bare = "".join(c for c in decomposed if unicodedata.combining(c) not in _POINTS and ord(c) not in _INVISIBLE)
    return _NOT_OF_A_WORD.sub("", unicodedata.normalize("NFC", bare.translate(_UNDECOMPOSED)))


@lru_cache(maxsize=65536)
def stem(folded: str) -> str:
    """The word without its plural ending, after Harman's S-stemmer ("How effective is suffixing?", JASIS 42, 1991).

    Mended where research text needs it: `classes`, `boxes`, `matrices`, `GPUs`, `analyses`. Nothing but plurals folds.
    A stem is its own stem.
    """
    stemmed, before = _without_ending(folded), folded
    while stemmed != before:
        stemmed, before = _without_ending(stemmed), stemmed
    return stemmed


def _without_ending(folded: str) -> str:
    word = _IRREGULAR.get(folded, folded)
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("ie") and len(word) > 4:  # movie: so that movies folds to the same
        return word[:-2] + "y"
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def compound_words(parts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """How a compound's folded parts read as words: (first part, one behind the last, the word)."""
    for i in range(len(parts)):
        joined = ""
        for j in range(i, min(i + _MAX_JOINED_PARTS, len(parts))):
            joined += parts[j]
            yield i, j + 1, joined


def readings(text: str) -> list[tuple[str, ...]]:
    """Every way to read `text` as a sequence of folded words: one, unless it holds compounds.

    Each dash is a space or nothing. Beyond four dashes only all spaces and all joined are given.
    """
    sequences: list[tuple[str, ...]] = [()]
    dashes = 0
    for run in COMPOUND.finditer(text):
        parts = [fold(m.group()) for m in WORD.finditer(run.group())]
        dashes += len(parts) - 1
        ways = _ways_to_join(parts) if dashes <= 4 else [tuple(parts), ("".join(parts),)]
        sequences = [s + way for s in sequences for way in ways]
        if len(sequences) > 64:
            sequences = [sequences[0], sequences[-1]]
    return [s for s in sequences if s]


def _ways_to_join(parts: list[str]) -> list[tuple[str, ...]]:
    """[a, b] -> (a, b), (ab,): all spaced first, all joined last."""
    ways: list[tuple[str, ...]] = [(parts[0],)]
    for part in parts[1:]:
        ways = [(*way, part) for way in ways] + [(*way[:-1], way[-1] + part) for way in ways]
    return ways


def normalize(text: str) -> str:
    """The folded words of `text` with one space between them: what two spellings of one title have in common."""
    return " ".join(fold(m.group()) for m in WORD.finditer(text))

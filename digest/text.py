"""Splits and folds text into words, in papers and in rules.

A word is a run of letters and digits with their marks (accents, vowel signs). A Han ideograph or a kana is a word by
itself, because these scripts put no spaces between words. Everything else separates words. `fold` removes case and
accents, `stem` plural endings. In a compound, each dash may stand for a space or for nothing: `audio-visual` reads as
`audio visual` and as `audiovisual`.

Offsets are code points in the text as it is shown.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, wraps
from itertools import chain
from typing import Any, Concatenate, ParamSpec, TypeVar

# The Unicode blocks that contain marks: only these are scanned at import. A test checks that none is missing.
_BLOCKS_WITH_MARKS = (
    (0x0300, 0x3100), (0xA660, 0xAC00), (0xFB1E, 0xFB1F), (0xFE00, 0xFE30), (0x101FD, 0x12000), (0x16100, 0x16200),
    (0x16A00, 0x17000), (0x1BC00, 0x1BD00), (0x1CF00, 0x1D250), (0x1DA00, 0x1DAB0), (0x1E000, 0x1E950),
    (0xE0100, 0xE01F0),
)  # fmt: skip


def _marks() -> str:
    """Return the marks on or beside letters (categories Mn and Mc) as ranges of a character class."""
    ranges: list[list[int]] = []
    for code in chain.from_iterable(range(begin, end) for begin, end in _BLOCKS_WITH_MARKS):
        if unicodedata.category(chr(code)) in {"Mn", "Mc"}:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


MARKS = _marks()
DASHES = "\\-\u00ad\u2010-\u2015\u2212"
_VOICING = "\uff9e\uff9f"  # halfwidth voicing marks: letters to Unicode, but they only follow a kana
_HALFWIDTH_KANA = "\uff66-\uff9d"
_HAN_AND_KANA = (
    "\u3005\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
# Letters and digits to Unicode, but they fold to something else: numbers in brackets and kanbun marks, two ligatures of
# kana, isolated Arabic vowel signs.
_NO_WORDS = (
    "\u309f\u30ff\u3192-\u3195\u3220-\u3229\u3280-\u3289\ufc5e-\ufc63\ufe70\ufe72\ufe74\ufe76\ufe78\ufe7a\ufe7c\ufe7e"
)

_ASCII = "[0-9A-Za-z]++"
_LETTER = f"[^\\W_{_HAN_AND_KANA}{_HALFWIDTH_KANA}{_VOICING}{_NO_WORDS}]"
_LETTERS = f"(?:{_LETTER}++[{MARKS}]*+)++"
_CHARACTER = f"(?:[{_HAN_AND_KANA}]|[{_HALFWIDTH_KANA}][{_VOICING}]?)(?<=\\w)[{MARKS}]*+"

# The first alternative matches nearly every word, and fast: ASCII, followed by nothing that could belong to the word.
WORD = re.compile(f"{_ASCII}(?![^\0-\x7f])|{_LETTERS}|{_CHARACTER}")  # a word
COMPOUND = re.compile(  # a word, or a compound of words
    f"{_ASCII}(?![^\0-,.-\x7f])|{_LETTERS}(?:[{DASHES}]{{1,3}}{_LETTERS})*+|{_CHARACTER}"
)

_LONGEST_CACHED = 200  # characters

# A "compound" of more parts is a table or an attack: joins of more parts than this are left out.
_MAX_JOINED_PARTS = 6

# Letters whose stroke or ligature Unicode does not decompose.
_UNDECOMPOSED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)

# Plurals that the rules in _without_ending would fold wrongly, or not at all.
_IRREGULAR = {
    "analyses": "analysis", "axes": "axis", "biases": "bias", "buses": "bus", "caches": "cache",
    "consensuses": "consensus", "corpora": "corpus", "corpuses": "corpus", "cpus": "cpu", "crises": "crisis",
    "criteria": "criterion", "genera": "genus", "genuses": "genus", "gpus": "gpu", "hypotheses": "hypothesis",
    "indices": "index", "lenses": "lens", "matrices": "matrix", "minima": "minimum", "maxima": "maximum",
    "menus": "menu", "niches": "niche", "npus": "npu", "nuclei": "nucleus", "parentheses": "parenthesis",
    "phenomena": "phenomenon", "simplices": "simplex", "spectra": "spectrum", "statuses": "status",
    "stimuli": "stimulus", "syntheses": "synthesis", "theses": "thesis", "tpus": "tpu", "vertices": "vertex",
    "viruses": "virus",
}  # fmt: skip

# Marks that are dropped: accents and the vowel points of Hebrew, Arabic and Syriac. The others distinguish words as
# letters do: vowel signs, nuktas, viramas, the voicing of kana, the tones of Thai.
_POINTS = frozenset({1, *range(10, 37), *range(200, 255)})  # canonical combining classes
_INVISIBLE = frozenset({0x034F, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)})
_NOT_OF_A_WORD = re.compile(f"^[{MARKS}]+|[^\\w{MARKS}]+|_+")

# More marks on one letter than any language writes (Unicode Standard Annex 15, 13: stream-safe text). Normalising sorts
# them, which takes time that is quadratic in their number.
_SUPERFLUOUS_MARKS = re.compile(f"(?<=[{MARKS}]{{30}})[{MARKS}]+")


P = ParamSpec("P")
R = TypeVar("R")


def cache_short(size: int) -> Callable[[Callable[Concatenate[str, P], R]], Callable[Concatenate[str, P], R]]:
    """Return a decorator that remembers the results of a function for the last `size` short texts.

    Long texts are words of no language or attacks, and thousands of them would fill the memory.
    """

    def decorate(function: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str, P], R]:
        cached: Any = lru_cache(size)(function)

        @wraps(function)
        def call(text: str, /, *given: P.args, **named: P.kwargs) -> R:
            result: R = (cached if len(text) <= _LONGEST_CACHED else function)(text, *given, **named)
            return result

        return call

    return decorate


def fold(word: str) -> str:
    """Return the word with case, accents, ligatures and width folded: `Schrödinger` and `SCHRODINGER` become equal.

    The result contains only letters, digits and marks, is not empty if `word` is a word, and folds to itself.
    """
    if word.isascii():
        lowered = word.lower()
        return lowered if lowered.isalnum() else _NOT_OF_A_WORD.sub("", lowered)
    return _fold_any(word)


@cache_short(65536)
def _fold_any(word: str) -> str:
    while True:  # until nothing changes, so that a folded word folds to itself
        word = _SUPERFLUOUS_MARKS.sub("", word)
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", word).casefold())
        bare = "".join(c for c in decomposed if unicodedata.combining(c) not in _POINTS and ord(c) not in _INVISIBLE)
        folded = _NOT_OF_A_WORD.sub("", unicodedata.normalize("NFC", bare.translate(_UNDECOMPOSED)))
        if folded == word:
            return word
        word = folded


@cache_short(65536)
def stem(folded: str) -> str:
    """Return the word without its plural ending.

    Harman's S-stemmer ("How effective is suffixing?", JASIS 42, 1991), corrected for words of research texts such as
    `classes`, `boxes`, `matrices`, `GPUs` and `analyses`. Changes nothing but plurals. A stem is its own stem.
    """
    while (stemmed := _without_ending(folded)) != folded:
        folded = stemmed
    return folded


def _without_ending(folded: str) -> str:
    word = _IRREGULAR.get(folded, folded)
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("ie") and len(word) > 4:  # movie becomes movy, as movies does
        return word[:-2] + "y"
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def compound_words(parts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield each way to join neighbouring parts of a compound: (first part, one after the last part, the word)."""
    for i in range(len(parts)):
        joined = ""
        for j in range(i, min(i + _MAX_JOINED_PARTS, len(parts))):
            joined += parts[j]
            yield i, j + 1, joined


def readings(text: str) -> list[tuple[str, ...]]:
    """Return every way to read `text` as a sequence of folded words: one, unless it contains compounds.

    Each dash is a space or nothing. The ways double with each dash, so after four dashes a compound is read only with
    all its dashes as spaces and with all as nothing.
    """
    sequences: list[tuple[str, ...]] = [()]
    dashes = 0
    for compound in COMPOUND.finditer(text):
        parts = [fold(m.group()) for m in WORD.finditer(compound.group())]
        dashes += len(parts) - 1
        ways = [tuple(parts), ("".join(parts),)]
        if dashes <= 4:
            ways = [(parts[0],)]
            for part in parts[1:]:  # all separate first, all joined last
                ways = [(*way, part) for way in ways] + [(*way[:-1], way[-1] + part) for way in ways]
        sequences = [s + way for s in sequences for way in ways]
        if len(sequences) > 64:
            sequences = [sequences[0], sequences[-1]]
    return [s for s in sequences if s]


def printable_line(text: str) -> str:
    """Return text on one line, without characters that cannot be printed."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def shortened(text: str, most: int) -> str:
    """Return at most `most` characters of a text; an ellipsis shows that there are more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def listed(names: Sequence[str], most: int) -> str:
    """Return the first `most` names, with commas between them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def normalize(text: str) -> str:
    """Return the folded words of `text` with one space between them: equal for two spellings of the same title."""
    return " ".join(fold(m.group()) for m in WORD.finditer(text))

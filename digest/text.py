"""Words: how this project reads text, in papers and in rules alike.

A word is a run of letters and digits. Case and accents fold everywhere, plural endings only where the reader asks for
them (`stem`). A compound written with a dash is a small lattice, because each of its dashes may stand for a space or
for nothing: `audio-visual` reads as `audio visual` and as `audiovisual`.

Offsets are code points into the text as it is shown.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

_DASHES = "\\-\u00ad\u2010-\u2015\u2212"
_LETTER = "[^\\W_][\u0300-\u036f]*"
_WORD = f"(?:{_LETTER})+"
_RUN = re.compile(f"{_WORD}(?:[{_DASHES}]{{1,3}}{_WORD})*")
_PART = re.compile(_WORD)

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


@dataclass(frozen=True, slots=True)
class Word:
    """One reading of a stretch of text as a word.

    `first` and `next` are positions in the text's word lattice: the word that follows this one starts at `next`.
    A compound of n parts takes n positions; its joined readings go from their first part to behind their last.
    """

    first: int
    next: int
    start: int  # offsets into the shown text
    end: int
    folded: str
    stem: str


def fold(text: str) -> str:
    """Case, accents, ligatures and width folded: `Schrödinger` and `SCHRODINGER` are one."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return bare.translate(_UNDECOMPOSED)


@lru_cache(maxsize=65536)
def stem(folded: str) -> str:
    """The word without its plural ending, after Harman's S-stemmer ("How effective is suffixing?", JASIS 42, 1991).

    Mended where research text needs it: `classes`, `boxes`, `matrices`, `GPUs`, `analyses`. Nothing but plurals folds.
    """
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


def words(text: str, *, offset: int = 0, position: int = 0) -> list[Word]:
    """Every reading of `text` as words, sorted by `first`, shorter readings first.

    `offset` and `position` are added, so that several texts (authors) can be laid behind one another. O(characters).
    """
    found: list[Word] = []
    for run in _RUN.finditer(text):
        parts = [(m.start(), m.end()) for m in _PART.finditer(text, run.start(), run.end())]
        folded = [fold(text[a:b]) for a, b in parts]
        for i, (start, _) in enumerate(parts):
            joined = ""
            for j in range(i, min(i + _MAX_JOINED_PARTS, len(parts))):
                joined += folded[j]
                word = Word(position + i, position + j + 1, start + offset, parts[j][1] + offset, joined, stem(joined))
                found.append(word)
        position += len(parts)
    return found


def words_of_list(texts: Iterable[str], *, separator: str) -> list[Word]:
    """The words of a list as shown joined by `separator`; no phrase reaches from one item into the next."""
    found: list[Word] = []
    offset = position = 0
    for text in texts:
        found += words(text, offset=offset, position=position)
        position = (found[-1].next if found else position) + 1
        offset += len(text) + len(separator)
    return found


def readings(text: str) -> list[tuple[str, ...]]:
    """Every way to read `text` as a sequence of folded words: one, unless it holds compounds.

    Each dash is a space or nothing. Beyond four dashes only all spaces and all joined are given.
    """
    sequences: list[tuple[str, ...]] = [()]
    dashes = 0
    for run in _RUN.finditer(text):
        parts = [fold(m.group()) for m in _PART.finditer(run.group())]
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


def plain(text: str) -> str:
    """The folded words of `text` with one space between them: what two spellings of one title have in common."""
    return " ".join(fold(m.group()) for m in _PART.finditer(text))

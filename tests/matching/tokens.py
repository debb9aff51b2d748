"""A reference tokeniser, written as plainly as possible. digest.matching.engine.corpus must agree with it."""

from dataclasses import dataclass

from digest.text import COMPOUND, WORD, compound_words, fold, stem


@dataclass(frozen=True, slots=True)
class Word:
    """One way to read a stretch of text as a word.

    `first` and `next` are positions in the text: the word that follows this one starts at `next`. A compound of n parts
    takes n positions, and a word joined from some of its parts extends over theirs.
    """

    first: int
    next: int
    start: int  # offsets into the shown text
    end: int
    folded: str
    stem: str


def words(text: str) -> list[Word]:
    """Returns every token of `text`, sorted by `first`, shorter ones first."""
    found: list[Word] = []
    position = 0
    for run in COMPOUND.finditer(text):
        spans = [part.span() for part in WORD.finditer(text, *run.span())]
        for i, j, word in compound_words([fold(text[start:end]) for start, end in spans]):
            found.append(Word(position + i, position + j, spans[i][0], spans[j - 1][1], word, stem(word)))
        position += len(spans)
    return found

"""Papers as arrays of words, read once, for any number of indexes to look through.

Every title, abstract, author and category is a text of its own: positions run on through all texts, with one that holds
no word between two of them, so that nothing is found across. A reading is one way to read a stretch as a word
(`text.Word`): a compound has several, and beside it stand those of its parts.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from digest.matching.engine.ragged import Ints, Longs, pointer, rows, spread
from digest.matching.language.query import ARCHIVE
from digest.matching.ranking import precedence
from digest.models import Field, Paper
from digest.text import COMPOUND, WORD, compound_words, fold, stem

FIELDS = tuple(Field)  # a field's number is its place here
TITLE, CATEGORY = FIELDS.index(Field.TITLE), FIELDS.index(Field.CATEGORY)

_BEGINNING = "\0"  # before a category's first run, which is read as its archive too

_WORDS_BETWEEN = 500  # two calls of `on_progress`

_SEPARATOR = ", "  # as Paper.text_of joins authors and categories


class _Runs(dict[str, int]):
    """Numbers every distinct run of characters between two spaces, and remembers how it reads."""

    def __init__(self, word_ids: dict[str, int]) -> None:
        super().__init__()
        self._word_ids = word_ids
        self._words: list[int] = []  # by run: its only word; of compounds the first reading's
        self._compounds: dict[int, list[tuple[int, int, int]]] = {}  # by run: (first, next, word) of its readings

    def __missing__(self, run: str) -> int:
        number = self[run] = len(self)
        ids = self._word_ids
        if run[0] == _BEGINNING:
            parts = [fold(part) for part in WORD.findall(run)]
            archive = 0, len(parts), ids.setdefault("-".join(parts) + ARCHIVE, len(ids))
            readings = [(i, j, ids.setdefault(word, len(ids))) for i, j, word in compound_words(parts)]
            self._compounds[number] = [archive, *readings]
            self._words.append(archive[2])
        elif run.isalnum():  # one word, as the most are by far
            folded = fold(run)
            self._words.append(ids.setdefault(folded, len(ids)))
        else:
            parts = [fold(part) for part in WORD.findall(run)]
            readings = [(i, j, ids.setdefault(word, len(ids))) for i, j, word in compound_words(parts)]
            self._compounds[number] = readings
            self._words.append(readings[0][2])
        return number

    def shapes(self) -> tuple[Longs, Longs, Ints, Ints, Ints]:
        """By run: how many positions it takes, and a pointer into the readings: first, next (from 0), word."""
        compounds = np.fromiter(self._compounds, np.int64, len(self._compounds))
        positions = np.ones(len(self), np.int64)
        positions[compounds] = [readings[-1][1] for readings in self._compounds.values()]
        counts = np.ones(len(self), np.int64)
        counts[compounds] = [len(readings) for readings in self._compounds.values()]
        of = pointer(counts)
        first, following = np.zeros(of[-1], np.int32), np.ones(of[-1], np.int32)
        word = np.empty(of[-1], np.int32)
        word[of[:-1]] = self._words
        flat = np.array([r for some in self._compounds.values() for r in some], np.int32).reshape(-1, 3)
        each = spread(of[compounds], counts[compounds])
        first[each], following[each], word[each] = flat.T
        return positions, of, first, following, word


class Corpus:
    """Papers, tokenised. Immutable; safe to share between threads.

    Arrays by reading, in the order of the texts: `word` (number in `words`), `first` and `next` (positions), `text`.
    By text: `paper`, `field`, `text_reading` (pointer: the readings of each). By position: `reading_at` (pointer: the
    readings that begin there). By word: `by_word` under the pointer `of_word` (its readings, ascending).
    """

    def __init__(self, papers: Sequence[Paper], *, on_progress: Callable[[], None] = lambda: None) -> None:
        """O(characters). `on_progress` is called again and again, for who has to let others have their turn."""
        self.papers = papers
        self.words: dict[str, int] = {}
        runs = _Runs(self.words)
        tokens, tokens_of = array("i"), array("i")
        paper, field = array("i"), array("b")
        for column, one in enumerate(papers):
            on_progress()
            for number, text in _texts(one):
                found = COMPOUND.findall(text)
                if number == CATEGORY and found:
                    found[0] = _BEGINNING + found[0]
                tokens.extend(map(runs.__getitem__, found))
                tokens_of.append(len(found))
                paper.append(column)
                field.append(number)
        self.paper: Ints = np.array(paper, np.int32)
        self.field = np.array(field, np.int8)
        self._lay_out(np.array(tokens, np.int32), np.array(tokens_of, np.int64), runs)
        self._sort_by_word()
        self._spans: dict[int, tuple[array[int], array[int]]] = {}  # of the texts that somebody asked for
        self.stems: dict[str, list[int]] = {}
        for folded, number in self.words.items():
            if not number % _WORDS_BETWEEN:
                on_progress()
            self.stems.setdefault(stem(folded), []).append(number)

    def __len__(self) -> int:
        return len(self.papers)

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each paper, by id."""
        return {paper.id: column for column, paper in enumerate(self.papers)}

    @cached_property
    def by_precedence(self) -> Ints:
        """The columns of all papers, the one that comes first among equals first."""
        return np.array(sorted(range(len(self)), key=lambda column: precedence(self.papers[column])), np.int32)

    @cached_property
    def spellings(self) -> list[str]:
        """Every word, sorted: those with the same beginning lie together."""
        return sorted(self.words)

    def _lay_out(self, tokens: Ints, tokens_of: Longs, runs: _Runs) -> None:
        positions, readings_of, first, following, word = runs.shapes()
        text_of_token = np.repeat(np.arange(len(tokens_of), dtype=np.int32), tokens_of)
        begin = pointer(positions[tokens])[:-1] + text_of_token
        each, counts = rows(readings_of, tokens)
        begin = np.repeat(begin.astype(np.int32), counts)
        self.first: Ints = begin + first[each]
        self.next: Ints = begin + following[each]
        self.word: Ints = word[each]
        self.text: Ints = np.repeat(text_of_token, counts)
        last = int(self.next.max(initial=0))
        self.reading_at = pointer(np.bincount(self.first, minlength=last + 1))
        self.text_reading = pointer(np.bincount(self.text, minlength=len(tokens_of)))

    def _sort_by_word(self) -> None:
        keys = (self.word.astype(np.int64) << 32) | np.arange(len(self.word))
        keys.sort()
        self.by_word = (keys & 0xFFFFFFFF).astype(np.int32)
        self.of_word = pointer(np.bincount(self.word, minlength=len(self.words)))

    def shown(self, begin: int, end: int) -> tuple[Field, int, int]:
        """Where the stretch from one reading to another (both included) is shown: field, offsets into its text."""
        text = int(self.text[begin])
        before = int(self.first[self.text_reading[text]])
        starts, ends = self._spans_of(text)
        return FIELDS[self.field[text]], starts[self.first[begin] - before], ends[self.next[end] - 1 - before]

    def _spans_of(self, text: int) -> "tuple[array[int], array[int]]":
        """Where the words of a text start and end, one a position: offsets into its field's text as shown."""
        if text not in self._spans:
            column = int(self.paper[text])
            texts = list(_texts(self.papers[column]))[: text - int(np.searchsorted(self.paper, column)) + 1]
            number, written = texts.pop()
            offset = sum(len(other) + len(_SEPARATOR) for field, other in texts if field == number)
            spans = [found.span() for found in WORD.finditer(written)]
            starts, ends = (array("i", (offset + span[side] for span in spans)) for side in (0, 1))
            self._spans[text] = starts, ends
        return self._spans[text]


def _texts(paper: Paper) -> Iterator[tuple[int, str]]:
    """(field number, text): what a phrase may not reach out of."""
    yield TITLE, paper.title
    yield FIELDS.index(Field.ABSTRACT), paper.abstract
    for name in paper.authors:
        yield FIELDS.index(Field.AUTHOR), name
    for name in paper.categories:
        yield FIELDS.index(Field.CATEGORY), name

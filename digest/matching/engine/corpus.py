"""Papers as arrays of tokens with an inverted index, read once for any number of profile indexes.

Each title, abstract, author and category is a text of its own. Positions are numbered through all texts, with one empty
position between two of them, so that no phrase is found across texts. A token is one way to read a stretch of text as a
word: a compound such as `audio-visual` has one token for each of its parts and one for each way to join them.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from digest.matching.engine.ragged import Ints, Longs, concatenated_ranges, indices_of_rows, row_offsets
from digest.matching.language.query import ARCHIVE
from digest.matching.ranking import precedence
from digest.models import Field, Paper
from digest.text import COMPOUND, WORD, compound_words, fold, stem

FIELDS = tuple(Field)  # a field's number is its place here
TITLE, CATEGORY = FIELDS.index(Field.TITLE), FIELDS.index(Field.CATEGORY)

_CATEGORY_START = "\0"  # marks a category's first run, which has a token for its archive, too
_WORDS_BETWEEN = 500  # two calls of `on_progress`
_SEPARATOR = ", "  # as in Paper.text_of, between authors and between categories


class _Runs(dict[str, int]):
    """Numbers each distinct run (a word or compound, as written) and remembers its tokens.

    Texts repeat the same runs, so folding and splitting happen once per distinct run instead of once per occurrence.
    """

    def __init__(self, word_ids: dict[str, int]) -> None:
        super().__init__()
        self._word_ids = word_ids
        self._words: list[int] = []  # by run: its only word, or the word of a compound's first token
        self._compounds: dict[int, list[tuple[int, int, int]]] = {}  # by run: (first, next, word) of its tokens

    def __missing__(self, run: str) -> int:
        number = self[run] = len(self)
        ids = self._word_ids
        if run[0] != _CATEGORY_START and run.isalnum():  # one word: by far the most common case
            self._words.append(ids.setdefault(fold(run), len(ids)))
            return number
        parts = [fold(part) for part in WORD.findall(run)]
        tokens: list[tuple[int, int, int]] = []
        if run[0] == _CATEGORY_START:
            tokens.append((0, len(parts), ids.setdefault("-".join(parts) + ARCHIVE, len(ids))))
        tokens += [(i, j, ids.setdefault(word, len(ids))) for i, j, word in compound_words(parts)]
        self._compounds[number] = tokens
        self._words.append(tokens[0][2])
        return number

    def tokens(self) -> tuple[Longs, Longs, Ints, Ints, Ints]:
        """Return, by run, how many positions it takes, and offsets into its tokens: first, next (from 0), word."""
        compounds = np.fromiter(self._compounds, np.int64, len(self._compounds))
        positions = np.ones(len(self), np.int64)
        positions[compounds] = [tokens[-1][1] for tokens in self._compounds.values()]
        counts = np.ones(len(self), np.int64)
        counts[compounds] = [len(tokens) for tokens in self._compounds.values()]
        offsets = row_offsets(counts)
        first, following = np.zeros(offsets[-1], np.int32), np.ones(offsets[-1], np.int32)
        word = np.empty(offsets[-1], np.int32)
        word[offsets[:-1]] = self._words
        flat = np.array([token for tokens in self._compounds.values() for token in tokens], np.int32).reshape(-1, 3)
        each = concatenated_ranges(offsets[compounds], counts[compounds])
        first[each], following[each], word[each] = flat.T
        return positions, offsets, first, following, word


class Corpus:
    """Tokenised papers. Immutable; safe to share between threads. A paper's column is its place in `papers`.

    By token, in the order of the texts: `word` (its number in `words`), `first` and `next` (the positions where it and
    the token after it begin), `text`. By text: `paper` (column), `field`, and `text_offsets` into the tokens.
    By position: `token_offsets` into the tokens that begin there. By word: `posting_offsets` into `postings`, its
    tokens in ascending order.
    """

    def __init__(self, papers: Sequence[Paper], *, on_progress: Callable[[], None] = lambda: None) -> None:
        """O(characters). Calls `on_progress` at short intervals, so that the caller can let other threads run."""
        self.papers = papers
        self.words: dict[str, int] = {}
        runs = _Runs(self.words)
        run, run_counts = array("i"), array("i")
        paper, field = array("i"), array("b")
        for column, one in enumerate(papers):
            on_progress()
            for number, text in _texts(one):
                found = COMPOUND.findall(text)
                if number == CATEGORY and found:
                    found[0] = _CATEGORY_START + found[0]
                run.extend(map(runs.__getitem__, found))
                run_counts.append(len(found))
                paper.append(column)
                field.append(number)
        self.paper: Ints = np.array(paper, np.int32)
        self.field = np.array(field, np.int8)
        self._set_tokens(np.array(run, np.int32), np.array(run_counts, np.int64), runs)
        # By text, for texts that were asked for: the start and the end of the word at each position, as shown.
        self._spans: dict[int, tuple[array[int], array[int]]] = {}
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
        """The columns of all papers in the order in which papers of equal score are shown."""
        return np.array(sorted(range(len(self)), key=lambda column: precedence(self.papers[column])), np.int32)

    @cached_property
    def sorted_words(self) -> list[str]:
        """All words in alphabetical order, so that those with a common prefix are neighbours."""
        return sorted(self.words)

    @cached_property
    def sorted_numbers(self) -> Ints:
        """The numbers of the words in `sorted_words`."""
        return np.fromiter(map(self.words.__getitem__, self.sorted_words), np.int32, len(self.words))

    @cached_property
    def occurrences_before(self) -> Longs:
        """By place in `sorted_words`: how many tokens the words before it have together; at last, all tokens."""
        return row_offsets(np.diff(self.posting_offsets)[self.sorted_numbers])

    def _set_tokens(self, run: Ints, run_counts: Longs, runs: _Runs) -> None:
        """Sets the arrays of tokens. `run` are the runs of all texts, `run_counts` how many each text has."""
        positions, offsets, first, following, word = runs.tokens()
        text_of_run = np.repeat(np.arange(len(run_counts), dtype=np.int32), run_counts)
        begin = row_offsets(positions[run])[:-1] + text_of_run  # one empty position after each text
        each, counts = indices_of_rows(offsets, run)
        begin = np.repeat(begin.astype(np.int32), counts)
        self.first: Ints = begin + first[each]
        self.next: Ints = begin + following[each]
        self.word: Ints = word[each]
        self.text: Ints = np.repeat(text_of_run, counts)
        last = int(self.next.max(initial=0))
        self.token_offsets = row_offsets(np.bincount(self.first, minlength=last + 1))
        self.text_offsets = row_offsets(np.bincount(self.text, minlength=len(run_counts)))
        # Word and token packed into one number: sorting these is faster than a stable argsort of the words.
        keys = (self.word.astype(np.int64) << 32) | np.arange(len(self.word))
        keys.sort()
        self.postings = (keys & 0xFFFFFFFF).astype(np.int32)
        self.posting_offsets = row_offsets(np.bincount(self.word, minlength=len(self.words)))

    def locate(self, begin: int, end: int) -> tuple[Field, int, int]:
        """Return (field, start, end) of the shown text from token `begin` to token `end`, both included."""
        text = int(self.text[begin])
        if text not in self._spans:
            column = int(self.paper[text])
            texts = list(_texts(self.papers[column]))[: text - int(np.searchsorted(self.paper, column)) + 1]
            number, written = texts.pop()
            offset = sum(len(other) + len(_SEPARATOR) for field, other in texts if field == number)
            spans = [found.span() for found in WORD.finditer(written)]
            starts, ends = (array("i", (offset + span[side] for span in spans)) for side in (0, 1))
            self._spans[text] = starts, ends
        starts, ends = self._spans[text]
        before = int(self.first[self.text_offsets[text]])
        return FIELDS[self.field[text]], starts[self.first[begin] - before], ends[self.next[end] - 1 - before]


def _texts(paper: Paper) -> Iterator[tuple[int, str]]:
    """Yield (field number, text) of each text of a paper."""
    yield TITLE, paper.title
    yield FIELDS.index(Field.ABSTRACT), paper.abstract
    for name in paper.authors:
        yield FIELDS.index(Field.AUTHOR), name
    for name in paper.categories:
        yield CATEGORY, name

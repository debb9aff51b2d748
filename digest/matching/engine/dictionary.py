"""One dictionary for the phrases of all queries, and one walk over a corpus to find them all.

A phrase is a path in a tree whose branches are word patterns: what follows `low` is looked up only where `low` was
found. The walk takes a step in all places at once, on arrays, beginning at the words that begin a phrase.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.ragged import Bools, Ints, Longs, pointer, rows
from digest.matching.language.query import Pattern

_END = "\U0010ffff"  # sorts behind every word


@dataclass(frozen=True, slots=True)
class Found:
    """Where phrases stand, sorted by phrase, then by place: its number, the readings that begin and end it."""

    phrase: Ints
    begin: Ints
    end: Ints


class Growing:
    """A dictionary to which phrases are added, before it is frozen into a Dictionary."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}  # a pattern's number
        self._branches: dict[tuple[int, int], int] = {}  # (node, symbol) -> node; the root is 0
        self._phrases: dict[int, int] = {}  # node -> the phrase that ends there

    def __len__(self) -> int:
        return len(self._phrases)

    def add(self, pattern: Pattern) -> int:
        """The number of this phrase; phrases are numbered from 0 as they come."""
        node = 0
        for word in pattern:
            branch = node, self._symbols.setdefault(word, len(self._symbols))
            node = self._branches.setdefault(branch, len(self._branches) + 1)
        return self._phrases.setdefault(node, len(self._phrases))

    def frozen(self) -> "Dictionary":
        """The dictionary as it is now."""
        nodes = len(self._branches) + 1
        count = len(self._branches)
        flat = np.fromiter(chain.from_iterable(self._branches), np.int64, 2 * count).reshape(count, 2)
        keys = flat[:, 0] * len(self._symbols) + flat[:, 1]
        order = np.argsort(keys)
        phrase_of = np.full(nodes, -1, np.int32)
        phrase_of[np.fromiter(self._phrases, np.int64)] = np.fromiter(self._phrases.values(), np.int32)
        return Dictionary(list(self._symbols), keys[order], (order + 1).astype(np.int32), phrase_of)


class Dictionary:
    """Phrases, ready to be found. Immutable.

    `symbols`: the word patterns. A branch leads from a node over a symbol to a node: `keys` (int64, sorted: node times
    the number of symbols plus symbol) to `targets` (int32). `phrase_of` by node: a phrase's number or -1.
    """

    def __init__(self, symbols: Sequence[str], keys: Longs, targets: Ints, phrase_of: Ints) -> None:
        self.symbols = symbols
        self.keys = keys
        self.targets = targets
        self.phrase_of = phrase_of
        self._stems = _numbered(symbols, "~")
        self._exact = _numbered(symbols, "=")
        self._prefixes = _numbered(symbols, "^")
        self._first = np.full(len(symbols), -1, np.int32)  # the node behind the root, by symbol
        at_root = int(np.searchsorted(keys, len(symbols)))
        self._first[keys[:at_root]] = targets[:at_root]
        self._goes_on: Bools = np.zeros(len(phrase_of), np.bool_)
        if symbols:
            self._goes_on[keys // len(symbols)] = True

    def find(self, corpus: Corpus) -> Found:
        """Every place of every phrase. O(readings that begin a phrase + places)."""
        symbols_of, symbol = self._symbols_of_words(corpus)
        found = list(self._walk(corpus, symbols_of, symbol))
        phrase, begin, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort((phrase.astype(np.int64) << 32) | begin)
        return Found(phrase[order], begin[order], end[order])

    def _symbols_of_words(self, corpus: Corpus) -> tuple[Longs, Ints]:
        """By word of the corpus (pointer, values): the patterns that it fits."""
        pairs = [(corpus.words[w], self._exact[w]) for w in self._exact.keys() & corpus.words.keys()]
        for stem in self._stems.keys() & corpus.stems.keys():
            pairs += [(word, self._stems[stem]) for word in corpus.stems[stem]]
        for prefix, symbol in self._prefixes.items():
            begin = bisect_left(corpus.spellings, prefix)
            end = bisect_left(corpus.spellings, prefix + _END, begin)
            pairs += [(corpus.words[word], symbol) for word in corpus.spellings[begin:end]]
        keys = np.fromiter((word << 32 | symbol for word, symbol in pairs), np.int64, len(pairs))
        keys.sort()
        return pointer(np.bincount(keys >> 32, minlength=len(corpus.words))), (keys & 0xFFFFFFFF).astype(np.int32)

    def _walk(self, corpus: Corpus, symbols_of: Longs, symbol: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
        node, begin = self._entered(corpus, symbols_of, symbol)
        end = begin
        while True:
            phrase = self.phrase_of[node]
            ends = phrase >= 0
            yield phrase[ends], begin[ends], end[ends]
            on = self._goes_on[node]
            if not on.any():
                return
            node, begin, end = self._step(corpus, symbols_of, symbol, node[on], begin[on], end[on])

    def _entered(self, corpus: Corpus, symbols_of: Longs, symbol: Ints) -> tuple[Ints, Ints]:
        """(node, reading) of every reading that begins a phrase, by word."""
        word = np.repeat(np.arange(len(corpus.words)), np.diff(symbols_of))
        node = self._first[symbol]
        begins = node >= 0
        each, counts = rows(corpus.of_word, word[begins])
        return np.repeat(node[begins], counts), corpus.by_word[each]

    def _step(
        self, corpus: Corpus, symbols_of: Longs, symbol: Ints, node: Ints, begin: Ints, end: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """The same paths, one word longer, where there is a branch for it."""
        paths = len(node)
        following, counts = rows(corpus.reading_at, corpus.next[end])
        following = following.astype(np.int32)
        node, begin = np.repeat(node, counts), np.repeat(begin, counts)
        each, counts = rows(symbols_of, corpus.word[following])
        keys = np.repeat(node, counts) * np.int64(len(self.symbols)) + symbol[each]
        at = np.searchsorted(self.keys, keys)
        at[at == len(self.keys)] = 0
        there = self.keys[at] == keys
        longer = self.targets[at[there]], np.repeat(begin, counts)[there], np.repeat(following, counts)[there]
        return longer if len(longer[0]) <= paths else _each_once(*longer)


def _each_once(node: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """Paths that came to the same by different ways, through joined and spaced words, go on as one."""
    pair = begin.astype(np.int64) << 32 | end
    order = np.lexsort((pair, node))
    node, pair = node[order], pair[order]
    first = np.ones(len(node), np.bool_)
    first[1:] = (node[1:] != node[:-1]) | (pair[1:] != pair[:-1])
    return node[first], (pair[first] >> 32).astype(np.int32), (pair[first] & 0xFFFFFFFF).astype(np.int32)


def _numbered(symbols: Iterable[str], mark: str) -> dict[str, int]:
    return {symbol[1:]: number for number, symbol in enumerate(symbols) if symbol[0] == mark}

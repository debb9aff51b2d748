"""One trie for the phrases of all queries, and one walk over a corpus that finds them all.

A phrase is a path in the trie, and its branches are word patterns: the second word of `low precision` is looked up only
where `low` was found. The walk advances all occurrences by one word at a time, on arrays.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.ragged import Bools, Ints, Longs, indices_of_rows, row_offsets
from digest.matching.language.query import Pattern

_LAST_CHARACTER = "\U0010ffff"  # sorts after every word


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where phrases occur: the phrase's number, its first and its last token. Sorted by phrase, then first token."""

    phrase: Ints
    begin: Ints
    end: Ints


class PhraseTrieBuilder:
    """Collects phrases for a PhraseTrie."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}  # word pattern -> its number
        self._branches: dict[tuple[int, int], int] = {}  # (node, symbol) -> node; the root is 0
        self._phrases: dict[int, int] = {}  # node -> the phrase that ends there

    def __len__(self) -> int:
        return len(self._phrases)

    def add(self, pattern: Pattern) -> int:
        """Return the phrase's number, counting from 0."""
        node = 0
        for word in pattern:
            branch = node, self._symbols.setdefault(word, len(self._symbols))
            node = self._branches.setdefault(branch, len(self._branches) + 1)
        return self._phrases.setdefault(node, len(self._phrases))

    def build(self) -> "PhraseTrie":
        """Return a trie of the phrases added so far."""
        count = len(self._branches)
        flat = np.fromiter(chain.from_iterable(self._branches), np.int64, 2 * count).reshape(count, 2)
        keys = flat[:, 0] * len(self._symbols) + flat[:, 1]
        order = np.argsort(keys)
        phrase_of = np.full(count + 1, -1, np.int32)
        phrase_of[np.fromiter(self._phrases, np.int64)] = np.fromiter(self._phrases.values(), np.int32)
        return PhraseTrie(list(self._symbols), keys[order], (order + 1).astype(np.int32), phrase_of)


class PhraseTrie:
    """Finds phrases in a corpus. Immutable.

    `symbols` are the word patterns. A branch leads from a node over a symbol to a node: from `keys` (int64, sorted:
    node times the number of symbols, plus symbol) to `targets` (int32). `phrase_of` is by node: the number of
    the phrase that ends there, or -1.
    """

    def __init__(self, symbols: Sequence[str], keys: Longs, targets: Ints, phrase_of: Ints) -> None:
        self.symbols = symbols
        self.keys = keys
        self.targets = targets
        self.phrase_of = phrase_of
        self._stems = _numbers_by_word(symbols, "~")
        self._exact = _numbers_by_word(symbols, "=")
        self._prefixes = _numbers_by_word(symbols, "^")
        self._first_node = np.full(len(symbols), -1, np.int32)  # where the root's branch over a symbol leads
        at_root = int(np.searchsorted(keys, len(symbols)))
        self._first_node[keys[:at_root]] = targets[:at_root]
        self._has_branches: Bools = np.zeros(len(phrase_of), np.bool_)
        if symbols:
            self._has_branches[keys // len(symbols)] = True

    def find(self, corpus: Corpus) -> Occurrences:
        """Return every occurrence of every phrase. O(tokens that begin a phrase + occurrences)."""
        symbol_offsets, symbol = self._symbols_of_words(corpus)
        # The walk begins at the postings of words that begin a phrase. All other tokens are never looked at.
        word = np.repeat(np.arange(len(corpus.words)), np.diff(symbol_offsets))
        node = self._first_node[symbol]
        begins = node >= 0
        each, counts = indices_of_rows(corpus.posting_offsets, word[begins])
        node, begin = np.repeat(node[begins], counts), corpus.postings[each]
        end = begin
        found: list[tuple[Ints, Ints, Ints]] = []
        while True:
            phrase = self.phrase_of[node]
            complete = phrase >= 0
            found.append((phrase[complete], begin[complete], end[complete]))
            longer = self._has_branches[node]
            if not longer.any():
                break
            node, begin, end = self._step(corpus, symbol_offsets, symbol, node[longer], begin[longer], end[longer])
        phrase, begin, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort((phrase.astype(np.int64) << 32) | begin)
        return Occurrences(phrase[order], begin[order], end[order])

    def _symbols_of_words(self, corpus: Corpus) -> tuple[Longs, Ints]:
        """Returns, by word of the corpus, the patterns that it fits: (offsets, symbols)."""
        # Patterns are looked up in the corpus's vocabulary, not in its text: each distinct word is compared once.
        pairs = [(corpus.words[w], self._exact[w]) for w in self._exact.keys() & corpus.words.keys()]
        for stem in self._stems.keys() & corpus.stems.keys():
            pairs += [(word, self._stems[stem]) for word in corpus.stems[stem]]
        for prefix, symbol in self._prefixes.items():
            begin = bisect_left(corpus.sorted_words, prefix)
            end = bisect_left(corpus.sorted_words, prefix + _LAST_CHARACTER, begin)
            pairs += [(corpus.words[word], symbol) for word in corpus.sorted_words[begin:end]]
        keys = np.fromiter((word << 32 | symbol for word, symbol in pairs), np.int64, len(pairs))
        keys.sort()
        return row_offsets(np.bincount(keys >> 32, minlength=len(corpus.words))), (keys & 0xFFFFFFFF).astype(np.int32)

    def _step(
        self, corpus: Corpus, symbol_offsets: Longs, symbol: Ints, node: Ints, begin: Ints, end: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """Extends (node, first token, last token) paths by one word. Paths without a branch for it end here."""
        paths = len(node)
        following, counts = indices_of_rows(corpus.token_offsets, corpus.next[end])
        following = following.astype(np.int32)
        node, begin = np.repeat(node, counts), np.repeat(begin, counts)
        each, counts = indices_of_rows(symbol_offsets, corpus.word[following])
        keys = np.repeat(node, counts) * np.int64(len(self.symbols)) + symbol[each]
        at = np.searchsorted(self.keys, keys)
        at[at == len(self.keys)] = 0
        found = self.keys[at] == keys
        node, begin, end = self.targets[at[found]], np.repeat(begin, counts)[found], np.repeat(following, counts)[found]
        if len(node) <= paths:
            return node, begin, end
        # `audio-visual` is read as one word and as two, so several paths can lead to the same state. They continue as
        # one: otherwise their number would grow exponentially on a long compound.
        span = begin.astype(np.int64) << 32 | end
        order = np.lexsort((span, node))
        node, span = node[order], span[order]
        is_new = np.ones(len(node), np.bool_)
        is_new[1:] = (node[1:] != node[:-1]) | (span[1:] != span[:-1])
        return node[is_new], (span[is_new] >> 32).astype(np.int32), (span[is_new] & 0xFFFFFFFF).astype(np.int32)


def _numbers_by_word(symbols: Iterable[str], mark: str) -> dict[str, int]:
    return {symbol[1:]: number for number, symbol in enumerate(symbols) if symbol[0] == mark}

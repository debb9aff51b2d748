"""One trie for the phrases of all queries, and one walk over a corpus that finds them all.

A phrase is a path in the trie, and its branches are word patterns: the second word of `low precision` is looked up only
where `low` was found. The walk advances all occurrences by one word at a time, on arrays.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np

from digest.matching.engine.corpus import Corpus
from digest.matching.engine.ragged import (
    Bools,
    Doubles,
    Ints,
    Longs,
    concatenated_ranges,
    indices_of_rows,
    row_offsets,
)
from digest.matching.language.query import Pattern

_LAST_CHARACTER = "\U0010ffff"  # sorts after every word


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where phrases occur: the phrase's number, its first and its last token. Sorted by phrase, then first token."""

    phrase: Ints
    begin: Ints
    end: Ints


@dataclass(frozen=True, slots=True)
class Starts:
    """Where phrases may begin in a corpus, and which patterns its words fit.

    `symbol_offsets` are row offsets, by word of the corpus, into `symbol`. `node` is where the trie's root leads from
    the word at `token`.
    """

    symbol_offsets: Longs
    symbol: Ints
    node: Ints
    token: Ints


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The words of a corpus that fit the patterns of a trie: pairs of `word` and `symbol`; and by prefix, its symbol,
    and which of the sorted words begin with it: those from `begin` to before `end`."""

    word: Ints
    symbol: Ints
    begin: Longs
    end: Longs
    prefix: Ints


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
    the phrase that ends there, or -1; `has_branches`, whether it leads on.
    """

    def __init__(self, symbols: Sequence[str], keys: Longs, targets: Ints, phrase_of: Ints) -> None:
        self.symbols = symbols
        self.keys = keys
        self.targets = targets
        self.phrase_of = phrase_of
        self._stems = _numbers_by_word(symbols, "~")
        self._exact = _numbers_by_word(symbols, "=")
        self._prefixes = _numbers_by_word(symbols, "^")
        self._vocabularies = WeakKeyDictionary[Corpus, _Vocabulary]()
        self._first_node = np.full(len(symbols), -1, np.int32)  # where the root's branch over a symbol leads
        at_root = int(np.searchsorted(keys, len(symbols)))
        self._first_node[keys[:at_root]] = targets[:at_root]
        self.has_branches: Bools = np.zeros(len(phrase_of), np.bool_)
        if symbols:
            self.has_branches[keys // len(symbols)] = True

    @cached_property
    def parent(self) -> Ints:
        """By node: the node before it; the root is its own."""
        parent = np.zeros(len(self.phrase_of), np.int32)
        if self.symbols:
            parent[self.targets] = self.keys // len(self.symbols)
        return parent

    @cached_property
    def symbol_to(self) -> Ints:
        """By node: the symbol that leads to it; the root has none, which is -1."""
        symbol = np.full(len(self.phrase_of), -1, np.int32)
        if self.symbols:
            symbol[self.targets] = self.keys % len(self.symbols)
        return symbol

    def levels(self) -> Iterator[Ints]:
        """Yield the nodes that are one word from the root, then those that are two words from it, and so on."""
        nodes = np.sort(self._first_node[self._first_node >= 0])
        while len(nodes):
            yield nodes
            nodes = nodes[self.has_branches[nodes]]
            begin, end = (np.searchsorted(self.keys, (nodes + side) * np.int64(len(self.symbols))) for side in (0, 1))
            nodes = self.targets[concatenated_ranges(begin, end - begin)]

    def symbol_counts(self, corpus: Corpus) -> Doubles:
        """By symbol: how many words of the corpus fit the pattern, counting repeated words. O(symbols)."""
        found = self._look_up(corpus)
        each = np.diff(corpus.posting_offsets)
        counts: Doubles = np.bincount(found.symbol, each[found.word], len(self.symbols)).astype(np.float64)
        counts[found.prefix] = corpus.occurrences_before[found.end] - corpus.occurrences_before[found.begin]
        return counts

    def text_of(self, phrase: int) -> str:
        """Return the phrase as a rule writes it."""
        node = int(np.flatnonzero(self.phrase_of == phrase)[0])
        words: list[str] = []
        while node:
            symbol = self.symbols[self.symbol_to[node]]
            words.append(symbol[1:] + ("*" if symbol[0] == "^" else ""))
            node = int(self.parent[node])
        return " ".join(reversed(words))

    def find_starts(self, corpus: Corpus, wanted: Bools | None = None) -> Starts:
        """Return where phrases may begin. O(tokens that begin a phrase). `wanted` is by phrase; None is all."""
        used = None
        if wanted is not None:  # by node: whether it is on the way to a wanted phrase
            used = (self.phrase_of >= 0) & wanted[self.phrase_of]
            nodes = np.flatnonzero(used)
            while len(nodes):
                nodes = np.unique(self.parent[nodes])
                nodes = nodes[~used[nodes]]
                used[nodes] = True
        symbol_offsets, symbol = self._symbols_of_words(corpus, used)
        # The walk begins at the postings of words that begin a phrase. All other tokens are never looked at.
        word = np.repeat(np.arange(len(corpus.words)), np.diff(symbol_offsets))
        node = self._first_node[symbol]
        begins = node >= 0 if used is None else (node >= 0) & used[node]
        each, counts = indices_of_rows(corpus.posting_offsets, word[begins])
        return Starts(symbol_offsets, symbol, np.repeat(node[begins], counts), corpus.postings[each])

    def find(self, corpus: Corpus, starts: Starts, first: int, following: int) -> Occurrences:
        """Return every occurrence that begins in the tokens from `first` to before `following`. O(starts + found)."""
        node, begin = starts.node, starts.token
        if following - first < len(corpus.word):
            within = (begin >= first) & (begin < following)
            node, begin = node[within], begin[within]
        end = begin
        found: list[tuple[Ints, Ints, Ints]] = []
        while True:
            phrase = self.phrase_of[node]
            complete = phrase >= 0
            found.append((phrase[complete], begin[complete], end[complete]))
            longer = self.has_branches[node]
            if not longer.any():
                break
            node, begin, end = self._step(corpus, starts, node[longer], begin[longer], end[longer])
        phrase, begin, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort((phrase.astype(np.int64) << 32) | begin)
        return Occurrences(phrase[order], begin[order], end[order])

    def _symbols_of_words(self, corpus: Corpus, used: Bools | None) -> tuple[Longs, Ints]:
        """Return, by word of the corpus, the patterns that it fits: (offsets, symbols). `used` is by node."""
        found = self._look_up(corpus)
        wanted = np.ones(len(self.symbols), np.bool_)
        if used is not None:
            wanted[:] = False
            wanted[self.symbol_to[used]] = True
        keys = (found.word.astype(np.int64) << 32 | found.symbol)[wanted[found.symbol]]
        prefixes = wanted[found.prefix]
        begin, counts = found.begin[prefixes], (found.end - found.begin)[prefixes]
        of_prefixes = corpus.sorted_numbers[concatenated_ranges(begin, counts)].astype(np.int64) << 32
        keys = np.concatenate((keys, of_prefixes | np.repeat(found.prefix[prefixes], counts)))
        keys.sort()
        return row_offsets(np.bincount(keys >> 32, minlength=len(corpus.words))), (keys & 0xFFFFFFFF).astype(np.int32)

    def _look_up(self, corpus: Corpus) -> _Vocabulary:
        """Return the words of the corpus that fit the patterns: these are looked up once, and not in the text."""
        if corpus not in self._vocabularies:
            pairs = [(corpus.words[w], self._exact[w]) for w in self._exact.keys() & corpus.words.keys()]
            for stem in self._stems.keys() & corpus.stems.keys():
                pairs += [(word, self._stems[stem]) for word in corpus.stems[stem]]
            words = corpus.sorted_words if self._prefixes else ()
            begins = [bisect_left(words, prefix) for prefix in self._prefixes]
            ends = [bisect_left(words, prefix + _LAST_CHARACTER) for prefix in self._prefixes]
            word, symbol = np.fromiter(chain.from_iterable(pairs), np.int32, 2 * len(pairs)).reshape(-1, 2).T
            prefix = np.array(list(self._prefixes.values()), np.int32)
            self._vocabularies[corpus] = _Vocabulary(
                word, symbol, np.array(begins, np.int64), np.array(ends, np.int64), prefix
            )
        return self._vocabularies[corpus]

    def _step(self, corpus: Corpus, starts: Starts, node: Ints, begin: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        """Extend (node, first token, last token) paths by one word. Paths without a branch for it end here."""
        paths = len(node)
        following, counts = indices_of_rows(corpus.token_offsets, corpus.next[end])
        following = following.astype(np.int32)
        node, begin = np.repeat(node, counts), np.repeat(begin, counts)
        each, counts = indices_of_rows(starts.symbol_offsets, corpus.word[following])
        keys = np.repeat(node, counts) * np.int64(len(self.symbols)) + starts.symbol[each]
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

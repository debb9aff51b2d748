"""One dictionary for the terms of all profiles, and one pass over a paper to find them all.

The dictionary is keyed word by word over token n-grams: what follows `low` is looked up only where `low` was found.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from digest.matching.query import Pattern, Term
from digest.models import Field, Paper
from digest.text import Word, words, words_of_list

_SEPARATOR = ", "  # as Paper.text_of joins authors and categories


class Hit(NamedTuple):
    """Where a term was found: offsets into the field's text as shown."""

    field: Field
    start: int
    end: int


Hits = Mapping[int, Sequence[Hit]]  # term number -> where one paper holds it


@dataclass(slots=True)
class _Node:
    """What was read so far; the words that may follow, by how they are compared."""

    terms: list[int] = field(default_factory=list)  # the terms that end here
    stems: dict[str, "_Node"] = field(default_factory=dict)
    exact: dict[str, "_Node"] = field(default_factory=dict)
    prefixes: dict[str, "_Node"] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()  # of the prefixes

    def add(self, pattern: Pattern, term: int) -> None:
        node = self
        for word in pattern:
            node = node._child(word[0], word[1:])
        node.terms.append(term)

    def following(self, word: Word) -> Iterator["_Node"]:
        if (node := self.stems.get(word.stem)) is not None:
            yield node
        if (node := self.exact.get(word.folded)) is not None:
            yield node
        for length in self.lengths:
            if len(word.folded) >= length and (node := self.prefixes.get(word.folded[:length])) is not None:
                yield node

    def _child(self, mark: str, word: str) -> "_Node":
        children = {"~": self.stems, "=": self.exact, "^": self.prefixes}[mark]
        if word not in children:
            children[word] = _Node()
            if mark == "^":
                self.lengths = tuple(sorted({*self.lengths, len(word)}))
        return children[word]


class Scanner:
    """Finds every term of many queries in one pass over each field of a paper."""

    def __init__(self, terms: Iterable[Term]) -> None:
        """`terms` are numbered in their order."""
        self._roots = {name: _Node() for name in Field}
        for number, term in enumerate(terms):
            for name in term.fields:
                for pattern in term.readings:
                    self._roots[name].add(pattern, number)

    def hits(self, paper: Paper) -> Hits:
        """Where the paper holds each term; terms that it does not hold are left out. O(words + hits)."""
        found: dict[int, list[Hit]] = {}
        for name, root in self._roots.items():
            if root.stems or root.exact or root.prefixes:
                for term, start, end in _walk(root, _words(paper, name)):
                    found.setdefault(term, []).append(Hit(name, start, end))
        return found


def _words(paper: Paper, name: Field) -> list[Word]:
    match name:
        case Field.AUTHOR:
            return words_of_list(paper.authors, separator=_SEPARATOR)
        case Field.CATEGORY:
            return words_of_list(paper.categories, separator=_SEPARATOR)
        case _:
            return words(paper.text_of(name))


def _walk(root: _Node, found: Sequence[Word]) -> Iterator[tuple[int, int, int]]:
    """(term, start, end) of everything in the dictionary that the words spell."""
    by_position: dict[int, list[Word]] = {}
    for word in found:
        by_position.setdefault(word.first, []).append(word)
    for first in found:
        paths = [(node, first) for node in root.following(first)]
        while paths:
            node, word = paths.pop()
            for term in node.terms:
                yield term, first.start, word.end
            for following in by_position.get(word.next, ()):
                paths += [(deeper, following) for deeper in node.following(following)]

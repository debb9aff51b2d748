"""Where a paper holds what makes a condition true of it."""

from collections.abc import Iterator

import numpy as np

from digest.matching.engine.ragged import Ints, Longs, rows, spread
from digest.matching.engine.truth import Truth, fulfilled
from digest.models import Field

Place = tuple[Field, int, int]  # offsets into the field's text as shown


class Witness:
    """Finds places, and remembers them: many profiles ask the same of the same papers."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._places: dict[tuple[int, int], tuple[Place, ...]] = {}
        self._keys = truth.found.phrase.astype(np.int64) << 32 | truth.found.begin

    def places(self, condition: int, column: int) -> tuple[Place, ...]:
        """The places in one paper of the words that make a condition true of it; what is negated has none."""
        key = condition, column
        if key not in self._places:
            self._places[key] = tuple(dict.fromkeys(self._look(condition, column)))
        return self._places[key]

    def _look(self, condition: int, column: int) -> Iterator[Place]:
        program = self._truth.program
        if condition < program.atoms:
            yield from self._of_atom(condition, column)
            return
        join = condition - program.atoms
        children = slice(int(program.children_of[join]), int(program.children_of[join + 1]))
        for child, negated in zip(program.child[children].tolist(), program.negated[children].tolist(), strict=True):
            if not negated and self._truth.holds(child, column):
                yield from self.places(child, column)

    def _of_atom(self, atom: int, column: int) -> Iterator[Place]:
        program, corpus, found = self._truth.program, self._truth.corpus, self._truth.found
        begin, end = corpus.readings_of(column)
        _, hits = fulfilled(program, corpus, found, *self._hits(atom, begin, end))
        for hit in np.unique(hits).tolist():
            yield corpus.shown(int(found.begin[hit]), int(found.end[hit]))

    def _hits(self, atom: int, begin: int, end: int) -> tuple[Ints, Ints, Longs]:
        """(slot, fields, hit): the places between these readings of what may fill the atom's slots."""
        program = self._truth.program
        phrases_of, phrase, fields = program.phrases
        slots = np.arange(*np.searchsorted(program.atom, [atom, atom + 1]))
        each, counts = rows(phrases_of, slots)
        wanted = phrase[each].astype(np.int64) << 32
        first = np.searchsorted(self._keys, wanted | begin)
        many = np.searchsorted(self._keys, wanted | end) - first
        slot = np.repeat(slots, counts)
        return np.repeat(slot, many), np.repeat(fields[each], many), spread(first, many)

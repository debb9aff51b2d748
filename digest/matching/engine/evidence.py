"""Where a paper holds what makes a condition true of it."""

from collections.abc import Iterator

from digest.matching.engine.truth import Truth
from digest.models import Field

Place = tuple[Field, int, int]  # offsets into the field's text as shown


class Witness:
    """Finds places, and remembers them: many profiles ask the same of the same papers."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._places: dict[tuple[int, int], tuple[Place, ...]] = {}

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
        corpus, found = self._truth.corpus, self._truth.found
        for hit in dict.fromkeys(self._truth.places(atom, column)):
            yield corpus.shown(int(found.begin[hit]), int(found.end[hit]))

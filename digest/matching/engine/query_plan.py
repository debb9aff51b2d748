"""Compiles queries into one table of conditions, in which equal conditions are stored once for all queries.

The first conditions are *atoms*, which look at the text: a term, a NEAR, an author's name. An atom has *slots*, each of
which accepts any of its phrases: a term has one slot, NEAR has two, a name has one for each part. After the atoms come
the *clauses*, AND and OR of other conditions, level by level, so that children always precede their parents.

There is no NOT condition. What is true of papers without any of a query's words cannot be found through these words,
but what it excludes can. So a clause marks such a child as negated; De Morgan's laws bring every query into this form.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from digest.matching.engine.corpus import FIELDS
from digest.matching.engine.phrase_trie import PhraseTrie, PhraseTrieBuilder
from digest.matching.engine.ragged import Bools, Ints, Longs, indices_of_rows, pack_rows, row_offsets
from digest.matching.language.query import AllOf, AnyOf, Author, Near, Not, Query, Term

_Slot = frozenset[tuple[int, int]]  # (phrase, fields)


@dataclass(frozen=True, eq=False)
class QueryPlan:
    """Numbered conditions: atoms first, then clauses, level by level. Immutable.

    `..._offsets` are row offsets as in ragged.py.
    """

    trie: PhraseTrie
    slot_offsets: Longs  # by phrase, into `slot` and `fields`
    slot: Ints
    fields: Ints  # where the phrase may be: bits, 1 << field number
    atom: Ints  # by slot
    distance: Ints  # by atom: the distance of a NEAR, else -1
    is_or: Bools  # by clause; the others are AND
    child_offsets: Longs  # by clause, into `child` and `negated`
    child: Ints
    negated: Bools
    level_offsets: Longs  # into the clauses: those of one level have children on earlier levels only

    @cached_property
    def slots_of_atom(self) -> Longs:
        """How many slots each atom has."""
        return np.bincount(self.atom, minlength=self.atoms)

    @cached_property
    def is_first_slot(self) -> Bools:
        """By slot: whether it is the first one of its atom."""
        first: Bools = np.diff(self.atom, prepend=-1) != 0
        return first

    @property
    def atoms(self) -> int:
        """How many conditions are atoms."""
        return len(self.distance)

    @property
    def phrases(self) -> int:
        """How many phrases the conditions look for."""
        return len(self.slot_offsets) - 1

    @property
    def levels(self) -> Iterator[tuple[int, int]]:
        """The (first clause, clause after the last) of each level, children before parents."""
        return pairwise(self.level_offsets.tolist())

    def atoms_of(self, conditions: Ints) -> Bools:
        """Return, by atom, whether one of these conditions depends on it."""
        used = np.zeros(self.conditions, np.bool_)
        used[conditions] = True
        for begin, end in reversed(list(self.levels)):
            clauses = begin + np.flatnonzero(used[self.atoms + begin : self.atoms + end])
            used[self.child[indices_of_rows(self.child_offsets, clauses)[0]]] = True
        return used[: self.atoms]

    def phrases_of(self, atoms: Bools) -> Bools:
        """Return, by phrase, whether one of these atoms looks for it."""
        used: Bools = np.diff(row_offsets(atoms[self.atom[self.slot]])[self.slot_offsets]) > 0
        return used

    @property
    def conditions(self) -> int:
        """How many conditions there are."""
        return len(self.distance) + len(self.is_or)


def compile_queries(queries: Iterable[Query]) -> tuple[QueryPlan, Ints]:
    """Return (the plan, the number of each query's condition). O(terms).

    Raises ValueError if a query is true of an empty paper.
    """
    builder = _PlanBuilder()
    roots = [builder.add(query) for query in queries]
    if not all(positive for _, positive in roots):
        raise ValueError("a query matches papers that contain none of its words")
    plan, numbers = builder.build()
    return plan, numbers[np.array([node for node, _ in roots], np.int64)]


@dataclass(frozen=True, slots=True)
class _Atom:
    slots: tuple[_Slot, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class _Clause:
    is_or: bool
    children: frozenset[tuple[int, bool]]  # (node, negated)


class _PlanBuilder:
    """Collects conditions as nodes, children before parents. `build` sorts them by level."""

    def __init__(self) -> None:
        self._trie = PhraseTrieBuilder()
        self._nodes: dict[_Atom | _Clause, int] = {}
        self._level: list[int] = []

    def add(self, query: Query) -> tuple[int, bool]:
        """Return (the query's node, True), or (the node of what it excludes, False)."""
        match query:
            case Term():
                return self._add_atom([[query]]), True
            case Near(left, right, distance):
                return self._add_atom([left, right], distance), True
            case Author(parts):
                return self._add_atom([[part] for part in parts]), True
            case Not(part):
                node, positive = self.add(part)
                return node, not positive
            case AllOf(parts):
                return self._add_and([self.add(part) for part in parts])
            case AnyOf(parts):  # a OR b = NOT (NOT a AND NOT b)
                node, positive = self._add_and([(node, not positive) for node, positive in map(self.add, parts)])
                return node, not positive

    def _add_and(self, parts: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
        children = frozenset((node, not positive) for node, positive in parts)
        if any(positive for _, positive in parts):
            return self._add_node(_Clause(is_or=False, children=children)), True
        return self._add_node(_Clause(is_or=True, children=frozenset((node, False) for node, _ in children))), False

    def _add_atom(self, slots: Sequence[Sequence[Term]], distance: int = -1) -> int:
        phrases = tuple(
            frozenset(
                (self._trie.add(reading), sum(1 << FIELDS.index(field) for field in term.fields))
                for term in terms
                for reading in term.readings
            )
            for terms in slots
        )
        return self._add_node(_Atom(phrases, distance))

    def _add_node(self, key: _Atom | _Clause) -> int:
        number = self._nodes.setdefault(key, len(self._nodes))
        if number == len(self._level):
            children = key.children if isinstance(key, _Clause) else ()
            self._level.append(1 + max((self._level[child] for child, _ in children), default=-1))
        return number

    def build(self) -> tuple[QueryPlan, Ints]:
        """Return (the plan, the number of each node's condition in it)."""
        # Atoms are level 0. A stable sort by level keeps them first, and children before parents.
        level = np.array(self._level, np.int64)
        order = np.argsort(level, kind="stable")
        numbers = np.empty(len(order), np.int32)
        numbers[order] = np.arange(len(order))
        atoms = [key for key in self._nodes if isinstance(key, _Atom)]
        keys = list(self._nodes)
        clauses = [key for node in order[len(atoms) :] if isinstance(key := keys[node], _Clause)]
        children = [sorted((int(numbers[node]), negated) for node, negated in clause.children) for clause in clauses]
        child_offsets, child = pack_rows([node for node, _ in some] for some in children)
        slots_of_phrase: list[list[tuple[int, int]]] = [[] for _ in range(len(self._trie))]  # (slot, fields)
        for number, slot_phrases in enumerate(phrases for atom in atoms for phrases in atom.slots):
            for phrase, fields in sorted(slot_phrases):
                slots_of_phrase[phrase].append((number, fields))
        slot_offsets, slot = pack_rows([number for number, _ in some] for some in slots_of_phrase)
        return QueryPlan(
            trie=self._trie.build(),
            slot_offsets=slot_offsets,
            slot=slot,
            fields=np.fromiter((fields for some in slots_of_phrase for _, fields in some), np.int32, len(slot)),
            atom=np.repeat(np.arange(len(atoms), dtype=np.int32), [len(atom.slots) for atom in atoms]),
            distance=np.array([atom.distance for atom in atoms], np.int32),
            is_or=np.array([clause.is_or for clause in clauses], np.bool_),
            child_offsets=child_offsets,
            child=child,
            negated=np.fromiter((negated for some in children for _, negated in some), np.bool_, len(child)),
            level_offsets=np.searchsorted(level[order], np.arange(1, int(level.max(initial=0)) + 2)) - len(atoms),
        ), numbers

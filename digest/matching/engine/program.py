"""Queries, compiled: a table of conditions, each written down once however many queries hold it.

First come the *atoms*, which look at the text: a term, a NEAR, a name. An atom has one or several *slots*, and each
slot its phrases: a term has one slot, NEAR two, a name one for each of its parts. Behind the atoms come AND and OR in
levels, so that a condition's children always stand before it.

There is no NOT in the table. A condition that papers without a single of its words would fulfil cannot be looked for,
but what it excludes can: such a child stands in its parent as negated, and De Morgan's laws bring every tree into this
form.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from digest.matching.engine.corpus import FIELDS
from digest.matching.engine.dictionary import Dictionary, Growing
from digest.matching.engine.ragged import Bools, Ints, Longs, packed, pointer
from digest.matching.language.query import AllOf, AnyOf, Author, Near, Not, Query, Term
from digest.models import Field

_Slot = frozenset[tuple[int, int]]  # (phrase, fields)


@dataclass(frozen=True, eq=False)
class Program:
    """Conditions, numbered: atoms first, then those that join others, level by level. Immutable.

    A "pointer" has one entry more than it has rows, see ragged.py.
    """

    dictionary: Dictionary
    slots_of: Longs  # by phrase, a pointer into `slot` and `fields`
    slot: Ints
    fields: Ints  # bits: 1 << field number
    atom: Ints  # by slot
    distance: Ints  # by atom: of NEAR, else -1
    joins_any: Bools  # by joining condition: OR, else AND
    children_of: Longs  # by joining condition, a pointer into `child` and `negated`
    child: Ints
    negated: Bools
    levels: Longs  # a pointer into the joining conditions: those of one level look only at what stands before it

    @cached_property
    def slots(self) -> Longs:
        """By atom: how many slots it has."""
        return np.bincount(self.atom, minlength=self.atoms)

    @cached_property
    def opens(self) -> Bools:
        """By slot: whether it is the first of its atom."""
        opens: Bools = np.diff(self.atom, prepend=-1) != 0
        return opens

    @cached_property
    def phrases(self) -> tuple[Longs, Ints, Ints]:
        """By slot, a pointer into its phrases and the fields that each may stand in: `slots_of` the other way round."""
        order = np.argsort(self.slot, kind="stable")
        phrase = np.repeat(np.arange(len(self.slots_of) - 1, dtype=np.int32), np.diff(self.slots_of))
        return pointer(np.bincount(self.slot, minlength=len(self.atom))), phrase[order], self.fields[order]

    @property
    def atoms(self) -> int:
        """How many conditions are atoms."""
        return len(self.distance)

    def __len__(self) -> int:
        return len(self.distance) + len(self.joins_any)


def compiled(queries: Iterable[Query]) -> tuple[Program, Ints]:
    """(the program, the number of each query's condition). Queries must not be true of an empty paper.

    O(terms); equal conditions are one.
    """
    builder = _Builder()
    roots = [builder.add(query) for query in queries]
    if not all(positive for _, positive in roots):
        raise ValueError("a query that is true of papers that hold none of its words")
    program, numbers = builder.finished()
    return program, numbers[np.array([node for node, _ in roots], np.int64)]


@dataclass(frozen=True, slots=True)
class _Atom:
    slots: tuple[_Slot, ...]
    distance: int


@dataclass(frozen=True, slots=True)
class _Join:
    any: bool
    children: frozenset[tuple[int, bool]]  # (node, negated)


class _Builder:
    """Conditions as they come; children stand before their parents, levels are laid out at the end."""

    def __init__(self) -> None:
        self._dictionary = Growing()
        self._nodes: dict[_Atom | _Join, int] = {}
        self._level: list[int] = []

    def add(self, query: Query) -> tuple[int, bool]:
        """(its node, True), or (the node of what it excludes, False)."""
        match query:
            case Term():
                return self._atom([[query]]), True
            case Near(left, right, distance):
                return self._atom([left, right], distance), True
            case Author(parts):
                return self._atom([[part] for part in parts]), True
            case Not(part):
                node, positive = self.add(part)
                return node, not positive
            case AllOf(parts):
                return self._all([self.add(part) for part in parts])
            case AnyOf(parts):
                node, positive = self._all([(node, not positive) for node, positive in map(self.add, parts)])
                return node, not positive

    def _all(self, parts: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
        children = frozenset((node, not positive) for node, positive in parts)
        if any(positive for _, positive in parts):
            return self._node(_Join(any=False, children=children)), True
        return self._node(_Join(any=True, children=frozenset((node, False) for node, _ in children))), False

    def _atom(self, slots: Sequence[Sequence[Term]], distance: int = -1) -> int:
        found = [
            frozenset((self._dictionary.add(reading), _bits(t.fields)) for t in terms for reading in t.readings)
            for terms in slots
        ]
        return self._node(_Atom(tuple(found), distance))

    def _node(self, key: _Atom | _Join) -> int:
        number = self._nodes.setdefault(key, len(self._nodes))
        if number == len(self._level):
            children = key.children if isinstance(key, _Join) else ()
            self._level.append(1 + max((self._level[child] for child, _ in children), default=-1))
        return number

    def finished(self) -> tuple[Program, Ints]:
        """(the program, by node its number there)."""
        level = np.array(self._level, np.int64)
        order = np.argsort(level, kind="stable")
        numbers = np.empty(len(order), np.int32)
        numbers[order] = np.arange(len(order))
        atoms = [key for key in self._nodes if isinstance(key, _Atom)]
        keys = list(self._nodes)
        joins = [key for node in order[len(atoms) :] if isinstance(key := keys[node], _Join)]
        children = [sorted((int(numbers[node]), negated) for node, negated in join.children) for join in joins]
        children_of, child = packed([node for node, _ in some] for some in children)
        phrases = self._phrases(atoms)
        slots_of, slot = packed([number for number, _ in some] for some in phrases)
        return Program(
            dictionary=self._dictionary.frozen(),
            slots_of=slots_of,
            slot=slot,
            fields=np.fromiter((bits for some in phrases for _, bits in some), np.int32, len(slot)),
            atom=np.repeat(np.arange(len(atoms), dtype=np.int32), [len(atom.slots) for atom in atoms]),
            distance=np.array([atom.distance for atom in atoms], np.int32),
            joins_any=np.array([join.any for join in joins], np.bool_),
            children_of=children_of,
            child=child,
            negated=np.fromiter((negated for some in children for _, negated in some), np.bool_, len(child)),
            levels=np.searchsorted(level[order], np.arange(1, int(level.max(initial=0)) + 2)) - len(atoms),
        ), numbers

    def _phrases(self, atoms: Sequence[_Atom]) -> list[list[tuple[int, int]]]:
        """By phrase: the (slot, fields) that look for it."""
        found: list[list[tuple[int, int]]] = [[] for _ in range(len(self._dictionary))]
        for number, slot in enumerate(slot for atom in atoms for slot in atom.slots):
            for phrase, bits in sorted(slot):
                found[phrase].append((number, bits))
        return found


def _bits(fields: frozenset[Field]) -> int:
    return sum(1 << FIELDS.index(field) for field in fields)

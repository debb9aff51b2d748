"""Finds the papers that each condition of a query plan is true of.

Phrases are found before clauses are evaluated, and the candidates of an AND are the papers of its rarest child. Its
other children are looked up for these candidates only, so a clause whose rarest phrase occurs nowhere costs nothing.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from digest.matching.engine.corpus import TITLE, Corpus
from digest.matching.engine.phrase_trie import Occurrences
from digest.matching.engine.query_plan import QueryPlan
from digest.matching.engine.ragged import Bools, Ints, Longs, indices_of_rows, row_offsets

_NEVER = np.iinfo(np.int64).max

# Steps (costs.py) of a piece: each takes up to a hundred bytes while it is evaluated.
_PIECE = 1 << 20
_PIECE_PER_CONDITION = 8  # in a plan of very many conditions, so that arrays by condition do not take most of the time


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The posting list of each condition: the papers that it is true of. Immutable.

    `offsets` are row offsets, by condition, into `paper` (its column, ascending) and `in_title` (whether one of the
    condition's words is in the title).
    """

    plan: QueryPlan
    corpus: Corpus
    pieces: Sequence["_Piece"]
    offsets: Longs
    paper: Ints
    in_title: Bools

    def papers_of(self, condition: int) -> Ints:
        """Return the columns of the papers that the condition is true of, ascending."""
        return self.paper[self.offsets[condition] : self.offsets[condition + 1]]

    def holds(self, condition: int, column: int) -> bool:
        """Return whether the condition is true of the paper."""
        papers = self.papers_of(condition)
        at = int(np.searchsorted(papers, column))
        return at < len(papers) and int(papers[at]) == column

    def occurrences_of(self, atom: int, column: int) -> list[tuple[int, int]]:
        """Return the (first, last) tokens of the occurrences that make an atom true of a paper."""
        piece = next(piece for piece in self.pieces if column < piece.end)
        return piece.occurrences_of(atom, column)

    def document_frequencies(self, first_column: int = 0) -> Longs:
        """By condition: the number of papers, from `first_column` on, that it is true of."""
        offsets = row_offsets(self.paper >= first_column)[self.offsets] if first_column else self.offsets
        return np.diff(offsets)


@dataclass(frozen=True, eq=False)
class _Piece:
    """The occurrences of phrases in the papers before column `end` that earlier pieces do not have."""

    plan: QueryPlan
    corpus: Corpus
    atoms: Bools | None  # those that were evaluated; None is all
    occurrences: Occurrences
    end: int

    def occurrences_of(self, atom: int, column: int) -> list[tuple[int, int]]:
        keys, begin, end = self._by_atom
        key = atom * len(self.corpus) + column
        found = slice(*np.searchsorted(keys, (key, key + 1)).tolist())
        return list(zip(begin[found].tolist(), end[found].tolist(), strict=True))

    @cached_property
    def _by_atom(self) -> tuple[Longs, Ints, Ints]:
        """(atom times papers plus column, first token, last token) of each occurrence, sorted.

        The first request for evidence computes this for all atoms at once; only the places shown are looked up later.
        """
        atom, number = _occurrences_by_atom(self.plan, self.corpus, self.occurrences, self.atoms)
        begin = self.occurrences.begin[number]
        keys = atom.astype(np.int64) * len(self.corpus) + self.corpus.paper[self.corpus.text[begin]]
        order = np.lexsort((number, keys))
        return keys[order], begin[order], self.occurrences.end[number[order]]


def evaluate(plan: QueryPlan, corpus: Corpus, *, atoms: Bools | None = None, steps: float = 0) -> Evaluation:
    """Evaluate all conditions on all papers. O(tokens that begin a phrase + occurrences + candidates).

    `atoms` are those to look for, None for all: conditions of others are then true of no paper. `steps` is what this
    costs (costs.py): where it is much, the papers are evaluated in pieces, so that memory stays bounded.
    """
    starts = plan.trie.find_starts(corpus, None if atoms is None else plan.phrases_of(atoms))
    pieces: list[_Piece] = []
    found: list[_Postings] = []
    for first, end in _piece_ranges(corpus, steps / max(_PIECE, _PIECE_PER_CONDITION * plan.conditions)):
        tokens = corpus.text_offsets[np.searchsorted(corpus.paper, (first, end))].tolist()
        occurrences = plan.trie.find(corpus, starts, *tokens)
        pieces.append(_Piece(plan, corpus, atoms, occurrences, end))
        found.append(_evaluate_piece(pieces[-1]))
    postings = found[0]
    if len(found) > 1:
        packed = np.concatenate([each.keys << 1 | each.in_title for each in found])
        packed.sort()  # by condition, then paper
        postings = _Postings(found[0].papers)
        postings.append(packed, plan.conditions)
    paper = (postings.keys % postings.papers).astype(np.int32)
    return Evaluation(plan, corpus, pieces, postings.offsets, paper, postings.in_title)


def _piece_ranges(corpus: Corpus, pieces: float) -> Iterator[tuple[int, int]]:
    """Yield (first column, column after the last) of about so many pieces, each with as many tokens."""
    count = min(max(math.ceil(pieces), 1), max(len(corpus), 1))
    texts = np.searchsorted(corpus.text_offsets, np.arange(1, count) * (len(corpus.word) / count))
    ends = [*np.unique(corpus.paper[texts]).tolist(), len(corpus)]
    first = 0
    for end in ends:
        if end > first or not len(corpus):
            yield first, end
        first = end


def _evaluate_piece(piece: _Piece) -> "_Postings":
    """Return the postings of all conditions in a piece."""
    plan, corpus = piece.plan, piece.corpus
    atom, number = _occurrences_by_atom(plan, corpus, piece.occurrences, piece.atoms)
    text = corpus.text[piece.occurrences.begin[number]]
    postings = _Postings(max(len(corpus), 1))
    postings.append(_distinct(postings.pack(atom, corpus.paper[text], corpus.field[text] == TITLE)), plan.atoms)
    for begin, end in plan.levels:
        clauses = np.arange(begin, end)
        is_or = plan.is_or[clauses]
        each, counts = indices_of_rows(plan.child_offsets, clauses[is_or])
        clause = np.repeat(clauses[is_or], counts)
        each, counts = indices_of_rows(postings.offsets, plan.child[each])
        condition, column = plan.atoms + np.repeat(clause, counts), postings.keys[each] % postings.papers
        found_by_or = _distinct(postings.pack(condition, column, postings.in_title[each]))
        found = np.concatenate((found_by_or, _evaluate_and(plan, postings, clauses[~is_or])))
        found.sort()
        postings.append(found, plan.atoms + end)
    return postings


class _Postings:
    """The postings found so far: `keys` (condition times papers plus paper, sorted), `in_title`, `counts` by condition.

    New postings come packed: twice the key, plus one if in the title. Sorting these numbers keeps both together.
    """

    def __init__(self, papers: int) -> None:
        self.papers = papers
        self.keys: Longs = np.empty(0, np.int64)
        self.in_title: Bools = np.empty(0, np.bool_)
        self.counts: Longs = np.zeros(0, np.int64)
        self.offsets: Longs = row_offsets(self.counts)

    def pack(self, condition: Longs | Ints, paper: Longs | Ints, in_title: Bools) -> Longs:
        """Return packed postings."""
        return (condition.astype(np.int64) * self.papers + paper) << 1 | in_title

    def append(self, packed: Longs, conditions: int) -> None:
        """Add sorted postings of later conditions. `conditions` is how many conditions there are now."""
        keys = packed >> 1
        counts = np.bincount(keys // self.papers, minlength=conditions)
        counts[: len(self.counts)] += self.counts
        self.counts, self.offsets = counts, row_offsets(counts)
        self.keys = np.concatenate((self.keys, keys))
        self.in_title = np.concatenate((self.in_title, (packed & 1).astype(np.bool_)))

    def find(self, condition: Longs | Ints, paper: Longs | Ints) -> tuple[Longs, Bools]:
        """Return (the index of each posting, whether it exists)."""
        keys = condition.astype(np.int64) * self.papers + paper
        at = np.searchsorted(self.keys, keys)
        at[at == len(self.keys)] = 0
        return at, self.keys[at] == keys


def _occurrences_by_atom(
    plan: QueryPlan, corpus: Corpus, occurrences: Occurrences, atoms: Bools | None
) -> tuple[Ints, Longs]:
    """Return (atom, occurrence) for each occurrence that helps to make one of the atoms true."""
    each, counts = indices_of_rows(plan.slot_offsets, occurrences.phrase)
    number = np.repeat(np.arange(len(occurrences.phrase)), counts)
    slot = plan.slot[each]
    allowed = (plan.fields[each] >> corpus.field[corpus.text[occurrences.begin[number]]]) & 1 == 1
    if atoms is not None:
        allowed &= atoms[plan.atom[slot]]
    slot, number = slot[allowed], number[allowed]
    atom = plan.atom[slot]
    single = plan.slots_of_atom[atom] == 1
    if single.all():
        return atom, number
    together = _all_slots_filled(plan, corpus, occurrences, slot[~single], number[~single])
    return np.concatenate((atom[single], together[0])), np.concatenate((number[single], together[1]))


def _all_slots_filled(
    plan: QueryPlan, corpus: Corpus, occurrences: Occurrences, slot: Ints, number: Longs
) -> tuple[Ints, Longs]:
    """Return (atom, occurrence) where all slots of the atom are filled in one text, within the distance of a NEAR."""
    texts = len(corpus.field)
    text = corpus.text[occurrences.begin[number]]
    key = plan.atom[slot].astype(np.int64) * texts + text
    filled = np.unique(slot.astype(np.int64) * texts + text)
    place, slots = np.unique(plan.atom[filled // texts] * np.int64(texts) + filled % texts, return_counts=True)
    complete = np.isin(key, place[slots == plan.slots_of_atom[place // texts]])
    slot, number = slot[complete], number[complete]
    atom = plan.atom[slot]
    near = plan.distance[atom] >= 0
    # All NEARs are checked in one sorted search. Each pair of atom and text has a range of numbers of its own, farther
    # from the next range than any NEAR reaches.
    base = np.unique(key[complete], return_inverse=True)[1] * (
        2 * len(corpus.token_offsets) + int(plan.distance.max(initial=0))
    )
    begin = base + corpus.first[occurrences.begin[number]]
    end = base + corpus.next[occurrences.end[number]]
    left, right = near & plan.is_first_slot[slot], near & ~plan.is_first_slot[slot]
    kept = ~near
    for here, there in ((left, right), (right, left)):
        distance = plan.distance[atom[here]]
        kept[here] = _contains_any(begin[there], end[here], end[here] + distance)
        kept[here] |= _contains_any(end[there], begin[here] - distance, begin[here])
    return atom[kept], number[kept]


def _contains_any(numbers: Longs, low: Longs, high: Longs) -> Bools:
    """By range from `low` to `high` (inclusive): whether any of the numbers lies in it."""
    numbers = np.sort(numbers)
    return np.searchsorted(numbers, high, side="right") > np.searchsorted(numbers, low)


def _evaluate_and(plan: QueryPlan, postings: _Postings, clauses: Longs) -> Longs:
    """Return the packed postings of AND clauses."""
    each, counts = indices_of_rows(plan.child_offsets, clauses)
    child, negated = plan.child[each], plan.negated[each]
    matters = ~negated | (postings.counts[child] > 0)  # a child that is true of no paper excludes nothing
    offsets = row_offsets(matters)[row_offsets(counts)]
    child, negated = child[matters], negated[matters]
    if not len(child):
        return np.empty(0, np.int64)
    # The candidates of a clause are the papers of its rarest required child, of the first one if several are as rare.
    required = np.where(negated, _NEVER, postings.counts[child])
    fewest = np.minimum.reduceat(required, offsets[:-1])
    is_fewest = required == np.repeat(fewest, np.diff(offsets))
    rarest = np.minimum.reduceat(np.where(is_fewest, np.arange(len(child)), _NEVER), offsets[:-1])
    alive = np.flatnonzero(fewest > 0)
    each, counts = indices_of_rows(postings.offsets, child[rarest[alive]])
    row = np.repeat(alive, counts)
    paper, in_title = postings.keys[each] % postings.papers, postings.in_title[each].copy()
    turn = 0
    done: list[Longs] = []
    while len(row):  # each turn checks one more child of every clause that still has candidates
        at = offsets[row] + turn
        left = at < offsets[row + 1]
        done.append(postings.pack(clauses[row[~left]] + plan.atoms, paper[~left], in_title[~left]))
        row, paper, in_title, at = row[left], paper[left], in_title[left], at[left]
        posting, exists = postings.find(child[at], paper)
        in_title |= exists & ~negated[at] & postings.in_title[posting]
        kept = exists != negated[at]
        row, paper, in_title = row[kept], paper[kept], in_title[kept]
        turn += 1
    return np.concatenate(done) if done else np.empty(0, np.int64)


def _distinct(packed: Longs) -> Longs:
    """Return the postings sorted and without duplicates, in the title if one of the duplicates is."""
    packed.sort()
    last = np.flatnonzero(np.diff(packed >> 1, append=-1))
    return packed[last]

"""Which conditions of a program are true of which papers.

Candidates are taken from the rarest child that a condition needs, and what else it asks is looked up for those only: a
condition that fails on its rarest word costs nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from digest.matching.engine.corpus import TITLE, Corpus
from digest.matching.engine.dictionary import Found
from digest.matching.engine.program import Program
from digest.matching.engine.ragged import Bools, Ints, Longs, pointer, rows

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true: sorted by condition, then paper. Immutable.

    `papers_of` is a pointer by condition into `paper` (its column) and `in_title` (a word of it stands in the title).
    `found` is where the phrases stand.
    """

    program: Program
    corpus: Corpus
    found: Found
    papers_of: Longs
    paper: Ints
    in_title: Bools

    def holds(self, condition: int, column: int) -> bool:
        """Whether a condition is true of a paper."""
        papers = self.paper[self.papers_of[condition] : self.papers_of[condition + 1]]
        at = int(np.searchsorted(papers, column))
        return at < len(papers) and int(papers[at]) == column

    @cached_property
    def proofs(self) -> tuple[Longs, Longs]:
        """(which places in `found` make an atom true of a paper, and the pointer to them by fact).

        Only of atoms, whose facts are the first. Found for all at once when the first is asked for.
        """
        atom, hit = _fulfilled_by(self.program, self.corpus, self.found)
        keys = atom.astype(np.int64) * len(self.corpus) + self.corpus.paper[self.corpus.text[self.found.begin[hit]]]
        order = np.lexsort((hit, keys))
        facts = pointer(np.unique(keys, return_counts=True)[1])
        return hit[order], facts

    def places(self, atom: int, column: int) -> list[int]:
        """The places in `found` that make an atom true of a paper."""
        hits, of_fact = self.proofs
        begin, end = self.papers_of[atom], self.papers_of[atom + 1]
        fact = int(begin) + int(np.searchsorted(self.paper[begin:end], column))
        found: list[int] = hits[of_fact[fact] : of_fact[fact + 1]].tolist()
        return found

    @property
    def counts(self) -> Longs:
        """By condition: of how many papers it is true."""
        return np.diff(self.papers_of)

    def counts_from(self, column: int) -> Longs:
        """By condition: of how many papers from that column on it is true."""
        papers_of = pointer(self.paper >= column)[self.papers_of]
        return papers_of[1:] - papers_of[:-1]


def evaluate(program: Program, corpus: Corpus) -> Truth:
    """O(readings that begin a phrase + places + candidates)."""
    found = program.dictionary.find(corpus)
    true = _True(max(len(corpus), 1))
    true.extend(_atoms(program, corpus, found), program.atoms)
    for begin, end in zip(program.levels[:-1].tolist(), program.levels[1:].tolist(), strict=True):
        joins = np.arange(begin, end)
        some = program.joins_any[joins]
        made = np.concatenate((_any(program, true, joins[some]), _all(program, true, joins[~some])))
        made.sort()
        true.extend(made, program.atoms + end)
    return Truth(program, corpus, found, true.pointer, (true.keys % true.papers).astype(np.int32), true.in_title)


class _True:
    """Facts so far: `keys` (condition times papers plus paper, sorted), `in_title`, and `counts` by condition.

    They come as marks, the key twice plus one where it is in the title, so that sorting keeps both together.
    """

    def __init__(self, papers: int) -> None:
        self.papers = papers
        self.keys: Longs = np.empty(0, np.int64)
        self.in_title: Bools = np.empty(0, np.bool_)
        self.counts: Longs = np.zeros(0, np.int64)
        self.pointer: Longs = pointer(self.counts)

    def extend(self, marks: Longs, conditions: int) -> None:
        """Add sorted marks of conditions behind those so far. `conditions`: how many there are now."""
        keys = marks >> 1
        counts = np.bincount(keys // self.papers, minlength=conditions)
        counts[: len(self.counts)] += self.counts
        self.counts, self.pointer = counts, pointer(counts)
        self.keys = np.concatenate((self.keys, keys))
        self.in_title = np.concatenate((self.in_title, (marks & 1).astype(np.bool_)))

    def marks(self, condition: Longs | Ints, paper: Longs | Ints, in_title: Bools) -> Longs:
        """The facts as marks."""
        return (condition.astype(np.int64) * self.papers + paper) << 1 | in_title

    def papers_of(self, condition: Ints | Longs) -> tuple[Longs, Longs]:
        """(indices of each condition's facts, how many each has)."""
        return rows(self.pointer, condition)

    def look_up(self, condition: Longs | Ints, paper: Longs | Ints) -> tuple[Longs, Bools]:
        """(index of each fact, whether there is one)."""
        keys = condition.astype(np.int64) * self.papers + paper
        at = np.searchsorted(self.keys, keys)
        at[at == len(self.keys)] = 0
        return at, self.keys[at] == keys


def _atoms(program: Program, corpus: Corpus, found: Found) -> Longs:
    """The facts of all atoms, as sorted marks."""
    atom, hit = _fulfilled_by(program, corpus, found)
    text = corpus.text[found.begin[hit]]
    marks = (atom.astype(np.int64) * max(len(corpus), 1) + corpus.paper[text]) << 1 | (corpus.field[text] == TITLE)
    return _distinct(marks)


def _fulfilled_by(program: Program, corpus: Corpus, found: Found) -> tuple[Ints, Longs]:
    """(atom, hit) of all that was found and makes an atom true."""
    each, counts = rows(program.slots_of, found.phrase)
    hit = np.repeat(np.arange(len(found.phrase)), counts)
    return _fulfilled(program, corpus, found, program.slot[each], program.fields[each], hit)


def _fulfilled(
    program: Program, corpus: Corpus, found: Found, slot: Ints, fields: Ints, hit: Longs
) -> tuple[Ints, Longs]:
    """(atom, hit) of every hit that takes part in making its atom true.

    `hit` numbers places in `found` which fill `slot`, provided that they lie in one of `fields`.
    """
    text = corpus.text[found.begin[hit]]
    allowed = (fields >> corpus.field[text]) & 1 == 1
    slot, hit = slot[allowed], hit[allowed]
    atom = program.atom[slot]
    alone = program.slots[atom] == 1
    if alone.all():
        return atom, hit
    with_others = _together(program, corpus, found, slot[~alone], hit[~alone])
    return np.concatenate((atom[alone], with_others[0])), np.concatenate((hit[alone], with_others[1]))


def _together(program: Program, corpus: Corpus, found: Found, slot: Ints, hit: Longs) -> tuple[Ints, Longs]:
    """(atom, hit) where every slot of an atom is filled within one text, and near enough if it says how near."""
    texts = len(corpus.field)
    text = corpus.text[found.begin[hit]]
    key = program.atom[slot].astype(np.int64) * texts + text
    filled = np.unique(slot.astype(np.int64) * texts + text)
    place, filled_slots = np.unique(
        program.atom[filled // texts] * np.int64(texts) + filled % texts, return_counts=True
    )
    complete = np.isin(key, place[filled_slots == program.slots[place // texts]])
    slot, hit = slot[complete], hit[complete]
    atom = program.atom[slot]
    near = program.distance[atom] >= 0
    # Each atom has a stretch of numbers of its own for each text, farther from the next than any NEAR reaches.
    stretch = np.unique(key[complete], return_inverse=True)[1] * (
        2 * len(corpus.reading_at) + int(program.distance.max(initial=0))
    )
    begin = stretch + corpus.first[found.begin[hit]]
    end = stretch + corpus.next[found.end[hit]]
    left, right = near & program.opens[slot], near & ~program.opens[slot]
    met = ~near
    for here, there in ((left, right), (right, left)):
        distance = program.distance[atom[here]]
        met[here] = _any_within(begin[there], end[here], end[here] + distance)
        met[here] |= _any_within(end[there], begin[here] - distance, begin[here])
    return atom[met], hit[met]


def _any_within(numbers: Longs, low: Longs, high: Longs) -> Bools:
    """For each low and high: whether some number lies between, or is one of them."""
    numbers = np.sort(numbers)
    return np.searchsorted(numbers, high, side="right") > np.searchsorted(numbers, low)


def _any(program: Program, true: _True, joins: Longs) -> Longs:
    """The facts of OR conditions, as marks."""
    children, counts = rows(program.children_of, joins)
    condition = np.repeat(joins + program.atoms, counts)
    each, counts = true.papers_of(program.child[children])
    return _distinct(true.marks(np.repeat(condition, counts), true.keys[each] % true.papers, true.in_title[each]))


def _all(program: Program, true: _True, joins: Longs) -> Longs:
    """The facts of AND conditions, as marks."""
    each, counts = rows(program.children_of, joins)
    child, negated = program.child[each], program.negated[each]
    # What is true of nothing excludes nothing.
    matters = ~negated | (true.counts[child] > 0)
    of = pointer(matters)[pointer(counts)]
    child, negated = child[matters], negated[matters]
    some, rarest = _rarest(of, true.counts[child], negated)
    each, counts = true.papers_of(child[rarest])
    row = np.repeat(some, counts)
    paper, in_title = true.keys[each] % true.papers, true.in_title[each].copy()
    turn = 0
    done: list[Longs] = []
    while len(row):
        at = of[row] + turn
        left = at < of[row + 1]
        done.append(true.marks(joins[row[~left]] + program.atoms, paper[~left], in_title[~left]))
        row, paper, in_title, at = row[left], paper[left], in_title[left], at[left]
        fact, holds = true.look_up(child[at], paper)
        in_title |= holds & ~negated[at] & true.in_title[fact]
        kept = holds != negated[at]
        row, paper, in_title = row[kept], paper[kept], in_title[kept]
        turn += 1
    return np.concatenate(done) if done else np.empty(0, np.int64)


def _rarest(of: Longs, papers: Longs, negated: Bools) -> tuple[Longs, Longs]:
    """(the rows all of whose needed children are true of some paper, of each the child that is of the fewest).

    `of` is a pointer by row into `papers`, of how many each child is true, and `negated`.
    """
    if not len(papers):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    needed = np.where(negated, _NEVER, papers)
    fewest = np.minimum.reduceat(needed, of[:-1])
    is_fewest = needed == np.repeat(fewest, np.diff(of))
    rarest = np.minimum.reduceat(np.where(is_fewest, np.arange(len(papers)), _NEVER), of[:-1])
    alive = fewest > 0
    return np.flatnonzero(alive), rarest[alive]


def _distinct(marks: Longs) -> Longs:
    """Sorted, each fact once; in the title if it is there anywhere."""
    marks.sort()
    last = np.flatnonzero(np.diff(marks >> 1, append=-1))
    return marks[last]

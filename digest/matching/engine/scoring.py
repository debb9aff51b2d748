"""Turns the weights of rules into scores, and finds the best papers of every profile.

A profile's score for a paper is the sum over its rules that are true of the paper: weight times TITLE_FACTOR, if one of
the rule's words is in the title, times the rule's inverse document frequency.

This is the inner loop: a million profiles and a thousand papers take 2.5 s, and reading the papers only 0.2 s of it
(docs/performance.md), so nothing here runs Python code per profile or paper. Profiles are processed in blocks that fit
the processor's cache. A match's score and its paper's rank among equals are packed into one integer, and each profile's
matches are sorted in a row of their own: many short sorts are several times faster than one long sort.
"""

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from digest.matching.engine.evaluation import Evaluation
from digest.matching.engine.ragged import Bools, Floats, Ints, Longs, concatenated_ranges, row_offsets

TITLE_FACTOR = 2.0  # how much more a rule counts in the title

_CELLS = 1 << 18  # in a block, profiles times papers: 1 MB of int32, so that it stays in the cache
_NARROW = 64  # matches of a profile that are sorted in the narrow grid; most profiles have fewer
_TASKS_PER_WORKER = 4  # so that a worker that finishes early takes over part of the others' work

_LARGEST = np.iinfo(np.int64).max
_SIGN = 0x7FFFFFFF  # all bits of a float32 but its sign: for positive numbers they sort as the numbers do


def inverse_document_frequency(counts: Longs, total: int) -> Floats:
    """Return the rarity of rules that are true of `counts` papers out of `total`: the factor in their score.

    It is 1 for a rule that is true of all papers, and 1 more each time the count halves (Spärck Jones, J. Documentation
    28, 1972). Smoothed, so that it is 1 where there are no papers and finite where a rule is true of none.
    """
    return (1 + np.log2((total + 1) / (counts + 1))).astype(np.float32)


def posting_values(evaluation: Evaluation, idf: Floats) -> Floats:
    """Return what each posting adds to a score for a weight of 1. `idf` is by condition."""
    value = np.where(evaluation.in_title, np.float32(TITLE_FACTOR), np.float32(1))
    value *= np.repeat(idf, evaluation.document_frequencies())
    return value


@dataclass(frozen=True, slots=True, eq=False)
class ProfileRules:
    """The rules of all profiles. `offsets` are row offsets, by profile, into `condition`, `weight` and `line`.

    A rule that excludes has the weight EXCLUDES, which is minus infinity: no sum with it is above 0.
    """

    offsets: Longs
    condition: Ints
    weight: Floats
    line: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1


class ScoredPapers(NamedTuple):
    """Three arrays of equal length, sorted by profile, then by score from the best, then by precedence of the paper."""

    profile: Ints
    paper: Ints
    score: Floats


def best_papers(
    rules: ProfileRules, evaluation: Evaluation, value: Floats, *, limit: int | None = None, workers: int = 1
) -> ScoredPapers:
    """Return the best `limit` papers of every profile, or all with a score above 0. O(rules + matches).

    `value` is by posting. Several `workers` are forked processes, not threads, which would wait for each other between
    NumPy's short steps.
    """
    scorer = _Scorer(rules, evaluation, value, limit)
    starts = range(0, len(rules), scorer.block)
    if workers > 1 and len(starts) > workers:
        size = math.ceil(len(starts) / (_TASKS_PER_WORKER * workers))
        tasks = [starts[i : i + size] for i in range(0, len(starts), size)]
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, fork, initializer=_inherited.append, initargs=(scorer,)) as pool:
            profile, rank, score = _concatenated(list(pool.map(_score_inherited, tasks)))
    else:
        profile, rank, score = scorer.score_blocks(starts)
    return ScoredPapers(profile, evaluation.corpus.by_precedence[rank] if len(rank) else rank, score)


_inherited: "list[_Scorer]" = []  # in a forked process: the parent's scorer, which a fork need not pickle and send


def _score_inherited(starts: range) -> ScoredPapers:
    return _inherited[0].score_blocks(starts)


class _Scorer:
    """Scores blocks of profiles. In its results, `paper` is the paper's rank: its place in `by_precedence`."""

    def __init__(self, rules: ProfileRules, evaluation: Evaluation, value: Floats, limit: int | None) -> None:
        papers = len(evaluation.corpus)
        self.rank_bits = max(1, papers.bit_length())
        self.block = max(1, _CELLS >> self.rank_bits)  # profiles
        self._rules = rules
        self._limit = limit
        rank = np.empty(papers, np.int32)
        rank[evaluation.corpus.by_precedence] = np.arange(papers)
        # What is read together is stored together, in one int64: where a condition's postings begin and how many there
        # are; a posting's rank and value.
        offsets = evaluation.offsets
        self._range = offsets[:-1] << 32 | np.diff(offsets)
        self._posting = np.stack((rank[evaluation.paper], value.view(np.int32)), axis=1).view(np.int64).ravel()

    def score_blocks(self, starts: range) -> ScoredPapers:
        """Return the best papers of the blocks that begin with these profiles."""
        mask = (1 << self.rank_bits) - 1
        blocks: list[ScoredPapers] = []
        for begin in starts:
            end = min(begin + self.block, len(self._rules))
            cell, score = self._sum_weights(begin, end)
            counts = np.bincount(cell >> self.rank_bits, minlength=end - begin)
            # Best score first, then the first in precedence: both ascend in one integer key.
            keys = (_SIGN - score.view(np.int32).astype(np.int64)) << self.rank_bits | cell & mask
            keys, counts = _smallest_of_each_row(keys, counts, self._limit)
            score = (_SIGN - (keys >> self.rank_bits)).astype(np.int32).view(np.float32)
            profile = np.repeat(np.arange(begin, end, dtype=np.int32), counts)
            blocks.append(ScoredPapers(profile, (keys & mask).astype(np.int32), score))
        return _concatenated(blocks)

    def _sum_weights(self, begin: int, end: int) -> tuple[Longs, Floats]:
        """Return (cell, score) of every match of some profiles, profile by profile.

        A cell is a profile's number in the block and a paper's rank, packed into one number.
        """
        offsets = self._rules.offsets[begin : end + 1]
        rules = slice(int(offsets[0]), int(offsets[-1]))
        # Rules that are true of no paper are dropped before anything is repeated for each posting.
        ranges = self._range[self._rules.condition[rules]]
        counts = ranges & 0xFFFFFFFF
        true = np.flatnonzero(counts)
        counts = counts[true]
        posting = self._posting[concatenated_ranges(ranges[true] >> 32, counts)]
        row = np.repeat(np.arange(end - begin) << self.rank_bits, np.diff(offsets))
        cell = np.repeat(row[true], counts)
        cell += posting.view(np.int32)[::2]
        points = np.repeat(self._rules.weight[rules][true], counts)
        points *= posting.view(np.float32)[1::2]
        # Sums the points of each cell without sorting and without clearing an array of all cells: of the postings of a
        # cell, the last one to write its number there owns the cell and gets the sum.
        number = np.arange(len(cell), dtype=np.int32)
        owner_of_cell = np.empty((end - begin) << self.rank_bits, np.int32)
        owner_of_cell[cell] = number
        owner = owner_of_cell[cell]
        total = np.bincount(owner, points, minlength=len(cell))
        kept = np.flatnonzero((owner == number) & (total > 0))
        return cell[kept], total[kept].astype(np.float32)


def _smallest_of_each_row(keys: Longs, counts: Longs, limit: int | None) -> tuple[Longs, Longs]:
    """Return (the smallest `limit` keys of each row in ascending order, how many each row has)."""
    offsets = row_offsets(counts)
    kept = counts if limit is None else np.minimum(counts, limit)
    ordered = np.empty((len(counts), int(kept.max(initial=0))), np.int64)
    # Two grids: most rows are short, and padding them to the longest row would cost more than sorting them.
    is_wide = counts > _NARROW
    for group in (np.flatnonzero(~is_wide), np.flatnonzero(is_wide)):
        width = int(counts[group].max(initial=0))
        grid = np.full((len(group), width), _LARGEST)
        grid[_first_columns(counts[group], width)] = keys[concatenated_ranges(offsets[group], counts[group])]
        grid.sort(axis=1)
        ordered[group, :width] = grid[:, : ordered.shape[1]]
    return ordered[_first_columns(kept, ordered.shape[1])], kept


def _first_columns(counts: Longs, width: int) -> Bools:
    """Return a mask of rows of this width: True for the first `count` cells of each row."""
    return np.arange(width) < counts[:, None]


def _concatenated(parts: Sequence[ScoredPapers]) -> ScoredPapers:
    if not parts:
        return ScoredPapers(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    return ScoredPapers(*(np.concatenate(part) for part in zip(*parts, strict=True)))

"""From what is true of papers to the best papers of every profile: the inner loop, on arrays.

A profile's score for a paper is the sum over its rules that are true of it. Some profiles are taken at a time, so that
everything fits the processor's cache. A score and a paper's precedence are packed into one number a match, and each
profile's matches laid out in a row of their own: many short sorts are several times faster than a long one.
"""

import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from digest.matching.engine.ragged import Bools, Floats, Ints, Longs, pointer, spread

_CELLS = 1 << 18  # profiles taken at a time, times papers

_NARROW = 64  # matches of a profile

_PARTS = 4  # that each worker's share is cut into

_LARGEST = np.iinfo(np.int64).max
_SIGN = 0x7FFFFFFF  # all bits of a float32 but its sign: above 0 they sort as their values do


@dataclass(frozen=True, slots=True, eq=False)
class Asks:
    """What profiles ask: `of` is a pointer by profile into `condition`, `weight` (EXCLUDES or above 0) and `line`."""

    of: Longs
    condition: Ints
    weight: Floats
    line: Ints

    def __len__(self) -> int:
        return len(self.of) - 1


class Best(NamedTuple):
    """Three arrays of equal length, sorted by profile, then score descending, then precedence."""

    profile: Ints
    paper: Ints
    score: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is true, and how much it counts. `papers_of` is a pointer by condition into `paper` and `value`.

    `value` is what the fact adds to a score for a weight of 1. `by_precedence` are all papers, the one that
    comes first among equals first.
    """

    papers_of: Longs
    paper: Ints
    value: Floats
    by_precedence: Ints


def best(asks: Asks, facts: Facts, *, limit: int | None = None, workers: int = 1) -> Best:
    """The best `limit` papers of every profile, or all that score above nothing. O(rules + matches).

    With several `workers`, in as many forked processes: NumPy's short steps leave threads waiting for one another.
    """
    work = _Work(asks, facts, limit)
    starts = range(0, len(asks), work.at_once)
    if workers > 1 and len(starts) > workers:
        part = math.ceil(len(starts) / (_PARTS * workers))
        ranges = [starts[i : i + part] for i in range(0, len(starts), part)]
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, fork, initializer=_adopt, initargs=(work,)) as pool:
            profile, place, score = _joined(list(pool.map(_all_adopted, ranges)))
    else:
        profile, place, score = work.all(starts)
    return Best(profile, facts.by_precedence[place] if len(place) else place, score)


def _joined(parts: Sequence[Best]) -> Best:
    if not parts:
        return Best(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    return Best(*(np.concatenate(part) for part in zip(*parts, strict=True)))


_adopted: "list[_Work]" = []  # in a forked process: its work, which was there already and need not be sent


def _adopt(work: "_Work") -> None:
    _adopted.append(work)


def _all_adopted(starts: range) -> Best:
    return _adopted[0].all(starts)


class _Work:
    def __init__(self, asks: Asks, facts: Facts, limit: int | None) -> None:
        papers = len(facts.by_precedence)
        self.bits = max(1, papers.bit_length())  # that a paper's place takes
        self.at_once = max(1, _CELLS >> self.bits)
        self._asks = asks
        self._limit = limit
        place = np.empty(papers, np.int32)
        place[facts.by_precedence] = np.arange(papers)
        # What is looked up together lies together: where a condition's facts begin and how many they are, where a fact
        # belongs and what it counts.
        self._span = facts.papers_of[:-1] << 32 | np.diff(facts.papers_of)
        self._fact = np.stack((place[facts.paper], facts.value.view(np.int32)), axis=1).view(np.int64).ravel()

    def all(self, starts: range) -> Best:
        """The best of all profiles that follow these, a place instead of a paper."""
        return _joined([self.some(begin) for begin in starts])

    def some(self, begin: int) -> Best:
        """The same for as many profiles from `begin` on as are taken at a time."""
        end = min(begin + self.at_once, len(self._asks))
        cell, score = self._sums(begin, end)
        counts = np.bincount(cell >> self.bits, minlength=end - begin)
        mask = (1 << self.bits) - 1
        keys = (_SIGN - score.view(np.int32).astype(np.int64)) << self.bits | cell & mask
        keys, counts = _in_order(keys, counts, self._limit)
        score = (_SIGN - (keys >> self.bits)).astype(np.int32).view(np.float32)
        profile = np.repeat(np.arange(begin, end, dtype=np.int32), counts)
        return Best(profile, (keys & mask).astype(np.int32), score)

    def _sums(self, begin: int, end: int) -> tuple[Longs, Floats]:
        """(row from `begin` on and place, in one number; score) of every match, row by row."""
        of = self._asks.of[begin : end + 1]
        asked = slice(int(of[0]), int(of[-1]))
        span = self._span[self._asks.condition[asked]]
        counts = span & 0xFFFFFFFF
        met = np.flatnonzero(counts)
        counts = counts[met]
        fact = self._fact[spread(span[met] >> 32, counts)]
        row = np.repeat(np.arange(end - begin) << self.bits, np.diff(of))
        cell = np.repeat(row[met], counts)
        cell += fact.view(np.int32)[::2]
        points = np.repeat(self._asks.weight[asked][met], counts)
        points *= fact.view(np.float32)[1::2]
        # Of the facts that meet in a cell the last writes its number there; sums are made under that number.
        number = np.arange(len(cell), dtype=np.int32)
        last = np.empty((end - begin) << self.bits, np.int32)
        last[cell] = number
        owner = last[cell]
        total = np.bincount(owner, points, minlength=len(cell))
        kept = np.flatnonzero((owner == number) & (total > 0))
        return cell[kept], total[kept].astype(np.float32)


def _in_order(keys: Longs, counts: Longs, limit: int | None) -> tuple[Longs, Longs]:
    """(each row's smallest `limit` keys in ascending order, how many of each row). `keys` come row by row."""
    of = pointer(counts)
    kept = counts if limit is None else np.minimum(counts, limit)
    ordered = np.empty((len(counts), int(kept.max(initial=0))), np.int64)
    # Most rows are short: they are not laid out as wide as the longest.
    is_wide = counts > _NARROW
    for group in (np.flatnonzero(~is_wide), np.flatnonzero(is_wide)):
        width = int(counts[group].max(initial=0))
        grid = np.full((len(group), width), _LARGEST)
        grid[_first(counts[group], width)] = keys[spread(of[group], counts[group])]
        grid.sort(axis=1)
        ordered[group, :width] = grid[:, : ordered.shape[1]]
    return ordered[_first(kept, ordered.shape[1])], kept


def _first(counts: Longs, width: int) -> Bools:
    """A mask of rows of that width: the first so many of each."""
    return np.arange(width) < counts[:, None]

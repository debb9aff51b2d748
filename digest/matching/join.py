"""From what is true of papers to the best papers of every profile: the inner loop, on arrays.

A profile's score for a paper is the sum over its rules that are true of it. Some profiles are taken at a time, so that
everything fits the processor's cache. A score and a paper's precedence are packed into one number a match, and each
profile's matches laid out in a row of their own: many short sorts are several times faster than a long one.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digest.matching.ragged import Floats, Ints, Longs, pointer, spread

_CELLS = 1 << 18  # profiles taken at a time, times papers

EXCLUDES = -np.inf  # the weight of a rule that keeps papers out: no sum that holds it is above nothing

_NARROW = 64  # matches of a profile

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

    `value` (float64) is what the fact adds to a score for a weight of 1. `by_precedence` are all papers, the one that
    comes first among equals first.
    """

    papers_of: Longs
    paper: Ints
    value: NDArray[np.float64]
    by_precedence: Ints


def best(asks: Asks, facts: Facts, *, limit: int | None = None, workers: int = 1) -> Best:
    """The best `limit` papers of every profile, or all that score above nothing. O(rules + matches)."""
    work = _Work(asks, facts, limit)
    starts = range(0, len(asks), work.at_once)
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(work.some, starts) if workers > 1 else map(work.some, starts))
    if not parts:
        return Best(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    profile, place, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Best(profile, facts.by_precedence[place] if len(place) else place, score)


class _Work:
    def __init__(self, asks: Asks, facts: Facts, limit: int | None) -> None:
        papers = len(facts.by_precedence)
        self.bits = max(1, papers.bit_length())  # that a paper's place takes
        self.at_once = max(1, _CELLS >> self.bits)
        self._asks = asks
        self._limit = limit
        place = np.empty(papers, np.int64)
        place[facts.by_precedence] = np.arange(papers)
        self._place = place[facts.paper] if papers else place
        self._value = facts.value
        counts = np.diff(facts.papers_of)
        self._is_met = counts > 0
        self._span = facts.papers_of[:-1] << 32 | counts  # one look-up for both

    def some(self, begin: int) -> tuple[Ints, Ints, Floats]:
        """(profile, place, score) of the next profiles from `begin` on, in their order."""
        end = min(begin + self.at_once, len(self._asks))
        row, place, score = self._sums(begin, end)
        counts = np.bincount(row, minlength=end - begin)
        keys = (_SIGN - score.view(np.int32).astype(np.int64)) << self.bits | place
        keys, counts = _in_order(keys, counts, self._limit)
        score = (_SIGN - (keys >> self.bits)).astype(np.int32).view(np.float32)
        profile = np.repeat(np.arange(begin, end, dtype=np.int32), counts)
        return profile, (keys & ((1 << self.bits) - 1)).astype(np.int32), score

    def _sums(self, begin: int, end: int) -> tuple[Longs, Longs, Floats]:
        """(row from `begin` on, place, score) of every match, by row."""
        of = self._asks.of[begin : end + 1]
        asked = slice(int(of[0]), int(of[-1]))
        condition, weight = self._asks.condition[asked], self._asks.weight[asked]
        row = np.repeat(np.arange(end - begin) << self.bits, np.diff(of))
        met = np.flatnonzero(self._is_met[condition])
        span = self._span[condition[met]]
        counts = span & 0xFFFFFFFF
        each = spread(span >> 32, counts)
        cell = np.repeat(row[met], counts)
        cell += self._place[each]
        points = np.repeat(weight[met].astype(np.float64), counts)
        points *= self._value[each]
        # Of the facts that meet in a cell the last writes its number there; sums are made under that number.
        number = np.arange(len(cell), dtype=np.int32)
        last = np.empty((end - begin) << self.bits, np.int32)
        last[cell] = number
        owner = last[cell]
        total = np.bincount(owner, points, minlength=len(cell))
        kept = np.flatnonzero((owner == number) & (total > 0))
        cell = cell[kept]
        return cell >> self.bits, cell & ((1 << self.bits) - 1), total[kept].astype(np.float32)


def _in_order(keys: Longs, counts: Longs, limit: int | None) -> tuple[Longs, Longs]:
    """(each row's smallest `limit` keys in ascending order, how many of each row). `keys` come row by row."""
    of = pointer(counts)
    kept = counts if limit is None else np.minimum(counts, limit)
    starts = pointer(kept)[:-1]
    ordered = np.empty(int(kept.sum()), np.int64)
    # Most rows are short: they are not laid out as wide as the longest.
    is_wide = counts > _NARROW
    for group in (np.flatnonzero(~is_wide), np.flatnonzero(is_wide)):
        many = counts[group]
        width = int(many.max(initial=0))
        grid = np.full((len(group), width), _LARGEST)
        grid[np.arange(width) < many[:, None]] = keys[spread(of[group], many)]
        grid.sort(axis=1)
        ordered[spread(starts[group], kept[group])] = grid[np.arange(width) < kept[group][:, None]]
    return ordered, kept

"""Rows of unequal length in flat arrays: row i is `values[pointer[i]:pointer[i + 1]]`."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def pointer(counts: Longs | Ints | Bools) -> Longs:
    """Where each row begins, and behind the last where it ends: int64, one longer than `counts`."""
    found = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=found[1:])
    return found


def spread(starts: Longs | Ints, counts: Longs | Ints) -> Longs:
    """The indices start, start + 1, … of every row, one row behind the other: sum(counts) of int64."""
    ends: Longs = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + counts, counts) + np.arange(total)


def rows(table: Longs, wanted: Longs | Ints) -> tuple[Longs, Longs]:
    """(indices of the values of each wanted row, how many each has), where `table` is a pointer."""
    starts = table[wanted]
    counts = table[wanted + 1] - starts
    return spread(starts, counts), counts


def packed(lists: Iterable[Sequence[int]]) -> tuple[Longs, Ints]:
    """(pointer, values) of these rows."""
    kept = list(lists)
    counts = np.fromiter(map(len, kept), np.int64, len(kept))
    return pointer(counts), np.fromiter((v for row in kept for v in row), np.int32, int(counts.sum()))

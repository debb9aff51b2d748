"""Ragged arrays: rows of unequal length in flat arrays. Row i is `values[offsets[i]:offsets[i + 1]]`."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]


def row_offsets(counts: Longs | Ints | Bools) -> Longs:
    """Return the offsets of rows with these lengths: int64, one longer than `counts`."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def concatenated_ranges(starts: Longs | Ints, counts: Longs | Ints) -> Longs:
    """Return the numbers start, start + 1, … of each (start, count) pair, one range after the other, as int64."""
    ends: Longs = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - ends + counts, counts) + np.arange(total)


def indices_of_rows(offsets: Longs, wanted: Longs | Ints) -> tuple[Longs, Longs]:
    """Return (the indices of the values in each wanted row, the length of each wanted row)."""
    starts = offsets[wanted]
    counts = offsets[wanted + 1] - starts
    return concatenated_ranges(starts, counts), counts


def pack_rows(lists: Iterable[Sequence[int]]) -> tuple[Longs, Ints]:
    """Return (offsets, values) for these rows."""
    rows = list(lists)
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    return row_offsets(counts), np.fromiter((v for row in rows for v in row), np.int32, int(counts.sum()))

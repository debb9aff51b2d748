"""Groups of hostile inputs, one file a kind. A module's `attacks` yields them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile input and what it is given to. It falls if `run` raises, or takes more CPU time than `seconds`."""

    name: str
    run: Callable[[], object]
    seconds: float = 20.0


# Given: random numbers, how many inputs to generate beside the fixed ones, and an empty folder.
Group = Callable[[Random, int, Path], Iterator[Attack]]


def mutated(random: Random, sample: bytes, changes: int = 4) -> bytes:
    """Return `sample` with some of its bytes changed, removed, repeated or swapped for others of its own parts."""
    data = bytearray(sample)
    for _ in range(random.randint(1, changes)):
        begin = random.randrange(len(data) + 1)
        end = min(len(data), begin + random.choice((0, 1, 1, 4, 30)))
        part = bytes(data[begin:end])
        start = random.randrange(len(data) + 1)
        other = bytes(data[start : start + random.choice((1, 4, 30, 200))])
        data[begin:end] = random.choice((b"", part * 3, other, random.randbytes(2), b"\0", part[::-1], part.swapcase()))
    return bytes(data)

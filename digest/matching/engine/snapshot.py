"""An index as a file: arrays, read back without parsing a rule."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digest.matching.engine.dictionary import Dictionary
from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.join import Asks
from digest.matching.engine.program import Program

# Raised when what is written changes, and when the same rules come to mean something else.
_FORMAT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An index, and by row the id of the profile that stands there (ascending) and the fingerprint of its rules."""

    index: ProfileIndex
    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]


def save_snapshot(file: Path, snapshot: Snapshot) -> None:
    """Write a snapshot, whole or not at all: a reader never sees half of it. Raises OSError."""
    index, dictionary = snapshot.index, snapshot.index.program.dictionary
    arrays = {f"program.{name}": getattr(index.program, name) for name in _PROGRAM}
    arrays |= {f"asks.{name}": getattr(index.asks, name) for name in _ASKS}
    arrays |= {f"dictionary.{name}": getattr(dictionary, name) for name in _DICTIONARY}
    symbols = np.frombuffer("\n".join(dictionary.symbols).encode(), np.uint8)
    with NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}.", delete=False) as opened:
        written = Path(opened.name)
        try:
            np.savez(
                opened,
                format=np.array(_FORMAT),
                symbols=symbols,
                ids=snapshot.ids,
                fingerprints=snapshot.fingerprints,
                **arrays,
            )
            written.replace(file)
        except OSError:
            written.unlink()
            raise


def load_snapshot(file: Path) -> Snapshot | None:
    """The snapshot in `file`; None if there is none that this version can read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            return _read(arrays) if int(arrays["format"]) == _FORMAT else None
    except Exception:  # noqa: BLE001  (a damaged zip file raises nearly anything, and a cache is only made anew)
        return None


_PROGRAM = ("slots_of", "slot", "fields", "atom", "distance", "joins_any", "children_of", "child", "negated", "levels")
_ASKS = ("of", "condition", "weight", "line")
_DICTIONARY = ("keys", "targets", "phrase_of")


def _read(arrays: Any) -> Snapshot:
    text = arrays["symbols"].tobytes().decode()
    symbols = text.split("\n") if text else []
    dictionary = Dictionary(symbols, *(arrays[f"dictionary.{name}"] for name in _DICTIONARY))
    program = Program(dictionary=dictionary, **{name: arrays[f"program.{name}"] for name in _PROGRAM})
    asks = Asks(**{name: arrays[f"asks.{name}"] for name in _ASKS})
    return Snapshot(ProfileIndex(program, asks), arrays["ids"], arrays["fingerprints"])

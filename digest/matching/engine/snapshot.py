"""Stores a profile index in a file of arrays, which is loaded without parsing a rule."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from digest.matching.engine.index import ProfileIndex
from digest.matching.engine.phrase_trie import PhraseTrie
from digest.matching.engine.query_plan import QueryPlan
from digest.matching.engine.scoring import ProfileRules

# Increased when the file's arrays change, and when the same rules come to mean something else.
_FORMAT = 3

_PLAN = (
    "slot_offsets", "slot", "fields", "atom", "distance", "is_or", "child_offsets", "child", "negated", "level_offsets",
)  # fmt: skip
_RULES = ("offsets", "condition", "weight", "line")
_TRIE = ("keys", "targets", "phrase_of")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """An index, with the id (ascending) and the fingerprint of the rules of the profile in each row."""

    index: ProfileIndex
    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]


def save_snapshot(file: Path, snapshot: Snapshot) -> None:
    """Writes a snapshot atomically: readers see the old file or the new one. Raises OSError."""
    plan, rules = snapshot.index.plan, snapshot.index.rules
    arrays = {f"plan.{name}": getattr(plan, name) for name in _PLAN}
    arrays |= {f"rules.{name}": getattr(rules, name) for name in _RULES}
    arrays |= {f"trie.{name}": getattr(plan.trie, name) for name in _TRIE}
    arrays |= {
        "format": np.array(_FORMAT),
        "symbols": np.frombuffer("\n".join(plan.trie.symbols).encode(), np.uint8),
        "ids": snapshot.ids,
        "fingerprints": snapshot.fingerprints,
    }
    with NamedTemporaryFile(dir=file.parent, prefix=f"{file.name}.", delete=False) as opened:
        written = Path(opened.name)
        try:
            np.savez(opened, **arrays)
            written.replace(file)
        except OSError:
            written.unlink()
            raise


def load_snapshot(file: Path) -> Snapshot | None:
    """Returns the snapshot in `file`, or None if there is none that this version can read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if int(arrays["format"]) != _FORMAT:
                return None
            text = arrays["symbols"].tobytes().decode()
            symbols = text.split("\n") if text else []
            trie = PhraseTrie(symbols, *(arrays[f"trie.{name}"] for name in _TRIE))
            plan = QueryPlan(trie=trie, **{name: arrays[f"plan.{name}"] for name in _PLAN})
            rules = ProfileRules(**{name: arrays[f"rules.{name}"] for name in _RULES})
            return Snapshot(ProfileIndex(plan, rules), arrays["ids"], arrays["fingerprints"])
    except Exception:  # noqa: BLE001  (a damaged zip file can raise almost anything; the cache is then built again)
        return None

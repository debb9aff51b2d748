"""Compiles the rules of profiles for matching, and caches all of them as a snapshot beside the database.

The snapshot records the fingerprint of the rules that each profile was compiled from. Profiles edited since then are
compiled on the spot.
"""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from digest.errors import RuleError, StoreError
from digest.matching import ProfileIndex, compile_rules, parse_rules
from digest.matching.engine.index import Snapshot, load_snapshot, save_snapshot
from digest.matching.language.query import MAX_CHARACTERS
from digest.models import Profile
from digest.store import Store, profiles

log = structlog.get_logger()

_SNAPSHOT_FROM = 256  # profiles; compiling fewer is faster than reading a snapshot

# The snapshot is rebuilt when more profiles than both of these were edited since.
_MAX_EDITED = 64
_MAX_EDITED_SHARE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class IndexPart:
    """Some profiles and their rows in an index."""

    index: ProfileIndex
    rows: NDArray[np.int64]
    profiles: Sequence[Profile]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledBatch:
    """Profiles ready for matching, each in one of the parts, and the errors of invalid rules by profile id."""

    parts: Sequence[IndexPart]
    errors: Mapping[int, RuleError]


class CompiledProfiles:
    """Compiled rules of all profiles. Keeps the snapshot in memory once it is read."""

    def __init__(self, store: Store, file: Path) -> None:
        """`file` is where the snapshot is saved."""
        self._store = store
        self._file = file
        self._snapshot: Snapshot | None = None

    def compile(self, wanted: Sequence[Profile]) -> CompiledBatch:
        """Return these profiles, with their current rules, ready for matching. Raises StoreError."""
        if len(wanted) < _SNAPSHOT_FROM:
            return _compile(wanted)
        if self._snapshot is None:
            self._snapshot = load_snapshot(self._file)
        current = self._snapshot or self._rebuild()
        rows = _rows(current, wanted)
        edited = int((rows < 0).sum())
        if edited > max(_MAX_EDITED, _MAX_EDITED_SHARE * len(current.ids)):
            current = self._rebuild()
            rows = _rows(current, wanted)
        in_snapshot = rows >= 0
        known = [profile for profile, known in zip(wanted, in_snapshot, strict=True) if known]
        others = _compile([profile for profile, known in zip(wanted, in_snapshot, strict=True) if not known])
        return CompiledBatch([IndexPart(current.index, rows[in_snapshot], known), *others.parts], others.errors)

    def _rebuild(self) -> Snapshot:
        """Make and save a snapshot of all profiles in the store."""
        compile_outdated(self._store)
        with self._store.write() as tx:
            profiles.delete_unused_queries(tx)
            all_ = profiles.load_compiled(tx)
            removals = profiles.count_removals(tx)
        index = ProfileIndex.from_compiled(
            all_.queries, offsets=all_.of, query=all_.query, weight=all_.weight, line=all_.line
        )
        self._snapshot = Snapshot(index, all_.ids, all_.fingerprints)
        try:
            save_snapshot(self._file, self._snapshot)
        except OSError as error:  # only a cache: the next process rebuilds it
            log.warning("cannot save compiled profiles", file=str(self._file), reason=str(error))
        with self._store.read() as tx:
            has_removed = profiles.count_removals(tx) != removals
        if has_removed:  # subscribers, after their rules were loaded
            self.discard_snapshot()
        return self._snapshot

    def discard_snapshot(self) -> None:
        """Delete the file of the snapshot, which holds the rules of subscribers who were removed. Raises StoreError."""
        try:
            for file in self._file.parent.glob(f"{glob.escape(self._file.name)}*"):  # an interrupted run leaves a copy
                file.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot delete {error.filename}: {error.strerror}") from None


def compile_outdated(store: Store) -> list[tuple[Profile, RuleError]]:
    """Compile the profiles saved by an older version. Returns the profiles with rules that are now invalid, and why."""
    with store.read() as tx:
        outdated = profiles.list_uncompiled(tx)
    invalid: list[tuple[Profile, RuleError]] = []
    if outdated:
        with store.write() as tx:
            for profile in outdated:
                try:
                    compiled = compile_rules(profile.rules, max_characters=MAX_CHARACTERS)
                    profiles.store_compiled(tx, profile.id, compiled)
                except RuleError as error:
                    invalid.append((profile, error))
    return invalid


def _compile(wanted: Sequence[Profile]) -> CompiledBatch:
    if not wanted:
        return CompiledBatch([], {})
    try:
        return CompiledBatch([IndexPart(ProfileIndex.build(wanted), np.arange(len(wanted)), wanted)], {})
    except RuleError:
        errors: dict[int, RuleError] = {}
        for profile in wanted:
            try:
                parse_rules(profile.rules)
            except RuleError as error:
                errors[profile.id] = error
        return CompiledBatch(_compile([profile for profile in wanted if profile.id not in errors]).parts, errors)


def _rows(current: Snapshot, wanted: Sequence[Profile]) -> NDArray[np.int64]:
    """Return the row of each profile in the snapshot, or -1 where it is missing or was compiled from other rules."""
    if not len(current.ids):
        return np.full(len(wanted), -1)
    ids = np.array([profile.id for profile in wanted], np.int64)
    fingerprints = np.array([profile.fingerprint for profile in wanted], np.uint64)
    at = np.searchsorted(current.ids, ids)
    at[at == len(current.ids)] = 0
    return np.where((current.ids[at] == ids) & (current.fingerprints[at] == fingerprints), at, -1)

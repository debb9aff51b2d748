"""Every profile's rules, ready to be matched.

Rules are compiled when they are saved. Where many profiles are asked for at once, all are kept as a snapshot beside the
database: a cache, which says of each profile which text it was compiled from, so that what was edited since is compiled
by itself and the rest is used as it lies there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from digest.errors import RuleError
from digest.matching import ProfileIndex, compile_rules, parse_rules
from digest.matching.engine.snapshot import Snapshot, load_snapshot, save_snapshot
from digest.models import Profile
from digest.store import Store, profiles

log = structlog.get_logger()

_FEW = 256  # profiles that are compiled sooner than a snapshot is read

# The snapshot is made anew when more profiles than this, and more than this part of it, were edited since.
_MOST_EDITED = 64
_MOST_EDITED_PART = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some profiles, and the rows of an index where they stand."""

    index: ProfileIndex
    rows: NDArray[np.int64]
    profiles: Sequence[Profile]


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """Profiles, ready to be matched, each in one of the pieces; and those whose rules cannot be read, by id."""

    pieces: Sequence[Piece]
    unreadable: Mapping[int, RuleError]


class CompiledProfiles:
    """What all profiles ask. Keeps the snapshot in memory once it was read."""

    def __init__(self, store: Store, file: Path) -> None:
        """`file` is where the snapshot is kept."""
        self._store = store
        self._file = file
        self._snapshot: Snapshot | None = None

    def ready(self, wanted: Sequence[Profile]) -> Ready:
        """These profiles as they are now. Raises StoreError."""
        if len(wanted) < _FEW:
            return _compiled(wanted)
        kept = self._kept()
        rows = _rows(kept, wanted)
        edited = int((rows < 0).sum())
        if edited > max(_MOST_EDITED, _MOST_EDITED_PART * len(kept.ids)):
            kept = self._renewed()
            rows = _rows(kept, wanted)
        there = rows >= 0
        known = [profile for profile, known in zip(wanted, there, strict=True) if known]
        others = _compiled([profile for profile, known in zip(wanted, there, strict=True) if not known])
        return Ready([Piece(kept.index, rows[there], known), *others.pieces], others.unreadable)

    def _kept(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = load_snapshot(self._file)
        return self._snapshot or self._renewed()

    def _renewed(self) -> Snapshot:
        """A snapshot of all profiles as they are in the store."""
        compile_outdated(self._store)
        with self._store.write() as tx:
            profiles.forget_unasked(tx)
            all_ = profiles.load_compiled(tx)
        index = ProfileIndex.from_compiled(
            all_.queries, offsets=all_.of, query=all_.query, weight=all_.weight, line=all_.line
        )
        self._snapshot = Snapshot(index, all_.ids, all_.fingerprints)
        try:
            save_snapshot(self._file, self._snapshot)
        except OSError as error:  # a cache: without it the next process takes longer
            log.warning("cannot keep compiled profiles", file=str(self._file), reason=str(error))
        return self._snapshot


def compile_outdated(store: Store) -> list[tuple[Profile, RuleError]]:
    """Compile what an older version saved; the profiles whose rules cannot be read any more, and why."""
    with store.read() as tx:
        older = profiles.list_uncompiled(tx)
    unreadable: list[tuple[Profile, RuleError]] = []
    if older:
        with store.write() as tx:
            for profile in older:
                try:
                    profiles.set_compiled(tx, profile.id, compile_rules(profile.rules))
                except RuleError as error:
                    unreadable.append((profile, error))
    return unreadable


def _compiled(wanted: Sequence[Profile]) -> Ready:
    if not wanted:
        return Ready([], {})
    try:
        return Ready([Piece(ProfileIndex.build(wanted), np.arange(len(wanted)), wanted)], {})
    except RuleError:
        unreadable = {profile.id: error for profile in wanted if (error := _complaint(profile)) is not None}
        readable = _compiled([profile for profile in wanted if profile.id not in unreadable])
        return Ready(readable.pieces, unreadable)


def _complaint(profile: Profile) -> RuleError | None:
    try:
        parse_rules(profile.rules)
    except RuleError as error:
        return error
    return None


def _rows(kept: Snapshot, wanted: Sequence[Profile]) -> NDArray[np.int64]:
    """The row of each profile in the snapshot, -1 where it holds none with these rules."""
    ids = np.array([profile.id for profile in wanted], np.int64)
    fingerprints = np.array([profile.fingerprint for profile in wanted], np.uint64)
    at = np.searchsorted(kept.ids, ids)
    at[at == len(kept.ids)] = 0
    if not len(kept.ids):
        return np.full(len(wanted), -1)
    return np.where((kept.ids[at] == ids) & (kept.fingerprints[at] == fingerprints), at, -1)

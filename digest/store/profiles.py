"""Keyword profiles: shared ones by name, personal ones by their subscriber.

Rules come here compiled. Each query is kept once; a profile holds the numbers of those that it asks, packed, so that a
million profiles are read back without parsing one of them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects.sqlite import insert

from digest.errors import NotFoundError, UsageError
from digest.models import OWN_KEYWORDS, CompiledRules, Profile, fingerprint
from digest.store import counters, versions
from digest.store.database import Transaction
from digest.store.schema import follows, profiles, queries, subscribers

_SHARED = profiles.c.owner_id.is_(None)

# A packed profile: the fingerprint of its text, then one of these for each query.
_FINGERPRINT = np.dtype("<u8")
_ASK = np.dtype([("query", "<i4"), ("line", "<i4"), ("weight", "<f4")])

_BATCH = 500  # bound values at a time


@dataclass(frozen=True, slots=True, eq=False)
class StoredRules:
    """Every profile, compiled. `of` is a pointer by profile into `query` (place in `queries`), `line` and `weight`."""

    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]
    of: NDArray[np.int64]
    query: NDArray[np.int32]
    line: NDArray[np.int32]
    weight: NDArray[np.float32]
    queries: list[str]


def version(tx: Transaction) -> int:
    """Rises with every change of the shared profiles."""
    return counters.current(tx, profiles)


def find(tx: Transaction, name: str) -> Profile | None:
    """The shared profile of that name, or None."""
    row = tx.execute(sa.select(profiles).where(_SHARED, profiles.c.name == name)).one_or_none()
    return None if row is None else _profile(row)


def get(tx: Transaction, name: str) -> Profile:
    """The shared profile of that name. Raises NotFoundError with the nearest name."""
    found = find(tx, name)
    if found is None:
        raise NotFoundError("profile", name, [p.name for p in list_shared(tx)], listed_by="digest profile list")
    return found


def find_by_id(tx: Transaction, number: int) -> Profile | None:
    """The shared profile of that number, or None."""
    row = tx.execute(sa.select(profiles).where(_SHARED, profiles.c.id == number)).one_or_none()
    return None if row is None else _profile(row)


def get_by_id(tx: Transaction, number: int) -> Profile:
    """The shared profile of that number. Raises NotFoundError."""
    found = find_by_id(tx, number)
    if found is None:
        raise NotFoundError("profile", str(number), listed_by="digest profile list")
    return found


def list_shared(tx: Transaction) -> list[Profile]:
    """Every shared profile, by name."""
    return [_profile(row) for row in tx.execute(sa.select(profiles).where(_SHARED).order_by(profiles.c.name))]


def count_followers(tx: Transaction) -> dict[str, int]:
    """How many subscribers follow each shared profile, by name."""
    rows = tx.execute(
        sa.select(profiles.c.name, sa.func.count(follows.c.subscriber_id).label("followers"))
        .outerjoin(follows, follows.c.profile_id == profiles.c.id)
        .where(_SHARED)
        .group_by(profiles.c.id)
    )
    return {row.name: row.followers for row in rows}


def count_followers_of(tx: Transaction, number: int) -> tuple[int, int]:
    """(how many follow a shared profile, how many of them follow nothing else and have no keywords of their own)."""
    other = follows.alias()
    theirs = profiles.alias()
    alone = ~sa.exists().where(other.c.subscriber_id == follows.c.subscriber_id, other.c.profile_id != number)
    wordless = ~sa.exists().where(theirs.c.owner_id == follows.c.subscriber_id)
    counts = sa.select(sa.func.count(), sa.func.count().filter(alone, wordless)).select_from(follows)
    row = tx.execute(counts.where(follows.c.profile_id == number)).one()
    return row[0], row[1]


def list_followers(tx: Transaction, number: int, *, after: int, limit: int) -> list[tuple[int, str]]:
    """The (number, address) of those who follow a shared profile: the first with a number above `after`, by number."""
    asked = sa.select(subscribers.c.id, subscribers.c.email).join(follows, follows.c.subscriber_id == subscribers.c.id)
    page = asked.where(follows.c.profile_id == number, follows.c.subscriber_id > after)
    return [(row.id, row.email) for row in tx.execute(page.order_by(follows.c.subscriber_id).limit(limit))]


def get_current_or_removed(tx: Transaction, name: str) -> Profile:
    """The shared profile of that name, or else the one that had it when it was removed. Raises NotFoundError."""
    found = find(tx, name) or versions.find_removed(tx, name)
    if found is None:
        known = [p.name for p in list_shared(tx)] + versions.list_removed_names(tx)
        raise NotFoundError("profile", name, known, listed_by="digest profile list")
    return found


def get_by_id_or_removed(tx: Transaction, number: int) -> Profile:
    """The profile of that number that is shared, or else was; as it was then. Raises NotFoundError."""
    found = find_by_id(tx, number) or versions.find_last(tx, number)
    if found is None:
        raise NotFoundError("profile", str(number), listed_by="digest profile list")
    return found


def add(tx: Transaction, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """A new shared profile, added by somebody or some way. Raises UsageError if the name is taken."""
    if find(tx, name) is not None:
        raise UsageError(f"there is a profile {name!r} already; `digest profile edit` changes it")
    return _insert(tx, versions.last_profile_id(tx) + 1, name, rules, by=by, now=now)


def edit(
    tx: Transaction,
    name: str,
    *,
    rules: CompiledRules | None = None,
    new_name: str | None = None,
    by: str,
    now: datetime,
) -> Profile:
    """Change a shared profile's rules or name; its followers stay. Raises NotFoundError, UsageError.

    What it says from now on is a new version, unless it said the same before.
    """
    profile = get(tx, name)
    if new_name is not None and new_name != name and find(tx, new_name) is not None:
        raise UsageError(f"there is a profile {new_name!r} already")
    changed = {"name": new_name or name, "updated_at": now} | ({} if rules is None else _written(tx, rules))
    tx.execute(sa.update(profiles).where(profiles.c.id == profile.id).values(changed))
    _changed(tx)
    edited = get(tx, new_name or name)
    if edited != profile:
        versions.record(tx, edited, by=by, now=now)
    return edited


def restore(tx: Transaction, known: Profile, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """Give a profile that is shared, or was, an earlier text; one that was removed comes back, followed by nobody.

    It is a new version, as an edit is: nothing is lost. Raises UsageError where another has its name by now.
    """
    shared = find_by_id(tx, known.id)
    if shared is not None:
        return edit(tx, shared.name, rules=rules, by=by, now=now)
    if find(tx, known.name) is not None:
        raise UsageError(f"another profile is called {known.name!r} by now; give that one another name first")
    return _insert(tx, known.id, known.name, rules, by=by, now=now)


def remove(tx: Transaction, name: str) -> None:
    """Take a shared profile away; nobody follows it any more. Its versions stay. Raises NotFoundError."""
    tx.execute(sa.delete(profiles).where(profiles.c.id == get(tx, name).id))
    _changed(tx)


def find_personal(tx: Transaction, subscriber_id: int) -> Profile | None:
    """A subscriber's own keywords and mutes, or None."""
    row = tx.execute(sa.select(profiles).where(profiles.c.owner_id == subscriber_id)).one_or_none()
    return None if row is None else _profile(row)


def set_personal(tx: Transaction, subscriber_id: int, rules: CompiledRules, *, now: datetime) -> None:
    """Replace a subscriber's own rules; empty rules leave none."""
    tx.execute(sa.delete(profiles).where(profiles.c.owner_id == subscriber_id))
    if rules.rules:
        # The number of a shared profile that was removed is kept for it.
        number = versions.last_profile_id(tx) + 1
        values = {"id": number, "name": OWN_KEYWORDS, "owner_id": subscriber_id, "updated_at": now}
        values |= _written(tx, rules)
        tx.execute(sa.insert(profiles).values(values))


def find_by_subscribers(tx: Transaction, subscriber_ids: Collection[int]) -> dict[int, list[Profile]]:
    """What each of these subscribers follows: their own profile first, then the shared ones by name."""
    wanted: dict[int, list[Profile]] = {i: [] for i in subscriber_ids}
    own = sa.select(profiles, profiles.c.owner_id.label("of")).where(profiles.c.owner_id.in_(subscriber_ids))
    shared = (
        sa.select(profiles, follows.c.subscriber_id.label("of"))
        .join(follows, follows.c.profile_id == profiles.c.id)
        .where(follows.c.subscriber_id.in_(subscriber_ids))
        .order_by(profiles.c.name)
    )
    for row in [*tx.execute(own), *tx.execute(shared)]:
        wanted[row.of].append(_profile(row))
    return wanted


def set_followed(tx: Transaction, subscriber_id: int, names: Sequence[str]) -> None:
    """Make these shared profiles the ones that a subscriber follows, and no others. Raises NotFoundError."""
    tx.execute(sa.delete(follows).where(follows.c.subscriber_id == subscriber_id))
    add_followers(tx, {subscriber_id: names})


def add_followers(tx: Transaction, names_of: Mapping[int, Sequence[str]]) -> None:
    """Let subscribers who follow nothing so far follow these shared profiles. Raises NotFoundError."""
    ids = {name: get(tx, name).id for name in sorted({name for names in names_of.values() for name in names})}
    rows = [
        {"subscriber_id": subscriber_id, "profile_id": ids[name]}
        for subscriber_id, names in names_of.items()
        for name in dict.fromkeys(names)
    ]
    if rows:
        tx.execute(sa.insert(follows), rows)


def list_uncompiled(tx: Transaction) -> list[Profile]:
    """The profiles that an older version saved, and nobody since."""
    return [_profile(row) for row in tx.execute(sa.select(profiles).where(profiles.c.compiled.is_(None)))]


def store_compiled(tx: Transaction, profile_id: int, rules: CompiledRules) -> None:
    """Keep a profile's rules compiled, provided that they are still these."""
    unchanged = sa.and_(profiles.c.id == profile_id, profiles.c.rules == rules.text)
    tx.execute(sa.update(profiles).where(unchanged).values(_written(tx, rules)))


def delete_unused_queries(tx: Transaction) -> None:
    """Forget the queries that no profile asks any more."""
    packed = tx.scalars(sa.select(profiles.c.compiled).where(profiles.c.compiled.is_not(None)))
    asked = np.concatenate([np.empty(0, np.int32), *(_unpacked(asks)["query"] for asks in packed)])
    known = np.array(tx.scalars(sa.select(queries.c.id)).all(), np.int64)
    unasked: list[int] = np.setdiff1d(known, asked).tolist()
    for i in range(0, len(unasked), _BATCH):
        tx.execute(sa.delete(queries).where(queries.c.id.in_(unasked[i : i + _BATCH])))


def load_compiled(tx: Transaction) -> StoredRules:
    """Every compiled profile, by id, with the queries that they ask."""
    rows = tx.execute(
        sa.select(profiles.c.id, profiles.c.compiled).where(profiles.c.compiled.is_not(None)).order_by(profiles.c.id)
    ).all()
    head = _FINGERPRINT.itemsize
    asks = np.concatenate([np.empty(0, _ASK), *(_unpacked(packed) for _, packed in rows)])
    of = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([(len(packed) - head) // _ASK.itemsize for _, packed in rows], out=of[1:])
    used, query = np.unique(asks["query"], return_inverse=True)
    text_of = {row.id: row.text for row in tx.execute(sa.select(queries))}
    return StoredRules(
        ids=np.array([i for i, _ in rows], np.int64),
        fingerprints=np.frombuffer(b"".join(packed[:head] for _, packed in rows), _FINGERPRINT),
        of=of,
        query=query.astype(np.int32),
        line=asks["line"],
        weight=asks["weight"],
        queries=[text_of[number] for number in used.tolist()],
    )


def _insert(tx: Transaction, number: int, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    values = {"id": number, "name": name, "owner_id": None, "updated_at": now, **_written(tx, rules)}
    tx.execute(sa.insert(profiles).values(values))
    _changed(tx)
    added = get(tx, name)
    versions.record(tx, added, by=by, now=now)
    return added


def _changed(tx: Transaction) -> None:
    counters.reserve_ids(tx, profiles, 1)


def _unpacked(packed: bytes) -> NDArray[Any]:
    return np.frombuffer(packed, _ASK, offset=_FINGERPRINT.itemsize)


def _written(tx: Transaction, rules: CompiledRules) -> dict[str, Any]:
    """A profile's columns that say what it asks."""
    number_of = _numbers(tx, [ask.query for ask in rules.rules])
    asks = np.array([(number_of[ask.query], ask.line, ask.weight) for ask in rules.rules], _ASK)
    return {"rules": rules.text, "compiled": np.array(fingerprint(rules.text), _FINGERPRINT).tobytes() + asks.tobytes()}


def _numbers(tx: Transaction, texts: Sequence[str]) -> dict[str, int]:
    """The numbers of these queries; those that nobody asked before get one."""
    found: dict[str, int] = {}
    for some in _batched(texts):
        asked = sa.select(queries.c.text, queries.c.id).where(queries.c.text.in_(some))
        found.update((row.text, row.id) for row in tx.execute(asked))
        if new := [{"text": text} for text in some if text not in found]:
            tx.execute(insert(queries).on_conflict_do_nothing(), new)
            found.update((row.text, row.id) for row in tx.execute(asked))
    return found


def _batched(texts: Sequence[str]) -> Iterator[list[str]]:
    distinct = iter(dict.fromkeys(texts))
    while some := list(islice(distinct, _BATCH)):
        yield some


def _profile(row: sa.Row[Any]) -> Profile:
    return Profile(id=row.id, name=row.name, rules=row.rules, owner_id=row.owner_id)

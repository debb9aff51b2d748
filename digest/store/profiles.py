"""Keyword profiles: shared ones by name with all their versions, personal ones by their subscriber.

Rules are stored compiled: each query once, and in every profile the packed ids of its queries. A million profiles are
loaded without parsing one of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from digest.errors import NotFoundError, UsageError
from digest.models import OWN_KEYWORDS, CompiledRules, Profile, ProfileVersion, fingerprint
from digest.store.database import Counter, Transaction, backend, batches, last_number, reserve_numbers
from digest.store.schema import follows, profile_versions, profiles, queries, subscribers

_SHARED = profiles.c.owner_id.is_(None)
_LAST_OF_REMOVED = profile_versions.c.id.in_(
    sa.select(sa.func.max(profile_versions.c.id))
    .group_by(profile_versions.c.profile_id)
    .where(profile_versions.c.profile_id.not_in(sa.select(profiles.c.id).where(_SHARED)))
)

# A packed profile: the fingerprint of its text, then one of these for each rule.
_FINGERPRINT = np.dtype("<u8")
_RULE = np.dtype([("query", "<i4"), ("line", "<i4"), ("weight", "<f4")])


@dataclass(frozen=True, slots=True, eq=False)
class StoredRules:
    """The compiled rules of all profiles, as arrays.

    The rules of profile `ids[i]` are those from `of[i]` to `of[i + 1]` in `query` (an index into `queries`), `line` and
    `weight`.
    """

    ids: NDArray[np.int64]
    fingerprints: NDArray[np.uint64]
    of: NDArray[np.int64]
    query: NDArray[np.int32]
    line: NDArray[np.int32]
    weight: NDArray[np.float32]
    queries: list[str]


def version(tx: Transaction) -> int:
    """Return a number that rises with every change of the shared profiles."""
    return last_number(tx, Counter.PROFILES_VERSION)


def find(tx: Transaction, name: str) -> Profile | None:
    """Return the shared profile of that name, or None."""
    return _find(tx, sa.and_(_SHARED, profiles.c.name == name))


def get(tx: Transaction, name: str, *, or_removed: bool = False) -> Profile:
    """Return the shared profile of that name, or with `or_removed` the last removed one that had it.

    Raises NotFoundError with the most similar name.
    """
    found = find(tx, name)
    if found is None and or_removed:
        found = _find_version(tx, sa.and_(_LAST_OF_REMOVED, profile_versions.c.name == name))
    if found is None:
        known = [p.name for p in (*list_shared(tx), *(list_removed(tx) if or_removed else ()))]
        raise NotFoundError("profile", name, known, listed_by="digest profile list")
    return found


def find_by_id(tx: Transaction, profile_id: int) -> Profile | None:
    """Return the shared profile with that id, or None."""
    return _find(tx, sa.and_(_SHARED, profiles.c.id == profile_id))


def get_by_id(tx: Transaction, profile_id: int, *, or_removed: bool = False) -> Profile:
    """Return the shared profile with that id, with `or_removed` also a removed one as it was. Raises NotFoundError."""
    found = find_by_id(tx, profile_id)
    if found is None and or_removed:
        found = _find_version(tx, profile_versions.c.profile_id == profile_id)
    if found is None:
        raise NotFoundError("profile", str(profile_id), listed_by="digest profile list")
    return found


def list_shared(tx: Transaction) -> list[Profile]:
    """Return all shared profiles, by name."""
    return [_profile(row) for row in tx.execute(sa.select(profiles).where(_SHARED).order_by(profiles.c.name))]


def count_followers(tx: Transaction) -> dict[str, int]:
    """Return the number of followers of each shared profile, by its name."""
    rows = tx.execute(
        sa.select(profiles.c.name, sa.func.count(follows.c.subscriber_id).label("followers"))
        .outerjoin(follows, follows.c.profile_id == profiles.c.id)
        .where(_SHARED)
        .group_by(profiles.c.id)
    )
    return {row.name: row.followers for row in rows}


def count_followers_of(tx: Transaction, profile_id: int) -> tuple[int, int]:
    """Return the number of a profile's followers, and of those with no other profile and no keywords of their own."""
    other = follows.alias()
    own = profiles.alias()
    only_this = ~sa.exists().where(other.c.subscriber_id == follows.c.subscriber_id, other.c.profile_id != profile_id)
    no_keywords = ~sa.exists().where(own.c.owner_id == follows.c.subscriber_id)
    counts = sa.select(sa.func.count(), sa.func.count().filter(only_this, no_keywords)).select_from(follows)
    row = tx.execute(counts.where(follows.c.profile_id == profile_id)).one()
    return row[0], row[1]


def list_followers(tx: Transaction, profile_id: int, *, after: int, limit: int) -> list[tuple[int, str]]:
    """Return (id, address) of the next `limit` followers of a shared profile with an id above `after`."""
    followers = sa.select(subscribers.c.id, subscribers.c.email).join(
        follows, follows.c.subscriber_id == subscribers.c.id
    )
    page = followers.where(follows.c.profile_id == profile_id, follows.c.subscriber_id > after)
    return [(row.id, row.email) for row in tx.execute(page.order_by(follows.c.subscriber_id).limit(limit))]


def add(tx: Transaction, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """Add a shared profile; `by` is an admin's address or "command line". Raises UsageError if the name is taken."""
    if find(tx, name) is not None:
        raise UsageError(f"there is a profile {name!r} already; `digest profile edit` changes it")
    return _insert(tx, reserve_numbers(tx, Counter.PROFILE_IDS)[0], name, rules, by=by, now=now)


def edit(
    tx: Transaction,
    name: str,
    *,
    rules: CompiledRules | None = None,
    new_name: str | None = None,
    by: str,
    now: datetime,
) -> Profile:
    """Change a shared profile's rules or name, and record a new version if anything changed. Followers stay.

    Raises NotFoundError, or UsageError if the new name is taken.
    """
    profile = get(tx, name)
    if new_name is not None and new_name != name and find(tx, new_name) is not None:
        raise UsageError(f"there is a profile {new_name!r} already")
    changed = {"name": new_name or name, "updated_at": now} | ({} if rules is None else _rule_columns(tx, rules))
    tx.execute(sa.update(profiles).where(profiles.c.id == profile.id).values(changed))
    reserve_numbers(tx, Counter.PROFILES_VERSION)
    edited = get(tx, new_name or name)
    if edited != profile:
        _record_version(tx, edited, by=by, now=now)
    return edited


def restore(tx: Transaction, known: Profile, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    """Give a current or removed shared profile an earlier text, as a new version.

    A removed profile comes back without followers. Raises UsageError if another profile has its name now.
    """
    shared = find_by_id(tx, known.id)
    if shared is not None:
        return edit(tx, shared.name, rules=rules, by=by, now=now)
    if find(tx, known.name) is not None:
        raise UsageError(f"another profile is now called {known.name!r}; rename that one first")
    return _insert(tx, known.id, known.name, rules, by=by, now=now)


def remove(tx: Transaction, name: str) -> None:
    """Delete a shared profile; its versions are kept. Raises NotFoundError."""
    tx.execute(sa.delete(profiles).where(profiles.c.id == get(tx, name).id))
    reserve_numbers(tx, Counter.PROFILES_VERSION)


def list_versions(tx: Transaction, profile_id: int) -> list[ProfileVersion]:
    """Return the versions of a current or removed shared profile, newest first."""
    versions = sa.select(profile_versions).where(profile_versions.c.profile_id == profile_id)
    rows = tx.execute(versions.order_by(profile_versions.c.id)).all()
    return [
        ProfileVersion(number=number, name=r.name, rules=r.rules, saved_at=r.saved_at, saved_by=r.saved_by)
        for number, r in enumerate(rows, 1)
    ][::-1]


def latest_version_numbers(tx: Transaction) -> dict[int, int]:
    """Return the number of the newest version of each shared profile, by the profile's id."""
    counted = sa.select(profile_versions.c.profile_id, sa.func.count().label("versions"))
    return {row.profile_id: row.versions for row in tx.execute(counted.group_by(profile_versions.c.profile_id))}


def get_version(tx: Transaction, profile: Profile, number: int) -> tuple[ProfileVersion | None, ProfileVersion]:
    """Return (the version before, or None; the version with that number). Raises NotFoundError."""
    versions = [None, *reversed(list_versions(tx, profile.id))]
    found = versions[number] if 0 < number < len(versions) else None
    if found is None:
        raise NotFoundError("version", str(number), listed_by=f"digest profile history {profile.name!r}")
    return versions[number - 1], found


def list_removed(tx: Transaction) -> list[Profile]:
    """Return the removed shared profiles as they were, by name; of the same name the newest first."""
    removed = sa.select(profile_versions).where(_LAST_OF_REMOVED)
    rows = tx.execute(removed.order_by(profile_versions.c.name, profile_versions.c.id.desc()))
    return [Profile(id=row.profile_id, name=row.name, rules=row.rules) for row in rows]


def find_personal(tx: Transaction, subscriber_id: int) -> Profile | None:
    """Return a subscriber's own keywords and mutes, or None."""
    return _find(tx, profiles.c.owner_id == subscriber_id)


def set_personal(tx: Transaction, subscriber_id: int, rules: CompiledRules, *, now: datetime) -> None:
    """Replace a subscriber's own rules; empty rules delete the profile."""
    tx.execute(sa.delete(profiles).where(profiles.c.owner_id == subscriber_id))
    if rules.rules:
        (new_id,) = reserve_numbers(tx, Counter.PROFILE_IDS)
        values = {"id": new_id, "name": OWN_KEYWORDS, "owner_id": subscriber_id, "updated_at": now}
        tx.execute(sa.insert(profiles).values(values | _rule_columns(tx, rules)))


def find_by_subscribers(tx: Transaction, subscriber_ids: Collection[int]) -> dict[int, list[Profile]]:
    """Return the profiles of each of these subscribers: their own first, then the shared ones by name."""
    found: dict[int, list[Profile]] = {i: [] for i in subscriber_ids}
    own = sa.select(profiles, profiles.c.owner_id.label("of")).where(profiles.c.owner_id.in_(subscriber_ids))
    shared = (
        sa.select(profiles, follows.c.subscriber_id.label("of"))
        .join(follows, follows.c.profile_id == profiles.c.id)
        .where(follows.c.subscriber_id.in_(subscriber_ids))
        .order_by(profiles.c.name)
    )
    for row in [*tx.execute(own), *tx.execute(shared)]:
        found[row.of].append(_profile(row))
    return found


def set_followed(tx: Transaction, subscriber_id: int, names: Sequence[str]) -> None:
    """Make a subscriber follow exactly these shared profiles. Raises NotFoundError."""
    tx.execute(sa.delete(follows).where(follows.c.subscriber_id == subscriber_id))
    add_followers(tx, {subscriber_id: names})


def add_followers(tx: Transaction, names_by_subscriber: Mapping[int, Sequence[str]]) -> None:
    """Make subscribers who follow nothing yet follow these shared profiles. Raises NotFoundError."""
    names = {name for names in names_by_subscriber.values() for name in names}
    ids = {name: get(tx, name).id for name in sorted(names)}
    rows = [
        {"subscriber_id": subscriber_id, "profile_id": ids[name]}
        for subscriber_id, names in names_by_subscriber.items()
        for name in dict.fromkeys(names)
    ]
    if rows:
        tx.execute(sa.insert(follows), rows)


def list_uncompiled(tx: Transaction) -> list[Profile]:
    """Return the profiles that an older version of this program saved, without their compiled rules."""
    return [_profile(row) for row in tx.execute(sa.select(profiles).where(profiles.c.compiled.is_(None)))]


def store_compiled(tx: Transaction, profile_id: int, rules: CompiledRules) -> None:
    """Store a profile's compiled rules, unless its text has changed since."""
    unchanged = sa.and_(profiles.c.id == profile_id, profiles.c.rules == rules.text)
    tx.execute(sa.update(profiles).where(unchanged).values(_rule_columns(tx, rules)))


def count_removals(tx: Transaction) -> int:
    """Return a number that rises whenever subscribers are removed, and their rules with them."""
    return last_number(tx, Counter.REMOVALS)


def delete_unused_queries(tx: Transaction) -> None:
    """Delete the queries that no profile uses any more."""
    packed = tx.scalars(sa.select(profiles.c.compiled).where(profiles.c.compiled.is_not(None)))
    used = np.concatenate([np.empty(0, np.int32), *(_unpacked(rules)["query"] for rules in packed)])
    known = np.array(tx.scalars(sa.select(queries.c.id)).all(), np.int64)
    unused: list[int] = np.setdiff1d(known, used).tolist()
    for batch in batches(unused):
        tx.execute(sa.delete(queries).where(queries.c.id.in_(batch)))


def load_compiled(tx: Transaction) -> StoredRules:
    """Return the compiled rules of all profiles, by id, with their queries."""
    rows = tx.execute(
        sa.select(profiles.c.id, profiles.c.compiled).where(profiles.c.compiled.is_not(None)).order_by(profiles.c.id)
    ).all()
    head = _FINGERPRINT.itemsize
    rules = np.concatenate([np.empty(0, _RULE), *(_unpacked(packed) for _, packed in rows)])
    of = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([(len(packed) - head) // _RULE.itemsize for _, packed in rows], out=of[1:])
    used, query = np.unique(rules["query"], return_inverse=True)
    texts = {row.id: row.text for row in tx.execute(sa.select(queries))}
    return StoredRules(
        ids=np.array([i for i, _ in rows], np.int64),
        fingerprints=np.frombuffer(b"".join(packed[:head] for _, packed in rows), _FINGERPRINT),
        of=of,
        query=query.astype(np.int32),
        line=rules["line"],
        weight=rules["weight"],
        queries=[texts[number] for number in used.tolist()],
    )


def _find(tx: Transaction, condition: sa.ColumnElement[bool]) -> Profile | None:
    row = tx.execute(sa.select(profiles).where(condition)).one_or_none()
    return None if row is None else _profile(row)


def _find_version(tx: Transaction, condition: sa.ColumnElement[bool]) -> Profile | None:
    """Return the newest version that fulfils `condition`, as a profile."""
    newest = sa.select(profile_versions).where(condition).order_by(profile_versions.c.id.desc()).limit(1)
    row = tx.execute(newest).one_or_none()
    return None if row is None else Profile(id=row.profile_id, name=row.name, rules=row.rules)


def _insert(tx: Transaction, profile_id: int, name: str, rules: CompiledRules, *, by: str, now: datetime) -> Profile:
    values = {"id": profile_id, "name": name, "owner_id": None, "updated_at": now, **_rule_columns(tx, rules)}
    tx.execute(sa.insert(profiles).values(values))
    reserve_numbers(tx, Counter.PROFILES_VERSION)
    added = get(tx, name)
    _record_version(tx, added, by=by, now=now)
    return added


def _record_version(tx: Transaction, profile: Profile, *, by: str, now: datetime) -> None:
    values = {"profile_id": profile.id, "name": profile.name, "rules": profile.rules, "saved_at": now, "saved_by": by}
    tx.execute(sa.insert(profile_versions).values(values))


def _unpacked(packed: bytes) -> NDArray[Any]:
    return np.frombuffer(packed, _RULE, offset=_FINGERPRINT.itemsize)


def _rule_columns(tx: Transaction, rules: CompiledRules) -> dict[str, Any]:
    """Store the new queries of these rules, and return the columns of a profile that has the rules."""
    ids: dict[str, int] = {}
    for some in batches({rule.query: None for rule in rules.rules}):
        known = sa.select(queries.c.text, queries.c.id).where(queries.c.text.in_(some))
        ids.update((row.text, row.id) for row in tx.execute(known))
        if new := [{"text": text} for text in some if text not in ids]:
            tx.execute(backend(tx).insert_or_ignore(queries), new)
            ids.update((row.text, row.id) for row in tx.execute(known))
    packed = np.array([(ids[rule.query], rule.line, rule.weight) for rule in rules.rules], _RULE).tobytes()
    return {"rules": rules.text, "compiled": np.array(fingerprint(rules.text), _FINGERPRINT).tobytes() + packed}


def _profile(row: sa.Row[Any]) -> Profile:
    return Profile(id=row.id, name=row.name, rules=row.rules, owner_id=row.owner_id)

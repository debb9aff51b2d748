"""Keyword profiles: shared ones by name, personal ones by their subscriber. Rules are checked before they come here."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import OWN_KEYWORDS, Profile
from digest.store.database import Transaction
from digest.store.schema import follows, profiles

_SHARED = profiles.c.owner_id.is_(None)


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


def add(tx: Transaction, name: str, rules: str, *, now: datetime) -> Profile:
    """A new shared profile. Raises UsageError if the name is taken."""
    if find(tx, name) is not None:
        raise UsageError(f"there is a profile {name!r} already; `digest profile edit` changes it")
    tx.execute(sa.insert(profiles).values(name=name, owner_id=None, rules=rules, updated_at=now))
    return get(tx, name)


def edit(
    tx: Transaction, name: str, *, rules: str | None = None, new_name: str | None = None, now: datetime
) -> Profile:
    """Change a shared profile's rules or name; its followers stay. Raises NotFoundError, UsageError."""
    profile = get(tx, name)
    if new_name is not None and new_name != name and find(tx, new_name) is not None:
        raise UsageError(f"there is a profile {new_name!r} already")
    changed = {"rules": profile.rules if rules is None else rules, "name": new_name or name, "updated_at": now}
    tx.execute(sa.update(profiles).where(profiles.c.id == profile.id).values(changed))
    return get(tx, new_name or name)


def remove(tx: Transaction, name: str) -> None:
    """Forget a shared profile; nobody follows it any more. Raises NotFoundError."""
    tx.execute(sa.delete(profiles).where(profiles.c.id == get(tx, name).id))


def find_personal(tx: Transaction, subscriber_id: int) -> Profile | None:
    """A subscriber's own keywords and mutes, or None."""
    row = tx.execute(sa.select(profiles).where(profiles.c.owner_id == subscriber_id)).one_or_none()
    return None if row is None else _profile(row)


def set_personal(tx: Transaction, subscriber_id: int, rules: str, *, now: datetime) -> None:
    """Replace a subscriber's own rules; empty rules leave none."""
    tx.execute(sa.delete(profiles).where(profiles.c.owner_id == subscriber_id))
    if rules.strip():
        tx.execute(sa.insert(profiles).values(name=OWN_KEYWORDS, owner_id=subscriber_id, rules=rules, updated_at=now))


def list_wanted_by(tx: Transaction, subscriber_ids: Collection[int]) -> dict[int, list[Profile]]:
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


def follow(tx: Transaction, subscriber_id: int, names: Sequence[str]) -> None:
    """Make these shared profiles the ones that a subscriber follows, and no others. Raises NotFoundError."""
    wanted = [get(tx, name) for name in dict.fromkeys(names)]
    tx.execute(sa.delete(follows).where(follows.c.subscriber_id == subscriber_id))
    if wanted:
        tx.execute(sa.insert(follows), [{"subscriber_id": subscriber_id, "profile_id": p.id} for p in wanted])


def _profile(row: sa.Row[Any]) -> Profile:
    return Profile(id=row.id, name=row.name, rules=row.rules, owner_id=row.owner_id)

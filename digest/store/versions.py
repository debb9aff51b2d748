"""Every text that a shared profile had. They outlive the profile, so that it can come back."""

from datetime import datetime

import sqlalchemy as sa

from digest.errors import NotFoundError
from digest.models import Profile, ProfileVersion
from digest.store.database import Transaction
from digest.store.schema import profile_versions, profiles

_SHARED_IDS = sa.select(profiles.c.id).where(profiles.c.owner_id.is_(None))


def record(tx: Transaction, profile: Profile, *, by: str, now: datetime) -> None:
    """Write down a shared profile as it is from now on."""
    values = {"profile_id": profile.id, "name": profile.name, "rules": profile.rules, "saved_at": now, "saved_by": by}
    tx.execute(sa.insert(profile_versions).values(values))


def list_of(tx: Transaction, profile_id: int) -> list[ProfileVersion]:
    """What a shared profile was, the newest first; also of one that was removed."""
    of_it = sa.select(profile_versions).where(profile_versions.c.profile_id == profile_id)
    rows = tx.execute(of_it.order_by(profile_versions.c.id)).all()
    versions = [
        ProfileVersion(number=number, name=r.name, rules=r.rules, saved_at=r.saved_at, saved_by=r.saved_by)
        for number, r in enumerate(rows, 1)
    ]
    return versions[::-1]


def newest(tx: Transaction) -> dict[int, int]:
    """The number of the newest version of each shared profile, by the profile's."""
    counted = sa.select(profile_versions.c.profile_id, sa.func.count().label("of"))
    return {row.profile_id: row.of for row in tx.execute(counted.group_by(profile_versions.c.profile_id))}


def get(tx: Transaction, profile: Profile, number: int) -> tuple[ProfileVersion | None, ProfileVersion]:
    """A version of a shared profile, after the one before it (None before the first). Raises NotFoundError."""
    versions = [None, *reversed(list_of(tx, profile.id))]
    after = versions[number] if 0 < number < len(versions) else None
    if after is None:
        raise NotFoundError("version", str(number), listed_by=f"digest profile history {profile.name!r}")
    return versions[number - 1], after


def find_removed(tx: Transaction, name: str) -> Profile | None:
    """The shared profile that had this name when it was removed, as it was then; the newest, if several had it."""
    newest = _newest_of_removed().where(profile_versions.c.name == name)
    row = tx.execute(newest.order_by(profile_versions.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else Profile(id=row.profile_id, name=row.name, rules=row.rules)


def find_last(tx: Transaction, profile_id: int) -> Profile | None:
    """A shared profile as it was saved last, also one that was removed; None where there never was one."""
    of_it = sa.select(profile_versions).where(profile_versions.c.profile_id == profile_id)
    row = tx.execute(of_it.order_by(profile_versions.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else Profile(id=row.profile_id, name=row.name, rules=row.rules)


def list_removed(tx: Transaction) -> list[Profile]:
    """The shared profiles that were removed, as they were then, by name; the newest of a name first."""
    newest = _newest_of_removed().order_by(profile_versions.c.name, profile_versions.c.id.desc())
    return [Profile(id=row.profile_id, name=row.name, rules=row.rules) for row in tx.execute(newest)]


def list_removed_names(tx: Transaction) -> list[str]:
    """The names that shared profiles had when they were removed."""
    return sorted({profile.name for profile in list_removed(tx)})


def last_profile_id(tx: Transaction) -> int:
    """The highest number that a profile has, or a shared one had before it was removed; 0 where there was none."""
    # Two questions: of one alone SQLite reads the end of an index.
    return max(tx.scalar(sa.select(sa.func.max(c))) or 0 for c in (profiles.c.id, profile_versions.c.profile_id))


def _newest_of_removed() -> sa.Select[tuple[object, ...]]:
    newest = sa.select(sa.func.max(profile_versions.c.id)).group_by(profile_versions.c.profile_id)
    removed = newest.where(profile_versions.c.profile_id.not_in(_SHARED_IDS))
    return sa.select(profile_versions).where(profile_versions.c.id.in_(removed))

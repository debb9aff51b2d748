"""Add, change and remove admins."""

from dataclasses import replace
from datetime import datetime

from digest.models import Admin, Role
from digest.security import addresses
from digest.store import Transaction, admins, audit


def add(tx: Transaction, email: str, role: Role, hashed: str, *, by: str, now: datetime) -> Admin:
    """Add an admin with a hashed password. Raises AddressError, and UsageError if they are an admin already."""
    added = admins.add(tx, Admin(email=addresses.normalize(email), role=role, password=hashed), now=now)
    audit.record(tx, by, "admin add", added.email, now=now)
    return added


def edit(
    tx: Transaction, email: str, *, role: Role | None = None, hashed: str | None = None, by: str, now: datetime
) -> Admin:
    """Change an admin's role or password, which ends their sessions. Raises NotFoundError."""
    before = admins.get(tx, email)
    after = replace(before, role=role or before.role, password=hashed or before.password)
    if after != before:
        admins.save(tx, after)
        audit.record(tx, by, "admin edit", before.email, now=now)
    return after


def remove(tx: Transaction, email: str, *, by: str, now: datetime) -> Admin:
    """Remove an admin, and return them. Raises NotFoundError."""
    removed = admins.get(tx, email)
    admins.remove(tx, email)
    audit.record(tx, by, "admin remove", removed.email, now=now)
    return removed

"""Admins, and the sessions in which they are signed in."""

from datetime import datetime

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
from digest.security import addresses
from digest.store.database import Transaction
from digest.store.schema import admin_sessions, admins


def find(tx: Transaction, email: str) -> Admin | None:
    """Return the admin with this address, in any letter case, or None."""
    return next(iter(_list(tx, admins.c.email_key == addresses.key(email))), None)


def get(tx: Transaction, email: str) -> Admin:
    """Return the admin with this address. Raises NotFoundError with the most similar address."""
    found = find(tx, email)
    if found is None:
        raise NotFoundError("admin", email, [admin.email for admin in list_all(tx)], listed_by="digest admin list")
    return found


def list_all(tx: Transaction) -> list[Admin]:
    """Return all admins and editors, by address."""
    return _list(tx, sa.true())


def add(tx: Transaction, new: Admin, *, now: datetime) -> Admin:
    """Add an admin or editor. Raises UsageError if the address is taken."""
    if find(tx, new.email) is not None:
        raise UsageError(f"{new.email} is an admin already; `digest admin edit` changes them")
    values = {"email": new.email, "email_key": addresses.key(new.email), "role": new.role.value}
    tx.execute(sa.insert(admins).values(values | {"password": new.password, "created_at": now}))
    return get(tx, new.email)


def save(tx: Transaction, changed: Admin) -> None:
    """Store a changed role or password, and end the admin's sessions."""
    values = {"role": changed.role.value, "password": changed.password}
    tx.execute(sa.update(admins).where(admins.c.id == changed.id).values(values))
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.admin_id == changed.id))


def remove(tx: Transaction, email: str) -> None:
    """Delete an admin with their sessions and tokens. Raises NotFoundError."""
    tx.execute(sa.delete(admins).where(admins.c.id == get(tx, email).id))


def begin_session(tx: Transaction, admin: Admin, token: str, *, now: datetime, expires_at: datetime) -> None:
    """Store a session by the hash of its token, and delete expired ones."""
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.expires_at <= now))
    values = {"token": token, "admin_id": admin.id, "begun_at": now, "expires_at": expires_at}
    tx.execute(sa.insert(admin_sessions).values(values))


def find_by_session(tx: Transaction, token: str, *, now: datetime) -> Admin | None:
    """Return the admin whose session has this token hash and has not expired, or None."""
    session = sa.exists().where(
        admin_sessions.c.token == token, admin_sessions.c.expires_at > now, admin_sessions.c.admin_id == admins.c.id
    )
    return next(iter(_list(tx, session)), None)


def end_session(tx: Transaction, token: str) -> None:
    """Delete the session with this token hash."""
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.token == token))


def _list(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[Admin]:
    return [
        Admin(id=row.id, email=row.email, role=Role(row.role), password=row.password, created_at=row.created_at)
        for row in tx.execute(sa.select(admins).where(condition).order_by(admins.c.email_key))
    ]

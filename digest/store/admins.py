"""Admins, and the sessions in which they are signed in."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, Role
from digest.security import addresses
from digest.store.database import Transaction
from digest.store.schema import admin_sessions, admins


def find(tx: Transaction, email: str) -> Admin | None:
    """The admin with this address, however its letters' case is written, or None."""
    return _one(tx, admins.c.email_key == addresses.key(email))


def get(tx: Transaction, email: str) -> Admin:
    """The admin with this address. Raises NotFoundError with the nearest address."""
    found = find(tx, email)
    if found is None:
        raise NotFoundError("admin", email, [admin.email for admin in list_all(tx)], listed_by="digest admin list")
    return found


def list_all(tx: Transaction) -> list[Admin]:
    """Every admin and editor, by address."""
    return [_admin(row) for row in tx.execute(sa.select(admins).order_by(admins.c.email_key))]


def add(tx: Transaction, new: Admin, *, now: datetime) -> Admin:
    """A new one. Raises UsageError if the address has a password already."""
    if find(tx, new.email) is not None:
        raise UsageError(f"{new.email} is there already; `digest admin edit` changes them")
    values = {"email": new.email, "email_key": addresses.key(new.email), "role": new.role.value}
    tx.execute(sa.insert(admins).values(values | {"password": new.password, "created_at": now}))
    return get(tx, new.email)


def save(tx: Transaction, changed: Admin) -> None:
    """Write back a role or a password that was changed with `dataclasses.replace`. Their sessions are over."""
    values = {"role": changed.role.value, "password": changed.password}
    tx.execute(sa.update(admins).where(admins.c.id == changed.id).values(values))
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.admin_id == changed.id))


def remove(tx: Transaction, email: str) -> None:
    """Forget one, with their sessions. Raises NotFoundError."""
    tx.execute(sa.delete(admins).where(admins.c.id == get(tx, email).id))


def begin_session(tx: Transaction, admin: Admin, token: str, *, now: datetime, expires_at: datetime) -> None:
    """Somebody is signed in who has what `token` is the hash of. Sessions that are over are forgotten."""
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.expires_at <= now))
    values = {"token": token, "admin_id": admin.id, "begun_at": now, "expires_at": expires_at}
    tx.execute(sa.insert(admin_sessions).values(values))


def find_by_session(tx: Transaction, token: str, *, now: datetime) -> Admin | None:
    """Whose session it is, while it lasts; None for any other text."""
    session = sa.exists().where(
        admin_sessions.c.token == token, admin_sessions.c.expires_at > now, admin_sessions.c.admin_id == admins.c.id
    )
    return _one(tx, session)


def end_session(tx: Transaction, token: str) -> None:
    """They signed out, or in anew."""
    tx.execute(sa.delete(admin_sessions).where(admin_sessions.c.token == token))


def _one(tx: Transaction, condition: sa.ColumnElement[bool]) -> Admin | None:
    row = tx.execute(sa.select(admins).where(condition)).one_or_none()
    return None if row is None else _admin(row)


def _admin(row: sa.Row[Any]) -> Admin:
    return Admin(id=row.id, email=row.email, role=Role(row.role), password=row.password, created_at=row.created_at)

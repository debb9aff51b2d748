"""Tokens of the API. Whoever uses one has it, we its hash."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.store.database import Transaction
from digest.store.schema import admins, api_tokens

_OWNER = (admins.c.email, admins.c.role, admins.c.password, admins.c.created_at.label("admin_since"))
_SELECT = sa.select(api_tokens, *_OWNER).join(admins, admins.c.id == api_tokens.c.admin_id)


def add(tx: Transaction, new: ApiToken, hashed: str, *, now: datetime) -> ApiToken:
    """A new one; `hashed` is what `find` is asked with. Raises UsageError where its owner has one of that name."""
    this = sa.and_(api_tokens.c.admin_id == new.owner.id, api_tokens.c.name == new.name)
    if tx.execute(sa.select(api_tokens.c.id).where(this)).first() is not None:
        raise UsageError(f"there is a {new} already; revoke it, or choose another name")
    scopes = ",".join(scope for scope in TokenScope if scope in new.scopes)
    values = {"admin_id": new.owner.id, "name": new.name, "hash": hashed, "scopes": scopes}
    values |= {"created_at": now, "expires_at": new.expires_at}
    return get(tx, tx.execute(sa.insert(api_tokens).values(values).returning(api_tokens.c.id)).scalar_one())


def find_by_hash(tx: Transaction, hashed: str, *, now: datetime) -> ApiToken | None:
    """The token with this hash, until it expires; None for any other text."""
    row = tx.execute(_SELECT.where(api_tokens.c.hash == hashed, api_tokens.c.expires_at > now)).one_or_none()
    return None if row is None else _token(row)


def get(tx: Transaction, token_id: int) -> ApiToken:
    """The token of that number. Raises NotFoundError."""
    row = tx.execute(_SELECT.where(api_tokens.c.id == token_id)).one_or_none()
    if row is None:
        raise NotFoundError("token", str(token_id), listed_by="digest token list")
    return _token(row)


def list_all(tx: Transaction, *, owner: Admin | None = None) -> list[ApiToken]:
    """Every token, or one admin's, by its owner's address and its name; those that have expired, too."""
    these = sa.true() if owner is None else api_tokens.c.admin_id == owner.id
    return [_token(row) for row in tx.execute(_SELECT.where(these).order_by(admins.c.email_key, api_tokens.c.name))]


def remove(tx: Transaction, token_id: int) -> None:
    """It opens nothing any more."""
    tx.execute(sa.delete(api_tokens).where(api_tokens.c.id == token_id))


def _token(row: sa.Row[Any]) -> ApiToken:
    role, since = Role(row.role), row.admin_since
    return ApiToken(
        id=row.id,
        owner=Admin(id=row.admin_id, email=row.email, role=role, password=row.password, created_at=since),
        name=row.name,
        scopes=frozenset(TokenScope(scope) for scope in row.scopes.split(",")),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )

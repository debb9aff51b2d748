"""Tokens of the API, stored as hashes."""

from datetime import datetime

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.store.database import Transaction
from digest.store.schema import admins, api_tokens


def add(tx: Transaction, new: ApiToken, hashed: str, *, now: datetime) -> ApiToken:
    """Add a token by its hash. Raises UsageError if its owner has one of that name."""
    same = sa.and_(api_tokens.c.admin_id == new.owner.id, api_tokens.c.name == new.name)
    if tx.execute(sa.select(api_tokens.c.id).where(same)).first() is not None:
        raise UsageError(f"there is a {new} already; revoke it, or choose another name")
    scopes = ",".join(scope for scope in TokenScope if scope in new.scopes)
    values = {"admin_id": new.owner.id, "name": new.name, "hash": hashed, "scopes": scopes}
    values |= {"created_at": now, "expires_at": new.expires_at}
    return get(tx, tx.execute(sa.insert(api_tokens).values(values).returning(api_tokens.c.id)).scalar_one())


def find_by_hash(tx: Transaction, hashed: str, *, now: datetime) -> ApiToken | None:
    """Return the token with this hash if it has not expired, or None."""
    return next(iter(_list(tx, sa.and_(api_tokens.c.hash == hashed, api_tokens.c.expires_at > now))), None)


def get(tx: Transaction, token_id: int) -> ApiToken:
    """Return the token with this id. Raises NotFoundError."""
    found = _list(tx, api_tokens.c.id == token_id)
    if not found:
        raise NotFoundError("token", str(token_id), listed_by="digest token list")
    return found[0]


def list_all(tx: Transaction, *, owner: Admin | None = None) -> list[ApiToken]:
    """Return all tokens, or those of `owner`, expired ones included, sorted by the owner's address and the token's
    name.
    """
    return _list(tx, sa.true() if owner is None else api_tokens.c.admin_id == owner.id)


def remove(tx: Transaction, token_id: int) -> None:
    """Delete a token: it no longer gives access."""
    tx.execute(sa.delete(api_tokens).where(api_tokens.c.id == token_id))


def _list(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[ApiToken]:
    owner = (admins.c.email, admins.c.role, admins.c.password, admins.c.created_at.label("admin_since"))
    tokens = sa.select(api_tokens, *owner).join(admins, admins.c.id == api_tokens.c.admin_id).where(condition)
    return [
        ApiToken(
            id=row.id,
            owner=Admin(
                id=row.admin_id,
                email=row.email,
                role=Role(row.role),
                password=row.password,
                created_at=row.admin_since,
            ),
            name=row.name,
            scopes=frozenset(TokenScope(scope) for scope in row.scopes.split(",")),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in tx.execute(tokens.order_by(admins.c.email_key, api_tokens.c.name))
    ]

"""Admins, the sessions in which they are signed in, and their API tokens. Sessions and tokens are stored as hashes."""

from datetime import datetime

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.security import addresses
from digest.store.database import Transaction
from digest.store.schema import admin_sessions, admins, api_tokens, read_member


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
        raise UsageError(f"{new.email} is already an admin; `digest admin edit` changes them")
    values = {"email": new.email, "email_key": addresses.key(new.email), "role": new.role.value}
    tx.execute(sa.insert(admins).values(values | {"password": new.password, "created_at": now}))
    return get(tx, new.email)


def save(tx: Transaction, changed: Admin) -> None:
    """Store a changed role or password, and end the admin's sessions; a new password ends their tokens, too."""
    values = {"role": changed.role.value, "password": changed.password}
    other_password = sa.exists().where(admins.c.id == changed.id, admins.c.password != changed.password)
    tx.execute(sa.delete(api_tokens).where(api_tokens.c.admin_id == changed.id, other_password))
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


def add_token(tx: Transaction, new: ApiToken, hashed: str, *, now: datetime) -> ApiToken:
    """Add a token by its hash. Raises UsageError if its owner has one of that name."""
    same = sa.and_(api_tokens.c.admin_id == new.owner.id, api_tokens.c.name == new.name)
    if tx.execute(sa.select(api_tokens.c.id).where(same)).first() is not None:
        raise UsageError(f"there is a {new} already; revoke it, or choose another name")
    scopes = ",".join(scope for scope in TokenScope if scope in new.scopes)
    values = {"admin_id": new.owner.id, "name": new.name, "hash": hashed, "scopes": scopes}
    values |= {"created_at": now, "expires_at": new.expires_at}
    return get_token(tx, tx.execute(sa.insert(api_tokens).values(values).returning(api_tokens.c.id)).scalar_one())


def find_token(tx: Transaction, hashed: str, *, now: datetime) -> ApiToken | None:
    """Return the token with this hash if it has not expired, or None."""
    return next(iter(_list_tokens(tx, sa.and_(api_tokens.c.hash == hashed, api_tokens.c.expires_at > now))), None)


def get_token(tx: Transaction, token_id: int) -> ApiToken:
    """Return the token with this id. Raises NotFoundError."""
    found = _list_tokens(tx, api_tokens.c.id == token_id)
    if not found:
        raise NotFoundError("token", str(token_id), listed_by="digest token list")
    return found[0]


def list_tokens(tx: Transaction, *, owner: Admin | None = None) -> list[ApiToken]:
    """Return all tokens or those of `owner`, also expired ones, by the owner's address and the token's name."""
    return _list_tokens(tx, sa.true() if owner is None else api_tokens.c.admin_id == owner.id)


def remove_token(tx: Transaction, token_id: int) -> None:
    """Delete a token: it no longer gives access."""
    tx.execute(sa.delete(api_tokens).where(api_tokens.c.id == token_id))


def _list(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[Admin]:
    return [
        Admin(
            id=row.id,
            email=row.email,
            role=read_member(Role, row.role, Role.EDITOR),
            password=row.password,
            created_at=row.created_at,
        )
        for row in tx.execute(sa.select(admins).where(condition).order_by(admins.c.email_key))
    ]


def _list_tokens(tx: Transaction, condition: sa.ColumnElement[bool]) -> list[ApiToken]:
    owner = (admins.c.email, admins.c.role, admins.c.password, admins.c.created_at.label("admin_since"))
    tokens = sa.select(api_tokens, *owner).join(admins, admins.c.id == api_tokens.c.admin_id).where(condition)
    return [
        ApiToken(
            id=row.id,
            owner=Admin(
                id=row.admin_id,
                email=row.email,
                role=read_member(Role, row.role, Role.EDITOR),
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

"""Add, change and remove admins; make and revoke their tokens for the API."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from digest.errors import UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.security import addresses
from digest.store import Transaction, admins, audit

DEFAULT_TOKEN_DAYS = 365
MAX_TOKEN_DAYS = 3650
MAX_TOKEN_NAME = 60  # characters


def add(tx: Transaction, email: str, role: Role, hashed: str, *, by: str, now: datetime) -> Admin:
    """Add an admin with a hashed password. Raises AddressError, and UsageError if they are an admin already."""
    added = admins.add(tx, Admin(email=addresses.normalize(email), role=role, password=hashed), now=now)
    audit.record(tx, by, "admin add", added.email, now=now)
    return added


def edit(
    tx: Transaction, email: str, *, role: Role | None = None, hashed: str | None = None, by: str, now: datetime
) -> Admin:
    """Change an admin's role or password, which ends their sessions. Raises NotFoundError.

    A new password also revokes their API tokens: a thief of the old one may have made some.
    """
    before = admins.get(tx, email)
    after = replace(before, role=role or before.role, password=hashed or before.password)
    if after != before:
        audit.record(tx, by, "admin edit", before.email, now=now)
        if after.password != before.password:
            for token in admins.list_tokens(tx, owner=before):
                audit.record(tx, by, "token revoke", _subject(token), now=now)
        admins.save(tx, after)
    return after


def remove(tx: Transaction, email: str, *, by: str, now: datetime) -> Admin:
    """Remove an admin, and return them. Raises NotFoundError."""
    removed = admins.get(tx, email)
    admins.remove(tx, email)
    audit.record(tx, by, "admin remove", removed.email, now=now)
    return removed


def add_token(
    tx: Transaction,
    owner: Admin,
    name: str,
    scopes: Collection[TokenScope],
    *,
    days: int = DEFAULT_TOKEN_DAYS,
    by: str,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Make a token, and return it with its secret, which is not stored. Raises UsageError."""
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise UsageError(f"a token is valid for 1 to {MAX_TOKEN_DAYS} days")
    if not scopes:
        raise UsageError(f"a token needs a scope; there are {', '.join(TokenScope)}")
    for scope in TokenScope:
        if scope in scopes and not owner.role.allows(scope.required_role):
            raise UsageError(f"{owner.email} is {owner.role.value} and cannot have a token for {scope.value}")
    ends = now + timedelta(days=days)
    new = ApiToken(owner=owner, name=clean_token_name(name), scopes=frozenset(scopes), expires_at=ends)
    token = f"digest_{secrets.token_urlsafe(32)}"  # the prefix lets secret scanners recognise a published token
    added = admins.add_token(tx, new, token_hash(token), now=now)
    audit.record(tx, by, "token add", _subject(added), now=now)
    return added, token


def revoke_token(tx: Transaction, token_id: int, *, by: str, now: datetime) -> ApiToken:
    """Revoke a token, and return it. Raises NotFoundError."""
    revoked = admins.get_token(tx, token_id)
    admins.remove_token(tx, token_id)
    audit.record(tx, by, "token revoke", _subject(revoked), now=now)
    return revoked


def clean_token_name(name: str) -> str:
    """Return a name that the log can quote: one short line without quotation marks. Raises UsageError."""
    folded = " ".join(name.split())
    if not folded:
        raise UsageError("a token needs a name, such as: website")
    if len(folded) > MAX_TOKEN_NAME:
        raise UsageError(f"a token's name has at most {MAX_TOKEN_NAME} characters")
    if not folded.isprintable() or '"' in folded:
        raise UsageError("a token's name has no quotation marks and no control characters")
    return folded


def token_hash(token: str) -> str:
    """Return the stored hash of a token. A token is long and random, so a slow hash would protect nothing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _subject(token: ApiToken) -> str:
    return str(token).removeprefix("token ")

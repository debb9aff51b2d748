"""Make and revoke tokens for the API."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from digest.errors import UsageError
from digest.models import Admin, ApiToken, TokenScope
from digest.store import Transaction, audit, tokens

PREFIX = "digest_"  # lets secret scanners recognise a published token
DEFAULT_DAYS = 365
MAX_DAYS = 3650
MAX_NAME = 60  # characters


def add(
    tx: Transaction,
    owner: Admin,
    name: str,
    scopes: Collection[TokenScope],
    *,
    days: int = DEFAULT_DAYS,
    by: str,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Make a token, and return it with its secret, which is not stored. Raises UsageError."""
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"a token lasts 1 to {MAX_DAYS} days")
    if not scopes:
        raise UsageError(f"a token needs a scope; there are {', '.join(TokenScope)}")
    for scope in TokenScope:
        if scope in scopes and not owner.role.allows(scope.required_role):
            raise UsageError(f"{owner.email} is {owner.role.value} and may have no token for {scope.value}")
    ends = now + timedelta(days=days)
    new = ApiToken(owner=owner, name=clean_name(name), scopes=frozenset(scopes), expires_at=ends)
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    added = tokens.add(tx, new, token_hash(token), now=now)
    audit.record(tx, by, "token add", _subject(added), now=now)
    return added, token


def revoke(tx: Transaction, token_id: int, *, by: str, now: datetime) -> ApiToken:
    """Revoke a token, and return it. Raises NotFoundError."""
    revoked = tokens.get(tx, token_id)
    tokens.remove(tx, token_id)
    audit.record(tx, by, "token revoke", _subject(revoked), now=now)
    return revoked


def clean_name(name: str) -> str:
    """Return a name that the log can quote: one short line without quotation marks. Raises UsageError."""
    folded = " ".join(name.split())
    if not folded:
        raise UsageError("a token needs a name, such as: website")
    if len(folded) > MAX_NAME:
        raise UsageError(f"a token's name has at most {MAX_NAME} characters")
    if not folded.isprintable() or '"' in folded:
        raise UsageError("a token's name has no quotation marks and no control characters")
    return folded


def token_hash(token: str) -> str:
    """Return the stored hash of a token. A token is long and random, so a slow hash would protect nothing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _subject(token: ApiToken) -> str:
    return str(token).removeprefix("token ")

"""Tokens for the API: made and revoked."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from digest.errors import UsageError
from digest.models import Admin, ApiToken, TokenScope
from digest.store import Transaction, audit, tokens

PREFIX = "digest_"  # by which scanners of what was published know one
DEFAULT_DAYS = 365  # days, where nobody says otherwise
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
    """A new one of an admin's, and the token itself, which nobody can look up again. Raises UsageError."""
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"a token lasts 1 to {MAX_DAYS} days")
    ends = now + timedelta(days=days)
    new = ApiToken(owner=owner, name=clean_name(name), scopes=frozenset(_allowed(owner, scopes)), expires_at=ends)
    token = f"{PREFIX}{secrets.token_urlsafe(32)}"
    added = tokens.add(tx, new, token_hash(token), now=now)
    audit.record(tx, by, "token add", _subject(added), now=now)
    return added, token


def revoke(tx: Transaction, token_id: int, *, by: str, now: datetime) -> ApiToken:
    """It opens nothing from now on; which one it was. Raises NotFoundError."""
    gone = tokens.get(tx, token_id)
    tokens.remove(tx, token_id)
    audit.record(tx, by, "token revoke", _subject(gone), now=now)
    return gone


def clean_name(name: str) -> str:
    """A name that the log can quote: inside one line, not endless, without quotation marks. Raises UsageError."""
    folded = " ".join(name.split())
    if not folded:
        raise UsageError("a token needs a name, such as: website")
    if len(folded) > MAX_NAME:
        raise UsageError(f"a token's name has at most {MAX_NAME} characters")
    if not folded.isprintable() or '"' in folded:
        raise UsageError("a token's name has no quotation marks and no control characters")
    return folded


def token_hash(token: str) -> str:
    """What is kept of a token. It is random and long: to hash it slowly would protect nothing."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _allowed(owner: Admin, scopes: Collection[TokenScope]) -> Collection[TokenScope]:
    if not scopes:
        raise UsageError(f"a token needs a scope; there are {', '.join(TokenScope)}")
    for scope in TokenScope:
        if scope in scopes and not owner.role.allows(scope.required_role):
            raise UsageError(f"{owner.email} is {owner.role.value} and may have no token for {scope.value}")
    return scopes


def _subject(token: ApiToken) -> str:
    return str(token).removeprefix("token ")

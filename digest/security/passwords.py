"""Passwords of admins: argon2id (RFC 9106), with argon2-cffi's costs for interactive use."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from digest.errors import UsageError

SHORTEST = 12  # characters
_LONGEST = 1000  # hashing megabytes would be a denial of service

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """Return the hash to store. Raises UsageError if the password is too short or too long."""
    if not SHORTEST <= len(password) <= _LONGEST:
        raise UsageError(f"the password has {len(password)} characters; write at least {SHORTEST}, such as four words")
    return _HASHER.hash(password)


def verify(password: str, stored: str | None) -> bool:
    """Return whether `stored` is the hash of this password. False for None (no such admin), after as much time."""
    unknown = _random_hash()  # computed for known admins, too: else the first call would reveal that there is no admin
    try:
        return _HASHER.verify(stored or unknown, password[:_LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _random_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))

"""Passwords of admins: argon2id (RFC 9106), with argon2-cffi's costs for interactive use."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from digest.errors import UsageError

SHORTEST = 12  # characters
_LONGEST = 1000  # to hash a book would be a way to keep us busy

_HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """What is stored of a password. Raises UsageError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= _LONGEST:
        raise UsageError(f"the password has {len(password)} characters; write at least {SHORTEST}, such as four words")
    return _HASHER.hash(password)


def verify(password: str, stored: str | None) -> bool:
    """Whether it is the password that `stored` came from. None, nobody's, takes as long and is never it."""
    nobodys = _nobodys()  # whoever it is: the first who asks would tell who is nobody
    try:
        return _HASHER.verify(stored or nobodys, password[:_LONGEST]) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(16))

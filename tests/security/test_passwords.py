"""Passwords of admins."""

import pytest

from digest.errors import UsageError
from digest.security import passwords


def test_the_password_and_no_other_is_the_one() -> None:
    stored = passwords.hash_password("four words make one")
    assert stored.startswith("$argon2id$")
    assert passwords.verify("four words make one", stored)
    assert not passwords.verify("four words make two", stored)


def test_no_password_matches_an_unknown_admin() -> None:
    assert not passwords.verify("four words make one", None)


def test_an_invalid_hash_matches_no_password() -> None:
    assert not passwords.verify("four words make one", "four words make one")


@pytest.mark.parametrize("length", [11, 1001])
def test_a_password_has_a_length(length: int) -> None:
    with pytest.raises(UsageError, match=f"has {length} characters"):
        passwords.hash_password("x" * length)

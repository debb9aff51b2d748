"""Tokens of the API in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.store import Store, Transaction, admins
from tests.builders import NOW

DAY = timedelta(days=1)
EVERY = frozenset(TokenScope)
FOR_PROFILES = frozenset({TokenScope.PROFILES_READ, TokenScope.PROFILES_WRITE})


def a_token(tx: Transaction, owner: Admin, name: str = "website") -> ApiToken:
    new = ApiToken(owner=owner, name=name, scopes=EVERY, expires_at=NOW + DAY)
    return admins.add_token(tx, new, f"hash of {name} of {owner.email}", now=NOW)


def an_owner(tx: Transaction, email: str = "desk@example.org") -> Admin:
    return admins.add(tx, Admin(email=email, role=Role.ADMIN, password="x"), now=NOW)


def test_a_token_is_found_by_its_hash_until_it_expires(store: Store) -> None:
    with store.write() as tx:
        made = a_token(tx, an_owner(tx))
        found = [
            admins.find_token(tx, hashed, now=now)
            for hashed, now in (
                ("hash of website of desk@example.org", NOW),
                ("another", NOW),
                ("hash of website of desk@example.org", NOW + DAY),
            )
        ]
    assert found == [made, None, None]
    assert (made.scopes, made.created_at, made.expires_at) == (EVERY, NOW, NOW + DAY)


def test_a_token_gives_no_more_rights_than_its_owner_has_now(store: Store) -> None:
    with store.write() as tx:
        owner = an_owner(tx)
        made = a_token(tx, owner)
        admins.save(tx, replace(owner, role=Role.EDITOR))
        found = admins.get_token(tx, made.id)
    assert (frozenset(made.active_scopes), frozenset(found.active_scopes), found.scopes) == (EVERY, FOR_PROFILES, EVERY)


def test_tokens_end_with_their_owners_password_and_with_their_owner(store: Store) -> None:
    with store.write() as tx:
        owner, other = an_owner(tx), an_owner(tx, "other@example.org")
        made, others = a_token(tx, owner), a_token(tx, other)
        admins.save(tx, replace(owner, password="another"))
        kept = admins.list_tokens(tx)
        admins.save(tx, replace(other, role=Role.EDITOR))
        still = admins.list_tokens(tx)
        admins.remove(tx, other.email)
        left = admins.list_tokens(tx)
    assert made not in kept
    assert ([token.id for token in kept], [token.id for token in still], left) == ([others.id], [others.id], [])


def test_token_names_are_unique_for_each_owner(store: Store) -> None:
    with store.write() as tx:
        owner = an_owner(tx)
        first = a_token(tx, owner)
        theirs = a_token(tx, an_owner(tx, "a@example.org"))
        with pytest.raises(UsageError, match='there is a token "website" of desk@example.org already'):
            a_token(tx, owner)
        assert admins.list_tokens(tx) == [theirs, first]
        assert admins.list_tokens(tx, owner=owner) == [first]


def test_a_removed_token_gives_no_access(store: Store) -> None:
    with store.write() as tx:
        made = a_token(tx, an_owner(tx))
        admins.remove_token(tx, made.id)
        assert admins.find_token(tx, "hash of website of desk@example.org", now=NOW) is None
        with pytest.raises(NotFoundError, match="no token '1'; `digest token list` shows them"):
            admins.get_token(tx, made.id)

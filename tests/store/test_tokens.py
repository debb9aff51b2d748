"""Tokens of the API, as they are kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.errors import NotFoundError, UsageError
from digest.models import Admin, ApiToken, Role, TokenScope
from digest.store import Store, Transaction, admins, tokens
from tests.builders import NOW

DAY = timedelta(days=1)
EVERY = frozenset(TokenScope)
FOR_PROFILES = frozenset({TokenScope.PROFILES_READ, TokenScope.PROFILES_WRITE})


def a_token(tx: Transaction, owner: Admin, name: str = "website") -> ApiToken:
    new = ApiToken(owner=owner, name=name, scopes=EVERY, expires_at=NOW + DAY)
    return tokens.add(tx, new, f"hash of {name} of {owner.email}", now=NOW)


def an_owner(tx: Transaction, email: str = "desk@example.org") -> Admin:
    return admins.add(tx, Admin(email=email, role=Role.ADMIN, password="x"), now=NOW)


def test_a_token_is_found_by_its_hash_until_it_expires(store: Store) -> None:
    with store.write() as tx:
        made = a_token(tx, an_owner(tx))
        found = [
            tokens.find_by_hash(tx, hashed, now=now)
            for hashed, now in (
                ("hash of website of desk@example.org", NOW),
                ("another", NOW),
                ("hash of website of desk@example.org", NOW + DAY),
            )
        ]
    assert found == [made, None, None]
    assert (made.scopes, made.created_at, made.expires_at) == (EVERY, NOW, NOW + DAY)


def test_a_token_opens_no_more_than_its_owner_may_do_now(store: Store) -> None:
    with store.write() as tx:
        owner = an_owner(tx)
        made = a_token(tx, owner)
        admins.save(tx, replace(owner, role=Role.EDITOR))
        found = tokens.get(tx, made.id)
    assert (made.active_scopes, found.active_scopes, found.scopes) == (EVERY, FOR_PROFILES, EVERY)


def test_tokens_go_with_their_owner_and_stay_with_another_password(store: Store) -> None:
    with store.write() as tx:
        owner, other = an_owner(tx), an_owner(tx, "other@example.org")
        made, others = a_token(tx, owner), a_token(tx, other)
        admins.save(tx, replace(owner, password="another"))
        kept = tokens.list_all(tx)
        admins.remove(tx, owner.email)
        left = tokens.list_all(tx)
    assert [token.id for token in kept] == [made.id, others.id]
    assert left == [others]


def test_each_owner_has_one_of_a_name(store: Store) -> None:
    with store.write() as tx:
        owner = an_owner(tx)
        first = a_token(tx, owner)
        theirs = a_token(tx, an_owner(tx, "a@example.org"))
        with pytest.raises(UsageError, match='there is a token "website" of desk@example.org already'):
            a_token(tx, owner)
        assert tokens.list_all(tx) == [theirs, first]
        assert tokens.list_all(tx, owner=owner) == [first]


def test_what_is_removed_opens_nothing(store: Store) -> None:
    with store.write() as tx:
        made = a_token(tx, an_owner(tx))
        tokens.remove(tx, made.id)
        assert tokens.find_by_hash(tx, "hash of website of desk@example.org", now=NOW) is None
        with pytest.raises(NotFoundError, match="no token '1'; `digest token list` shows them"):
            tokens.get(tx, made.id)

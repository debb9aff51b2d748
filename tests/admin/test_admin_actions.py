"""Creating tokens: which scopes an owner may grant, how tokens are named, and what is stored of them."""

from datetime import timedelta
from typing import Any

import pytest

from digest.admin import admin_actions
from digest.errors import UsageError
from digest.models import Admin, Role, TokenScope
from digest.store import Store, admins
from tests.builders import NOW

BY: Any = {"by": "admin@example.org", "now": NOW}
READ = [TokenScope.PROFILES_READ]


def an_owner(store: Store, role: Role = Role.ADMIN) -> Admin:
    with store.write() as tx:
        return admins.add(tx, Admin(email="admin@example.org", role=role, password="x"), now=NOW)


def test_the_token_is_long_and_random_and_only_its_hash_is_kept(store: Store) -> None:
    owner = an_owner(store)
    with store.write() as tx:
        made, token = admin_actions.add_token(tx, owner, " my \n website ", READ, **BY)
        _, another = admin_actions.add_token(tx, owner, "another", READ, days=1, **BY)
        assert admins.find_token(tx, admin_actions.token_hash(token), now=NOW) == made
    assert token.startswith("digest_")
    assert (len(token), token != another) == (50, True)
    assert (made.name, made.expires_at) == ("my website", NOW + timedelta(days=365))
    store.erase_deleted_rows()
    assert token[7:].encode() not in store.file.read_bytes()


@pytest.mark.parametrize("scope", TokenScope)
def test_an_editor_has_tokens_for_profiles_only(store: Store, scope: TokenScope) -> None:
    owner = an_owner(store, Role.EDITOR)
    with store.write() as tx:
        if scope.value.startswith("profiles:"):
            admin_actions.add_token(tx, owner, "website", [scope], **BY)
        else:
            with pytest.raises(UsageError, match=f"is editor and cannot have a token for {scope.value}"):
                admin_actions.add_token(tx, owner, "website", [TokenScope.PROFILES_READ, scope], **BY)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "says"),
    [
        ("", READ, 1, "a token needs a name"),
        (" \n ", READ, 1, "a token needs a name"),
        ("x" * 61, READ, 1, "at most 60 characters"),
        ('x" of other@example.org', READ, 1, "no quotation marks"),
        ("x\x00y", READ, 1, "no control characters"),
        ("x\u202ey", READ, 1, "no control characters"),
        ("website", [], 1, "a token needs a scope; there are profiles:read, "),
        ("website", READ, 0, "a token is valid for 1 to 3650 days"),
        ("website", READ, 3651, "a token is valid for 1 to 3650 days"),
    ],
)
def test_an_invalid_token_is_refused_with_the_reason(
    store: Store, name: str, scopes: list[TokenScope], days: int, says: str
) -> None:
    owner = an_owner(store)
    with store.write() as tx:
        with pytest.raises(UsageError, match=says):
            admin_actions.add_token(tx, owner, name, scopes, days=days, **BY)
        assert admins.list_tokens(tx) == []

"""Admins, their sessions and the audit log."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.models import Admin, Role
from digest.store import Store, Transaction, admins, audit
from tests.builders import NOW

DAY = timedelta(days=1)


def an_admin(tx: Transaction, email: str = "desk@example.org", role: Role = Role.ADMIN) -> Admin:
    return admins.add(tx, Admin(email=email, role=role, password="$argon2id$…"), now=NOW)


def test_a_session_belongs_to_its_admin_until_it_expires(store: Store) -> None:
    with store.write() as tx:
        admin = an_admin(tx)
        admins.begin_session(tx, admin, "hash", now=NOW, expires_at=NOW + DAY)
        assert admins.find_by_session(tx, "hash", now=NOW) == admin
        assert admins.find_by_session(tx, "other", now=NOW) is None
        assert admins.find_by_session(tx, "hash", now=NOW + DAY) is None


@pytest.mark.parametrize("change", [{"role": Role.EDITOR}, {"password": "$argon2id$another"}])
def test_a_changed_role_or_password_ends_all_sessions(store: Store, change: dict[str, str]) -> None:
    with store.write() as tx:
        admin, other = an_admin(tx), an_admin(tx, "other@example.org")
        admins.begin_session(tx, admin, "one", now=NOW, expires_at=NOW + DAY)
        admins.begin_session(tx, admin, "two", now=NOW, expires_at=NOW + DAY)
        admins.begin_session(tx, other, "theirs", now=NOW, expires_at=NOW + DAY)
        admins.save(tx, replace(admin, **change))  # type: ignore[arg-type]
        found = [admins.find_by_session(tx, token, now=NOW) for token in ("one", "two", "theirs")]
    assert found == [None, None, other]


def test_a_removed_admin_is_signed_out(store: Store) -> None:
    with store.write() as tx:
        admins.begin_session(tx, an_admin(tx), "hash", now=NOW, expires_at=NOW + DAY)
        admins.remove(tx, "DESK@example.org")
        assert admins.find_by_session(tx, "hash", now=NOW) is None


def test_the_audit_log_lists_the_newest_change_first(store: Store) -> None:
    with store.write() as tx:
        audit.record(tx, "desk@example.org", "outbox hold", now=NOW)
        audit.record(tx, "command line", "admin add", "x@example.org", now=NOW + DAY)
        found = audit.list_changes(tx, limit=1)
    assert [(c.at, c.who, c.what, c.subject) for c in found] == [
        (NOW + DAY, "command line", "admin add", "x@example.org")
    ]


@pytest.mark.parametrize(
    ("has", "needs", "may"),
    [("admin", "admin", True), ("admin", "editor", True), ("editor", "editor", True), ("editor", "admin", False)],
)
def test_an_editor_has_only_the_rights_of_editors(has: str, needs: str, may: bool) -> None:
    assert Role(has).allows(Role(needs)) is may

"""The desk's page of tokens: made, shown once, revoked."""

import re
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest import passwords
from digest.installation import Installation
from digest.models import Admin, Role
from digest.store import admins, tokens
from tests.builders import NOW
from tests.web.api import Client, an_admin, lines, token_of
from tests.web.html import faults_of
from tests.web.test_desk import DESK, PASSWORD, signed_in

PATH = "/admin/tokens"
EDITOR = "editor@example.org"


@pytest.fixture(scope="module")
def hashed() -> str:
    """It takes a while on purpose."""
    return passwords.hashed(PASSWORD)


@pytest.fixture(autouse=True)
def admin(here: Installation, hashed: str) -> Admin:
    with here.store.write() as tx:
        admins.add(tx, Admin(email=EDITOR, role=Role.EDITOR, password=hashed), now=NOW)
        return admins.add(tx, Admin(email=DESK, role=Role.ADMIN, password=hashed), now=NOW)


def look(site: TestClient, cookie: str, query: str = "") -> Any:
    return site.get(f"{PATH}{query}", headers={"Cookie": cookie})


def press(site: TestClient, cookie: str, where: str = PATH, **fields: Any) -> Any:
    csrf = re.search(r'name="csrf" value="(\w+)"', look(site, cookie).text)
    assert csrf is not None
    return site.post(where, data={"csrf": csrf[1]} | fields, headers={"Cookie": cookie})


def test_a_token_is_shown_in_the_answer_that_made_it_and_nowhere_else(here: Installation, site: TestClient) -> None:
    cookie = signed_in(site)
    made = press(site, cookie, name="web <b>", scope=["profiles:read", "log"], days="30")
    assert (made.status_code, made.headers["Cache-Control"], faults_of(made.text)) == (200, "no-store", [])
    found = re.search(r"<code>(digest_[\w-]{43})</code>", made.text)
    assert found is not None
    assert "Location" not in made.headers
    assert Client(site, found[1])("GET", "/profiles").status_code == 200
    text = look(site, cookie).text
    assert "web &lt;b&gt;" in text
    assert ("digest_" in text, faults_of(text)) == (False, [])
    assert lines(here)[0] == (DESK, "token add", f'"web <b>" of {DESK}')


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "scope": "profiles:read"}, "a token needs a name"),
        ({"name": "<i>", "scope": "everything"}, "Tick at least one of these."),
        ({"name": 'a"b', "scope": "profiles:read"}, "no quotation marks"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    here: Installation, site: TestClient, fields: dict[str, str], says: str
) -> None:
    answer = press(site, signed_in(site), **fields, days="90")
    assert (answer.status_code, faults_of(answer.text)) == (422, [])
    assert says in answer.text
    assert '<option value="90" selected>' in answer.text
    assert ('value="&lt;i&gt;"' in answer.text) == (fields["name"] == "<i>")
    with here.store.read() as tx:
        assert tokens.list_all(tx) == []


def test_an_editor_sees_and_revokes_their_own_and_makes_them_for_profiles_only(
    here: Installation, site: TestClient, admin: Admin
) -> None:
    token_of(here, admin, name="the admin's")
    cookie = signed_in(site, EDITOR)
    assert 'value="operations:read"' not in look(site, cookie).text
    assert press(site, cookie, name="mine", scope=["profiles:read", "operations:read"]).status_code == 422
    assert press(site, cookie, name="mine", scope="profiles:read").status_code == 200
    text = look(site, cookie).text
    assert ("mine" in text, "the admin" in text) == (True, False)
    assert press(site, cookie, f"{PATH}/1/revoke").status_code == 404
    assert press(site, cookie, f"{PATH}/2/revoke").status_code == 303
    with here.store.read() as tx:
        assert [token.name for token in tokens.list_all(tx)] == ["the admin's"]


def test_an_admin_sees_and_revokes_everybodys(here: Installation, site: TestClient) -> None:
    token = token_of(here, an_admin(here, "third@example.org"))
    cookie = signed_in(site)
    assert "third@example.org" in look(site, cookie).text
    answer = press(site, cookie, f"{PATH}/1/revoke")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PATH}?done=revoked")
    assert "opens nothing any more" in look(site, cookie, "?done=revoked").text
    assert Client(site, token)("GET", "/profiles").status_code == 401
    assert lines(here)[0] == (DESK, "token revoke", '"website" of third@example.org')


def test_a_token_of_who_became_an_editor_is_said_to_open_less(
    here: Installation, site: TestClient, admin: Admin
) -> None:
    third = an_admin(here, "third@example.org")
    token_of(here, third)
    with here.store.write() as tx:
        admins.save(tx, replace(third, role=Role.EDITOR))
    assert ">profiles:read, profiles:write</td>" in look(site, signed_in(site)).text


def test_an_expired_token_is_said_to_be(here: Installation, site: TestClient, admin: Admin) -> None:
    token_of(here, admin)
    with here.store.write() as tx:
        tx.exec_driver_sql("update api_tokens set expires_at = '2026-06-01'")
    assert ">expired</td>" in look(site, signed_in(site)).text

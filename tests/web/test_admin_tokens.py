"""The admin page of tokens: creating, showing once, revoking."""

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role
from digest.store import admins
from tests.web.admin_site import ADMIN_EMAIL, an_admin, audit_log, signed_in
from tests.web.api import Client, token_of
from tests.web.html import faults_of

PATH = "/admin/tokens"


def test_a_token_is_shown_in_the_answer_that_made_it_and_nowhere_else(app: App, site: TestClient) -> None:
    admin = signed_in(app, site)
    made = admin.post(PATH, name="web <b>", scope=["profiles:read", "log"], days="30")
    assert (made.status_code, made.headers["Cache-Control"], faults_of(made.text)) == (200, "no-store", [])
    found = re.search(r"<code>(digest_[\w-]{43})</code>", made.text)
    assert found is not None
    assert "Location" not in made.headers
    assert Client(site, found[1])("GET", "/profiles").status_code == 200
    text = admin.read(PATH)
    assert "web &lt;b&gt;" in text
    assert ("digest_" in text, faults_of(text)) == (False, [])
    assert audit_log(app)[0] == (ADMIN_EMAIL, "token add", f'"web <b>" of {ADMIN_EMAIL}')


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "scope": "profiles:read"}, "a token needs a name"),
        ({"name": "<i>", "scope": "everything"}, "Choose at least one permission."),
        ({"name": 'a"b', "scope": "profiles:read"}, "no quotation marks"),
    ],
)
def test_a_mistake_is_reported_and_the_typed_text_is_kept(
    app: App, site: TestClient, fields: dict[str, str], says: str
) -> None:
    answer = signed_in(app, site).post(PATH, **fields, days="90")
    assert (answer.status_code, faults_of(answer.text)) == (422, [])
    assert says in answer.text
    assert '<option value="90" selected>' in answer.text
    assert ('value="&lt;i&gt;"' in answer.text) == (fields["name"] == "<i>")
    with app.store.read() as tx:
        assert admins.list_tokens(tx) == []


def test_an_editor_sees_and_revokes_their_own_and_makes_them_for_profiles_only(app: App, site: TestClient) -> None:
    token_of(app, an_admin(app), name="the admin's")
    admin = signed_in(app, site, Role.EDITOR)
    assert 'value="operations:read"' not in admin.read(PATH)
    assert admin.post(PATH, name="mine", scope=["profiles:read", "operations:read"]).status_code == 422
    assert admin.post(PATH, name="mine", scope="profiles:read").status_code == 200
    text = admin.read(PATH)
    assert ("mine" in text, "the admin" in text) == (True, False)
    assert admin.post(f"{PATH}/1/revoke").status_code == 404
    assert admin.post(f"{PATH}/2/revoke").status_code == 303
    with app.store.read() as tx:
        assert [token.name for token in admins.list_tokens(tx)] == ["the admin's"]


def test_an_admin_sees_and_revokes_all_tokens(app: App, site: TestClient) -> None:
    token = token_of(app, an_admin(app, "third@example.org"))
    admin = signed_in(app, site)
    assert "third@example.org" in admin.read(PATH)
    answer = admin.post(f"{PATH}/1/revoke")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PATH}?done=revoked")
    assert "no longer works" in admin.read(f"{PATH}?done=revoked")
    assert Client(site, token)("GET", "/profiles").status_code == 401
    assert audit_log(app)[0] == (ADMIN_EMAIL, "token revoke", '"website" of third@example.org')


def test_a_token_of_an_admin_who_became_an_editor_shows_fewer_permissions(app: App, site: TestClient) -> None:
    third = an_admin(app, "third@example.org")
    token_of(app, third)
    with app.store.write() as tx:
        admins.save(tx, replace(third, role=Role.EDITOR))
    assert ">profiles:read, profiles:write</td>" in signed_in(app, site).read(PATH)


def test_an_expired_token_is_marked_as_expired(app: App, site: TestClient) -> None:
    token_of(app, an_admin(app))
    with app.store.write() as tx:
        tx.exec_driver_sql("update api_tokens set expires_at = '2026-06-01'")
    assert ">expired</td>" in signed_in(app, site).read(PATH)

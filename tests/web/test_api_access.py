"""Who may call what, over every route of the API: by tokens alone, for their scopes, as their owner's role allows."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Admin, Role, TokenScope
from digest.security import passwords
from digest.store import admins
from tests.builders import NOW
from tests.web.admin_site import ADMIN_EMAIL, an_admin
from tests.web.api import Client, filled, token_of
from tests.web.conftest import browser
from tests.web.subscribers import EMAIL, changed
from tests.web.test_admin import PASSWORD, signed_in

# What each route needs, written down once more.
NEEDS = {
    "profiles:read": [
        *("GET /profiles", "GET /profiles/{id}", "GET /profiles/{id}/versions", "POST /preview"),
    ],
    "profiles:write": [
        *("POST /profiles", "PUT /profiles/{id}", "DELETE /profiles/{id}", "POST /profiles/{id}/restore"),
    ],
    "subscribers:read": [
        *("GET /subscribers", "GET /subscribers/{id}", "GET /subscribers/{id}/explain", "GET /suppressions"),
    ],
    "subscribers:write": [
        *("POST /subscribers", "PATCH /subscribers/{id}", "DELETE /subscribers/{id}", "POST /subscribers/import"),
        *(f"POST /subscribers/{{id}}/{do}" for do in ("confirm", "ask", "pause", "resume", "unsubscribe", "erase")),
        *("POST /suppressions", "POST /suppressions/lift"),
    ],
    "deliveries:read": ["GET /deliveries", "GET /deliveries/{id}", "GET /hold"],
    "deliveries:write": [
        *("POST /deliveries/retry", "POST /deliveries/resolve", "POST /deliveries/resend", "PUT /hold", "DELETE /hold"),
    ],
    "submissions:read": ["GET /submissions"],
    "submissions:write": ["POST /submissions/{id}/approve", "POST /submissions/{id}/reject"],
    "operations:read": ["GET /today", "GET /sources", "GET /bounces", "GET /log"],
}
NEEDED = {call: TokenScope(scope) for scope, calls in NEEDS.items() for call in calls}


def the_api(site: TestClient) -> FastAPI:
    routes = cast(Starlette, site.app).routes
    return next(cast(FastAPI, route.app) for route in routes if isinstance(route, Mount) and route.path == "/api/v1")


def calls(site: TestClient) -> Iterator[tuple[str, str]]:
    """The method and the path of everything that can be called."""
    for route in the_api(site).routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                yield method, route.path_format


def here_is(path: str) -> str:
    return path.replace("{id}", "1") + ("?paper=arxiv:2606.00001" if path.endswith("explain") else "")


def everything(app: App) -> list[str]:
    with closing(sqlite3.connect(app.store.file)) as database:
        return list(database.iterdump())


def test_every_route_is_in_the_table_of_scopes(site: TestClient) -> None:
    assert sorted(f"{method} {path}" for method, path in calls(site)) == sorted(NEEDED)


def test_without_a_token_nothing_is_answered_but_the_document(app: App, site: TestClient) -> None:
    filled(app)
    before = everything(app)
    for method, path in calls(site):
        answer = Client(site)(method, here_is(path))
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="digest"'), path
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert everything(app) == before
    assert Client(site)("GET", "/openapi.json").status_code == 200


@pytest.mark.parametrize("scope", TokenScope)
def test_a_token_only_gives_access_to_its_scope(app: App, site: TestClient, scope: TokenScope) -> None:
    filled(app)
    client = Client(site, token_of(app, an_admin(app), [scope]))
    for method, path in calls(site):
        needed = NEEDED[f"{method} {path}"]
        answer = client(method, here_is(path))
        if needed is scope:
            assert answer.status_code not in {401, 403, 500}, path
            continue
        assert answer.status_code == 403, path
        assert answer.json()["detail"] == f"this needs a token for {needed.value}"
        assert f'error="insufficient_scope", scope="{needed.value}"' in answer.headers["WWW-Authenticate"]


def test_the_token_of_an_admin_who_became_an_editor_loses_admin_access(app: App, site: TestClient) -> None:
    filled(app)
    admin = an_admin(app)
    client = Client(site, token_of(app, admin))
    with app.store.write() as tx:
        admins.save(tx, replace(admin, role=Role.EDITOR))
    before = everything(app)
    for method, path in calls(site):
        if NEEDED[f"{method} {path}"].required_role is Role.ADMIN:
            assert client(method, here_is(path)).status_code == 403, path
    assert everything(app) == before
    assert client("GET", "/profiles").status_code == 200
    with app.store.write() as tx:
        admins.remove(tx, ADMIN_EMAIL)
    assert client("GET", "/profiles").status_code == 401


def test_reading_changes_nothing(app: App, site: TestClient) -> None:
    filled(app)
    client = Client(site, token_of(app, an_admin(app)))
    before = everything(app)
    looked = [path for method, path in calls(site) if method == "GET"]
    assert len(looked) == 15
    for path in looked:
        assert client("GET", here_is(path)).status_code == 200, path
        assert client("HEAD", here_is(path)).status_code == 405
    assert client("POST", "/preview", json={"rules": "cat"}).status_code == 200
    as_csv = {"Content-Type": "text/csv"}
    file = "email\nx@example.org\n"
    assert client("POST", "/subscribers/import?dry_run=true", content=file, headers=as_csv).status_code == 200
    assert everything(app) == before


def test_no_response_contains_a_secret(app: App, site: TestClient) -> None:
    filled(app)
    admin = an_admin(app)
    with app.store.write() as tx:
        admins.save(tx, replace(admin, password="$argon2id$of the admin"))
        reader = app.membership.find_known(tx, EMAIL)
    assert reader is not None
    changed(app, reader, feed="c0ffee", new_email="wished@example.org")
    token = token_of(app, admin)
    client = Client(site, token)
    said = "".join(client("GET", here_is(path)).text for method, path in calls(site) if method == "GET")
    said += client("PATCH", "/subscribers/1", json={"name": "R"}).text + client("GET", "/log").text
    kept = hashlib.sha256(token.encode()).hexdigest()
    for secret in ("argon2", "c0ffee", "wished@", token, kept, app.links.secret.hex(), "/unsubscribe/", "epoch"):
        assert secret not in said


def test_a_session_cookie_gives_no_access(app: App, site: TestClient) -> None:
    with app.store.write() as tx:
        admins.add(tx, Admin(email=ADMIN_EMAIL, role=Role.ADMIN, password=passwords.hash_password(PASSWORD)), now=NOW)
    cookie = signed_in(site)
    for method, path in calls(site):
        assert Client(site)(method, here_is(path), headers={"Cookie": cookie}).status_code == 401


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", "Basic {}", "Token {}", "{}", "Bearer {}x", "Bearer  {} {}", "Bearer \xff{}"]
)
def test_only_the_exact_token_gives_access(app: App, site: TestClient, said: str) -> None:
    token = token_of(app, an_admin(app))
    header = said.replace("{}", token).encode("latin-1")
    answer = site.get("/api/v1/profiles", headers={b"Authorization": header} if said else {})
    assert (answer.status_code, answer.headers["WWW-Authenticate"][:21]) == (401, 'Bearer realm="digest"')
    lower = site.get("/api/v1/profiles", headers={"Authorization": f"bearer {token}"})
    assert lower.status_code == 200
    assert site.get(f"/api/v1/profiles?access_token={token}").status_code == 401


def test_an_expired_token_gives_no_access(app: App) -> None:
    token = token_of(app, an_admin(app), days=1)
    assert Client(browser(app, now=NOW + timedelta(hours=23)), token)("GET", "/profiles").status_code == 200
    answer = Client(browser(app, now=NOW + timedelta(hours=24)), token)("GET", "/profiles")
    assert (answer.status_code, "invalid_token" in answer.headers["WWW-Authenticate"]) == (401, True)


def test_guessing_is_limited_by_network_and_does_not_lock_others_out(app: App, site: TestClient) -> None:
    token = token_of(app, an_admin(app))
    statuses = [Client(site, f"digest_{n}")("GET", "/profiles").status_code for n in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    answer = Client(site, "digest_guess")("GET", "/profiles")
    assert (answer.headers["Content-Type"], int(answer.headers["Retry-After"]) > 0) == (
        "application/problem+json",
        True,
    )
    assert Client(site, token)("GET", "/profiles").status_code == 200
    assert Client(browser(app, client="198.51.100.9"), "digest_guess")("GET", "/profiles").status_code == 401

"""Any form up to its size limit costs little, and rules have one limit at all doors."""

import json
import time
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role
from tests.commandline import Cli
from tests.web.admin_site import an_admin, signed_in
from tests.web.api import Client, token_of
from tests.web.reader_site import keywords, sign_in_reader
from tests.web.subscribers import add_subscriber

LIMIT = "more than 20,000 characters"
LONG = "(\n" * 30_000

Door = Callable[[App, TestClient, str], tuple[int, str]]  # returns (status, page)


def _sign_up(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.post("/subscribe", data={"email": "new@example.org", "rules": rules})
    return answer.status_code, answer.text


def _preview(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.post("/preview", data={"rules": rules})
    return 422 if LIMIT in answer.text else answer.status_code, answer.text


def _search(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.get("/search", params={"q": "x" + rules.replace("(\n", "x")})  # an address may not be that long
    return answer.status_code, answer.text


def _settings(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = sign_in_reader(app, site, add_subscriber(app)).post("/settings", part="interests", rules=rules)
    assert keywords(app) == ""
    return answer.status_code, answer.text


def _editor(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = signed_in(app, site, Role.EDITOR).post("/admin/profiles/new", name="Cats", rules=rules)
    return answer.status_code, answer.text


def _api(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = Client(site, token_of(app, an_admin(app)))("POST", "/profiles", json={"name": "Cats", "rules": rules})
    assert [mistake["line"] for mistake in answer.json()["errors"]] == [1]
    return answer.status_code, answer.text


def _profile_import(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    text = json.dumps({"name": "Cats", "rules": rules})
    answer = signed_in(app, site, Role.EDITOR).post("/admin/profiles/import", text=text)
    return answer.status_code, answer.text


@pytest.mark.parametrize("door", [_sign_up, _preview, _search, _settings, _editor, _api, _profile_import])
def test_a_web_door_refuses_rules_of_more_than_20000_characters_at_once(app: App, site: TestClient, door: Door) -> None:
    begun = time.process_time()
    status, page = door(app, site, LONG)
    assert (status, LIMIT in page) == (422, True)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "add", "Cats", "--rules", "-"),
        ("profile", "import", "-"),
        ("subscriber", "add", "reader@example.org", "--confirmed", "--keywords", "-"),
        ("match", "-", "--feed", "papers.txt"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_refuses_rules_of_more_than_20000_characters_at_once(cli: Cli, command: tuple[str, ...]) -> None:
    cli.write_papers("A cat")
    begun = time.process_time()
    ran = cli(*command, stdin=json.dumps({"name": "Cats", "rules": LONG}) if "import" in command else LONG)
    assert (ran.code, LIMIT in ran.err, ran.err.count("\n")) == (2, True, 1)
    assert time.process_time() - begun < 2

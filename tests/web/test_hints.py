"""Lists and lower-case operators in rules: pages explain them, and split them on request without saving anything."""

import html
import re

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import Role
from digest.store import profiles
from tests.builders import NOW
from tests.commandline import Cli
from tests.web.admin_site import an_admin, signed_in
from tests.web.api import Client, token_of
from tests.web.html import faults_of
from tests.web.papers import add_papers
from tests.web.reader_site import keywords, sign_in_reader
from tests.web.subscribers import add_subscriber

TYPED = "fish\r\ncats, dogs\r\nbirds and bees"
SAID = "“cats, dogs” finds only papers with these words side by side."
SPLIT = "fish\ncats\ndogs\nbirds and bees"


def rules_in(page: str) -> str:
    """What the page's text field holds."""
    found = re.search(r'<textarea\s+id="rules"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def flat(page: str) -> str:
    assert faults_of(page) == []
    return " ".join(page.split())


def test_the_preview_explains_and_splits(site: TestClient) -> None:
    part = site.post("/preview", data={"rules": TYPED}, headers={"X-Fragment": "1"}).text
    assert SAID in " ".join(part.split())
    assert "<code>birds AND bees</code>" in part
    page = site.post("/preview", data={"rules": TYPED, "split": "2"}).text
    assert (rules_in(page), SAID in page) == (SPLIT, False)


def test_the_sign_up_form_is_shown_again_with_the_line_split(site: TestClient) -> None:
    answer = site.post("/subscribe", data={"email": "", "rules": TYPED, "split": "2"})
    assert (answer.status_code, rules_in(answer.text)) == (200, SPLIT)
    assert "“birds and bees” finds only" in flat(answer.text)
    assert "Enter an email address" not in answer.text


def test_the_settings_explain_saved_keywords_and_split_without_saving(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules("cats, dogs"), now=NOW)
    own = sign_in_reader(app, site, reader)
    assert SAID in flat(own.get("/settings").text)
    page = own.post("/settings", part="interests", rules="cats, dogs", split="1").text
    assert (rules_in(page), keywords(app)) == ("cats\ndogs", "cats, dogs")


def test_the_editor_explains_and_splits(app: App, site: TestClient) -> None:
    editor = signed_in(app, site, Role.EDITOR)
    page = editor.post("/admin/profiles/preview", rules=TYPED).text
    assert SAID in flat(page)
    assert re.search(r'name="split"\s+value="2"\s+data-instead="cats\ndogs"', page)
    assert rules_in(editor.post("/admin/profiles/preview", rules=TYPED, split="2").text) == SPLIT


@pytest.mark.parametrize("line", ["0", "-1", "99", "x", "9" * 300])
def test_a_line_without_a_hint_stays(site: TestClient, line: str) -> None:
    assert rules_in(site.post("/preview", data={"rules": TYPED, "split": line}).text) == TYPED.replace("\r", "")


def test_the_api_says_what_may_be_meant(app: App, site: TestClient) -> None:
    add_papers(app, "Cats and dogs")
    api = Client(site, token_of(app, an_admin(app)))
    hints = [{"line": 1, "phrase": "cats, dogs", "meant": "list", "instead": ["cats", "dogs"]}]
    assert api.ok("POST", "/profiles", json={"name": "Pets", "rules": "cats, dogs"})["hints"] == hints
    assert api.ok("POST", "/preview", json={"rules": "cats, dogs"})["hints"] == hints
    made = api.ok("POST", "/subscribers", json={"email": "new@example.org", "keywords": "cats, dogs"})
    assert made["hints"] == hints


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "add", "Pets", "--rules", "cats, dogs"),
        ("subscriber", "add", "reader@example.org", "--confirmed", "--keywords", "cats, dogs"),
        ("match", "cats, dogs"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_warns_and_goes_on(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli.ok(*command)
    assert "warning: line 1: 'cats, dogs' finds only these words side by side; to find papers with any of" in ran.err
    assert "write one per line: cats · dogs" in ran.err

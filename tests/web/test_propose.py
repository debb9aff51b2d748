"""Proposing a paper: it is sent to the editors, and the page reveals nothing."""

import sqlite3
from contextlib import closing

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from digest.app import App
from digest.store import submissions
from tests.web.html import faults_of
from tests.web.papers import add_papers
from tests.web.subscribers import finish_background


def propose(site: TestClient, written: str) -> Response:
    """The answer, when what follows is done."""
    answer = site.post("/propose", data={"paper": written})
    finish_background(site)
    return answer


def held(app: App) -> list[tuple[str, str, str]]:
    with app.store.read() as tx:
        return [(s.url, s.state.value, s.origin) for s in submissions.list_all(tx)]


def test_the_form_asks_for_one_thing(site: TestClient) -> None:
    page = site.get("/propose")
    assert page.status_code == 200
    assert faults_of(page.text) == []
    assert '<label for="paper">' in page.text


def test_a_proposed_paper_waits_for_an_editor(app: App, site: TestClient) -> None:
    page = propose(site, " https://arxiv.org/pdf/2504.17830v2 ")
    assert page.status_code == 200
    assert faults_of(page.text) == []
    assert "sent to the editors" in page.text
    assert held(app) == [("https://arxiv.org/abs/2504.17830", "waiting", "page")]


def test_the_answer_is_the_same_whether_it_is_known_or_was_proposed_before(app: App, site: TestClient) -> None:
    add_papers(app, "A paper")
    first = propose(site, "2504.17830")
    again = propose(site, "https://huggingface.co/papers/2504.17830")
    assert (first.content, first.status_code, first.headers) == (again.content, again.status_code, again.headers)
    assert len(held(app)) == 1


def test_the_answer_does_not_wait_for_what_is_written(app: App, site: TestClient) -> None:
    with closing(sqlite3.connect(app.store.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert site.post("/propose", data={"paper": "2504.17830"}).status_code == 200
        assert held(app) == []
        other.execute("COMMIT")
    finish_background(site)
    assert len(held(app)) == 1


@pytest.mark.parametrize("written", ["", "x", "http://localhost/x", "http://10.0.0.1/x", "javascript:alert(1)"])
def test_an_invalid_address_is_marked_and_kept_in_the_form(app: App, site: TestClient, written: str) -> None:
    page = propose(site, written)
    assert page.status_code == 422
    assert faults_of(page.text) == []
    assert "Enter a public web address" in page.text
    assert f'value="{written}"' in page.text
    assert held(app) == []


def test_proposed_text_is_never_markup(site: TestClient) -> None:
    assert "<script>alert" not in site.post("/propose", data={"paper": '"><script>alert(1)</script>'}).text


def test_one_client_proposes_ten_an_hour(app: App, site: TestClient) -> None:
    answers = [propose(site, f"https://example.org/{n}").status_code for n in range(11)]
    assert answers == [200] * 10 + [429]
    assert len(held(app)) == 10


def test_looking_proposes_nothing(app: App, site: TestClient) -> None:
    site.get("/propose?paper=2504.17830")
    assert held(app) == []

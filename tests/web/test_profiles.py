"""Shared profiles: their rules, and the papers they found."""

import re

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import CompiledRules
from digest.store import profiles, subscribers
from tests.builders import NOW, a_paper, a_subscriber
from tests.web.html import faults_of
from tests.web.papers import HOSTILE, publish_papers, share_profile
from tests.web.test_editions import titles


def test_every_shared_profile_is_listed_with_its_rules(app: App, site: TestClient) -> None:
    assert "There are no shared profiles yet." in site.get("/profiles").text
    share_profile(app, "Cats & dogs", "cat AND dog # both\n-survey")
    with app.store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(), now=NOW)
        profiles.set_personal(tx, reader.id, compile_rules("secret"), now=NOW)
    page = site.get("/profiles").text
    assert 'href="/profile/Cats%20%26%20dogs"' in page
    assert "cat AND dog # both\n-survey</pre>" in page
    assert "secret" not in page
    assert faults_of(page) == []


def test_a_profile_shows_what_it_found_in_the_last_days_the_best_first(app: App, site: TestClient) -> None:
    publish_papers(app, a_paper("An old cat"), on="2026-05-20")
    publish_papers(app, a_paper("Something", "About a cat."), on="2026-05-30")
    publish_papers(app, a_paper("A cat"), a_paper("A dog"), on="2026-06-03")
    share_profile(app, "Cats", "cat")
    page = site.get("/profile/Cats").text
    assert titles(page) == ["A <mark>cat</mark>", "Something"]
    assert faults_of(page) == []
    assert [one["title"] for one in site.get("/profile/Cats.json").json()["items"]] == ["A cat", "Something"]


def test_a_profile_that_found_nothing_says_so(app: App, site: TestClient) -> None:
    share_profile(app, "Cats", "cat")
    assert "No papers found in the last 7 days." in site.get("/profile/Cats").text


@pytest.mark.parametrize("name", ["a/b", "<script>", "ü 图", "a?b#c%d", "x.atom", "a.b"])
def test_a_profile_of_any_name_has_a_page_and_feeds(app: App, site: TestClient, name: str) -> None:
    publish_papers(app, HOSTILE, a_paper("A cat"))
    share_profile(app, name, "cat")
    found = re.search(r'href="(/profile/[^"]*)"', site.get("/profiles").text)
    assert found
    page = site.get(found[1])
    assert (page.status_code, faults_of(page.text)) == (200, [])
    assert "<script>" not in page.text
    assert site.get(f"{found[1]}.atom").headers["Content-Type"].startswith("application/atom+xml")


def test_personal_profiles_have_no_page(app: App, site: TestClient) -> None:
    with app.store.write() as tx:
        reader = subscribers.add(tx, a_subscriber(), now=NOW)
        profiles.set_personal(tx, reader.id, compile_rules("secret"), now=NOW)
    for path in ("/profile/Your%20keywords", "/profile/", "/profile/nobody"):
        assert site.get(path).status_code == 404


def test_rules_that_cannot_be_read_any_more_find_nothing(app: App, site: TestClient) -> None:
    with app.store.write() as tx:
        profiles.add(tx, "Broken", CompiledRules("(cat", ()), by="tests", now=NOW)
    page = site.get("/profile/Broken")
    assert page.status_code == 200
    assert "No papers found" in page.text

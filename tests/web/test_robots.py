"""Search engines may index public pages or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.app import App
from digest.security.links import Scope
from tests.builders import a_paper
from tests.web.conftest import browser
from tests.web.papers import publish_papers, share_profile
from tests.web.subscribers import add_subscriber, path

CACHEABLE = ["/", "/papers", "/papers/2026-06-03?order=newest", "/paper/test:A cat", "/profiles", "/profile/P"]


@pytest.fixture(params=["true", "false"])
def indexed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    (tmp_path / "config.toml").write_text(f"[web]\nindexed = {request.param}\n", encoding="utf-8")
    with App.open(tmp_path / "config.toml") as app:
        publish_papers(app, a_paper("A cat"))
        share_profile(app, "P", "cat")
        yield app


@pytest.mark.parametrize("page", CACHEABLE)
def test_header_and_page_agree_on_what_is_public(indexed: App, page: str) -> None:
    site = browser(indexed)
    for answer in (site.get(page), site.get(page)):
        assert answer.status_code == 200
        assert ("X-Robots-Tag" in answer.headers) == (not indexed.config.web.indexed)
        assert ('name="robots"' in answer.text) == (not indexed.config.web.indexed)


@pytest.mark.parametrize("scope", [Scope.UNSUBSCRIBE, Scope.CONFIRM, None])
def test_signed_links_and_missing_pages_are_never_indexed(indexed: App, scope: Scope | None) -> None:
    link = path(indexed, scope, add_subscriber(indexed)) if scope else "/papers/nonsense"
    answer = browser(indexed).get(link)
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert 'content="noindex"' in answer.text


def test_robots_txt_says_what_is_configured(indexed: App) -> None:
    answer = browser(indexed).get("/robots.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == f"User-agent: *\nDisallow: {'/search' if indexed.config.web.indexed else '/'}\n"

"""The admin page of sources: the state of each, and reading them now."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.store import sources
from digest.store.sources import SourceState
from digest.web.app import create_app
from tests.builders import NOW, a_paper
from tests.web.admin_site import AdminBrowser, refuses_an_editor, signed_in
from tests.web.conftest import Opened
from tests.web.papers import add_papers, record_sighting

CONFIGURED = """
[newsletter]
base_url = "https://digest.example.org"
[[source]]
name = "<b>arxiv"
kind = "feed"
url = "https://reader:hunter2@example.org/rss?category=cs&api_key=hunter3&Auth=hunter4&author=smith"
[[source]]
name = "blog"
kind = "feed"
url = "https://blog.example.org/feed"
"""


@pytest.fixture
def configured(open_site: Opened, tmp_path: object) -> App:
    """A newsletter with two sources."""
    open_site(CONFIGURED)
    return App.open(tmp_path / "config.toml")  # type: ignore[operator]


def looked_at(app: App, ask_sources: Callable[[], None] | None = None) -> AdminBrowser:
    asgi = create_app(app, clock=lambda: NOW, ask_sources=ask_sources, lag=0)
    return signed_in(app, TestClient(asgi, follow_redirects=False))


def saved(app: App, name: str, failure: str = "", entries: int = 0) -> None:
    state = SourceState(name=name, url="", checked_at=NOW, succeeded_at=NOW, failure=failure, entries=entries)
    with app.store.write() as tx:
        sources.save(tx, state)


def test_each_configured_source_is_there_with_how_it_did(configured: App) -> None:
    saved(configured, "<b>arxiv", "HTTP 500: <script>alert(1)</script>\u202e")
    saved(configured, "gone", "of another configuration")
    text = looked_at(configured).read("/admin/sources")
    assert "&lt;b&gt;arxiv" in text
    assert "<bdi>HTTP 500: &lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in text
    assert "https://blog.example.org/feed" in text
    assert text.count("never") == 2
    assert "of another configuration" not in text


def test_no_password_or_key_in_an_address_is_shown(configured: App) -> None:
    text = looked_at(configured).read("/admin/sources")
    assert "hunter" not in text
    assert "https://…@example.org/rss?category=cs&amp;api_key=…&amp;Auth=…&amp;author=smith" in text


def test_the_new_papers_of_thirty_days_are_counted_by_source(configured: App) -> None:
    old, new, other = (a_paper(title) for title in ("Old", "New", "Other"))
    add_papers(configured, old, seen_at=NOW - timedelta(days=31))
    add_papers(configured, new, other)
    for paper in (old, new, other):
        record_sighting(configured, paper, "blog")
    record_sighting(configured, new, "<b>arxiv")
    with configured.store.read() as tx:
        assert sources.count_papers(tx, since=NOW - timedelta(days=30)) == {"blog": 2, "<b>arxiv": 1}


def test_they_are_asked_at_a_press(configured: App) -> None:
    asked: list[int] = []
    admin = looked_at(configured, lambda: asked.append(1))
    assert "Read all sources now" in admin.read("/admin/sources")
    assert asked == []
    assert "The sources are being read." in admin.post_and_follow("/admin/sources")
    assert asked == [1]


def test_there_is_no_button_if_sources_cannot_be_read_from_here(configured: App) -> None:
    admin = looked_at(configured)
    assert "Read all sources now" not in admin.read("/admin/sources")
    assert admin.post("/admin/sources").status_code == 404


def test_a_newsletter_without_sources_is_told(app: App, site: TestClient) -> None:
    assert "No sources are configured" in signed_in(app, site).read("/admin/sources")


def test_they_are_not_for_editors(app: App, site: TestClient) -> None:
    assert refuses_an_editor(app, site, "/admin/sources")

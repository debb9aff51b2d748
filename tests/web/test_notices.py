"""The privacy and legal notices, from the admin's files."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.errors import ConfigError
from tests.web.conftest import Opened


@pytest.fixture
def site(open_site: Opened, tmp_path: Path) -> TestClient:
    (tmp_path / "privacy.md").write_text(
        "# What we keep\n\nYour *address*, see [our rules](https://example.org/rules).\n\n"
        "| what | how long |\n|---|---|\n| address | until you leave |\n\n<script>alert(1)</script>\n",
        encoding="utf-8",
    )
    return open_site("[web]\nprivacy = 'privacy.md'\n")


def test_a_markdown_file_becomes_a_page(site: TestClient) -> None:
    page = site.get("/privacy").text
    assert "<h1>Privacy</h1>" in page
    assert "What we keep" not in page  # the page has its heading already
    assert '<p>Your <em>address</em>, see <a href="https://example.org/rules">our rules</a>.</p>' in page
    assert "<td>until you leave</td>" in page


def test_html_in_it_is_text(site: TestClient) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in site.get("/privacy").text


def test_every_page_links_to_what_there_is(site: TestClient) -> None:
    page = site.get("/nowhere").text
    assert '<a href="/privacy">Privacy</a>' in page
    assert "imprint" not in page
    assert site.get("/imprint").status_code == 404


@pytest.mark.parametrize(("content", "says"), [(None, "No such file"), (b"\xff\xfe", "is not UTF-8")])
def test_a_file_that_cannot_be_read_stops_the_start(
    open_site: Opened, tmp_path: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "imprint.md").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"imprint\.md: {says}.*; web\.imprint must name a Markdown file"):
        open_site("[web]\nimprint = 'imprint.md'\n")

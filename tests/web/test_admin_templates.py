"""The admin page of templates: the files in use, their mistakes, and a preview of each mail."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import MailKind, Role
from tests.builders import a_paper
from tests.mail.samples import overriding
from tests.web.admin_site import AdminBrowser, signed_in
from tests.web.conftest import browser
from tests.web.papers import HOSTILE, publish_papers, share_profile
from tests.web.test_security import CSP

PAGE = "/admin/templates"


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[App]:
    """A newsletter with a folder of its own templates."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "config.toml").write_text(
        '[newsletter]\nbase_url = "https://digest.example.org"\n[templates]\npath = "mine"\n', encoding="utf-8"
    )
    with App.open(tmp_path / "config.toml") as app:
        yield app


def test_an_editor_has_nothing_to_do_there(app: App, site: TestClient) -> None:
    editor = signed_in(app, site, Role.EDITOR)
    for page in (PAGE, f"{PAGE}/digest/en", f"{PAGE}/digest/en/html"):
        assert editor.get(page).status_code == 403
    assert PAGE not in editor.read("/admin/profiles")


def test_every_mail_is_there_in_every_language(app: App, admin: AdminBrowser) -> None:
    text = admin.read(PAGE)
    assert "The templates work." in text
    for kind in MailKind:
        for language in ("en", "de"):
            assert f'href="{PAGE}/{kind}/{language}"' in text
            page = admin.read(f"{PAGE}/{kind}/{language}")
            assert f'src="{PAGE}/{kind}/{language}/html"' in page
            html = admin.read(f"{PAGE}/{kind}/{language}/html")
            assert f'lang="{language}"' in html


@pytest.mark.parametrize("path", ["digest/fr", "newspaper/en", "digest/fr/html", "digest/%2e%2e"])
def test_no_other_mail_is_there(app: App, admin: AdminBrowser, path: str) -> None:
    assert admin.get(f"{PAGE}/{path}").status_code == 404


def test_a_mail_has_real_papers_where_there_are_some_and_links_that_open_nothing(app: App, admin: AdminBrowser) -> None:
    assert "With sample papers" in admin.read(f"{PAGE}/digest/en")
    share_profile(app, "Cats", "cats")
    share_profile(app, "Dogs", "dogs")
    publish_papers(app, a_paper("A study of cats and dogs"), a_paper("On cats"), a_paper("On dogs"))
    seat = replace(admin, client=browser(app))
    text = seat.read(f"{PAGE}/digest/en")
    assert "With recent papers" in text
    assert "A study of cats and dogs" in text
    html = seat.read(f"{PAGE}/welcome/de/html")
    assert "/unsubscribe/0.0." in html
    assert "Willkommen" in html


def test_the_frame_has_a_policy_of_its_own_and_its_page_may_hold_it(app: App, admin: AdminBrowser) -> None:
    policy = admin.get(f"{PAGE}/digest/en/html").headers.get_list("Content-Security-Policy")
    assert policy == ["sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'"]
    page = admin.get(f"{PAGE}/digest/en")
    assert page.headers.get_list("Content-Security-Policy") == [f"{CSP}; frame-src 'self'"]
    assert '<iframe class="mail" sandbox title=' in " ".join(page.text.split())
    assert admin.get(PAGE).headers.get_list("Content-Security-Policy") == [CSP]


def test_hostile_papers_are_text_in_subject_frame_and_text(app: App, admin: AdminBrowser) -> None:
    share_profile(app, "Hostile <script>", "script")
    publish_papers(app, HOSTILE)
    for page in (f"{PAGE}/digest/en", f"{PAGE}/digest/en/html"):
        text = admin.read(page)
        assert "alert(1)" in text
        assert "<script>" not in text


def test_own_files_and_their_mistakes_are_shown_without_a_restart(mine: App, tmp_path: Path) -> None:
    admin = signed_in(mine, browser(mine))
    folder = tmp_path / "mine"
    assert f"<bdi>{folder}</bdi>" in admin.read(PAGE)
    overriding(folder, "digest.subject.txt.j2", "{{ mail.newsletter.name }} {{ mail.top_title | upper }}")
    overriding(folder, "cards.html.j2", "x")
    text = admin.read(PAGE)
    assert "<li><bdi>email/digest.subject.txt.j2</bdi></li>" in text
    assert "Did you mean email/card.html.j2?" in text
    assert "works, but slows down sending" in text
    assert "A PLAIN" in admin.read(f"{PAGE}/digest/en").upper()
    overriding(folder, "digest.txt.j2", "\n{{ mial }}")
    text = admin.read(PAGE)
    assert "No email can be created with these files:" in text
    assert "digest.txt.j2:2: &#39;mial&#39; is undefined" in text
    refused = admin.get(f"{PAGE}/digest/en")
    assert (refused.status_code, "&#39;mial&#39; is undefined" in refused.text) == (422, True)
    (folder / "email" / "digest.txt.j2").unlink()
    (folder / "web").mkdir()
    (folder / "web" / "front.html.j2").write_text("{% if %}", encoding="utf-8")
    assert "front.html.j2:1:" in admin.read(PAGE)

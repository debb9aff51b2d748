"""The demo's mailbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.web.app import create_app
from tests.builders import NOW, a_delivery, a_subscriber
from tests.mail.samples import composer, two_papers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two mails; beside the folder is one that must not be shown."""
    outside = tmp_path_factory.mktemp("demo")
    (outside / "secret.eml").write_text("Subject: secret")
    folder = outside / "mail"
    folder.mkdir()
    writes = composer(outside)
    mails = [a_delivery(two_papers()), a_delivery(subscriber=a_subscriber("new@example.org", id=8))]
    for number, delivery in enumerate(mails, 1):
        (folder / f"{number:02}-{delivery.subscriber.email}.eml").write_bytes(writes.message(delivery).content)
    return folder


@pytest.fixture
def inbox(app: App, folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(app, clock=lambda: NOW, inbox=folder)) as client:
        yield client


def test_the_mails_are_listed_the_newest_first(inbox: TestClient) -> None:
    page = inbox.get("/inbox").text
    assert page.index("02-new@example.org.html") < page.index("01-reader@example.org.html")
    assert "Please confirm your subscription to Daily Papers" in page


def test_the_list_is_as_careful_as_every_page(inbox: TestClient) -> None:
    listed, front = inbox.get("/inbox").headers, inbox.get("/").headers
    for name in ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options", "X-Robots-Tag"):
        assert listed[name] == front[name]
    assert listed["Cache-Control"] == "no-store"


def test_a_mail_is_shown_in_a_sandbox(inbox: TestClient) -> None:
    mail = inbox.get("/inbox/01-reader@example.org.html")
    assert "Unsubscribe" in mail.text
    assert mail.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "script" not in mail.headers["Content-Security-Policy"]
    assert inbox.get("/inbox/01-reader@example.org.txt").headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("name", ["03-x.html", "01-reader@example.org.eml", "..%2fsecret.html", "%2e%2e/secret.html"])
def test_nothing_else_is_shown(inbox: TestClient, name: str) -> None:
    answer = inbox.get(f"/inbox/{name}")
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_every_page_of_the_demo_links_to_it_and_no_other_site_has_it(inbox: TestClient, site: TestClient) -> None:
    assert '<a href="/inbox">Demo inbox</a>' in inbox.get("/").text
    assert "inbox" not in site.get("/").text
    assert site.get("/inbox").status_code == 404

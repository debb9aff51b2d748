"""The admin pages of proposed papers: looking up, correcting, approving and rejecting."""

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import SourceError
from digest.models import SubmissionState
from digest.sources import fetch
from digest.sources.fetch import Fetcher
from digest.store import audit, papers, submissions
from tests.builders import NOW, all_papers
from tests.sources.test_fetch import say, serving
from tests.web.admin_site import ADMIN_EMAIL, AdminBrowser, refuses_an_editor, signed_in
from tests.web.conftest import Opened

PAGE = b"""<meta name="citation_title" content="A &amp;lt;script&amp;gt;paper&amp;lt;/script&amp;gt; on cats">
<meta name="citation_author" content="Doe, Jane"><meta name="citation_abstract" content="We look at cats.">
<meta name="citation_doi" content="10.1000/x">"""
URL = "https://example.org/paper"


@pytest.fixture
def admin(app: App, site: TestClient) -> AdminBrowser:
    return signed_in(app, site)


def proposed(app: App, url: str = URL, origin: str = "page from 192.0.2.7") -> int:
    with app.store.write() as tx:
        submissions.add(tx, url, origin=origin, now=NOW)
        return max(s.id for s in submissions.list_all(tx))


def state(app: App, number: int = 1) -> SubmissionState:
    with app.store.read() as tx:
        return submissions.get(tx, number).state


def titles(app: App) -> list[tuple[str, str]]:
    with app.store.read() as tx:
        return [(paper.title, paper.abstract) for paper in all_papers(tx)]


def log(app: App) -> list[tuple[str, str, str]]:
    with app.store.read() as tx:
        return [(c.who, c.what, c.subject) for c in audit.list_changes(tx, limit=20)]


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers on this machine are asked as if they were public, by the name that they have."""
    checked = fetch._public_address

    def address(host: str, port: int | None) -> str:
        return "127.0.0.1" if host == "public.example.org" else checked(host, port)

    monkeypatch.setattr(fetch, "_public_address", address)


def public(url: str) -> str:
    return url.replace("127.0.0.1", "public.example.org")


def test_those_that_wait_come_first(app: App, admin: AdminBrowser) -> None:
    for number in (1, 2, 3):
        proposed(app, f"{URL}/{number}")
    admin.post_and_follow("/admin/submissions/1", do="reject")
    text = admin.read("/admin/submissions")
    assert text.index(f"{URL}/2") < text.index(f"{URL}/3") < text.index(f"{URL}/1")
    assert "2 suggestions are waiting for you." in text
    assert "page from 192.0.2.7" in text


def test_they_are_paged(app: App, admin: AdminBrowser) -> None:
    for number in range(60):
        proposed(app, f"{URL}/{number}.")
    first = admin.read("/admin/submissions")
    assert (f"{URL}/49." in first, f"{URL}/50." in first) == (True, False)
    assert 'href="/admin/submissions?page=2" rel="next"' in first
    assert f"{URL}/59." in admin.read("/admin/submissions?page=2")
    assert admin.read(f"/admin/submissions?page={'9' * 15}")


@pytest.mark.usefixtures("loopback")
def test_a_paper_is_looked_up_at_a_press_and_put_in_without_asking_again(app: App, admin: AdminBrowser) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 200, PAGE)

    with serving(answer) as url:
        number = proposed(app, public(url))
        path = f"/admin/submissions/{number}"
        assert "This paper hasn’t been looked up yet." in admin.read(path)
        assert asked == []
        found = admin.post(path, do="look")
        assert found.status_code == 200
        assert 'value="A &lt;script&gt;paper&lt;/script&gt; on cats"' in found.text
        assert "We look at cats." in found.text
        assert "Jane Doe" in found.text
        title, abstract = "A <script>paper</script> on cats", "We look at cats."
        text = admin.post_and_follow(path, do="approve", title=title, abstract=abstract)
    assert len(asked) == 1
    assert "The paper is now in today’s edition" in text
    assert titles(app) == [(title, abstract)]
    assert state(app) is SubmissionState.APPROVED
    assert log(app)[0] == (ADMIN_EMAIL, "submission approve", "1, doi:10.1000/x")


@pytest.mark.usefixtures("loopback")
def test_title_and_abstract_can_be_corrected_before_approval(app: App, admin: AdminBrowser) -> None:
    with serving(lambda handler: say(handler, 200, PAGE)) as url:
        path = f"/admin/submissions/{proposed(app, public(url))}"
        admin.post_and_follow(path, do="approve", title=" Another\u202e\x00  title ", abstract="Line one\r\nline two")
    assert titles(app) == [("Another title", "Line one line two")]
    with app.store.read() as tx:
        assert papers.count_by_edition(tx, NOW.date(), NOW.date()) == {NOW.date(): 1}
        (paper,) = all_papers(tx)
    assert (paper.id, paper.authors) == ("doi:10.1000/x", ("Jane Doe",))


FORBIDDEN = [
    "http://127.0.0.1:{port}/feed",
    "http://[::1]:{port}/feed",
    "http://localhost:{port}/feed",
    "http://10.0.0.1/feed",
    "http://169.254.169.254/latest/meta-data",
    "http://0.0.0.0:{port}/feed",
    "http://[::ffff:127.0.0.1]:{port}/feed",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "/etc/passwd",
    "config.toml",
    "ftp://example.org/x",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_nothing_private_and_no_file_is_read_whatever_is_configured(
    open_site: Opened, tmp_path: Path, address: str
) -> None:
    site = open_site(
        '[newsletter]\nbase_url = "https://digest.example.org"\n'
        '[fetch]\nallow_private = ["127.0.0.1", "::1", "localhost", "10.0.0.1", "0.0.0.0"]\n'
    )
    (tmp_path / "page").write_bytes(PAGE)
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 200, PAGE)

    with App.open(tmp_path / "config.toml") as app, serving(answer) as url:
        admin = signed_in(app, site)
        number = proposed(app, address.format(port=url.split(":")[2].split("/")[0]))
        for do in ("look", "approve"):
            told = admin.post(f"/admin/submissions/{number}", do=do)
            assert told.status_code == 422
            assert "The look-up failed:" in told.text
            assert "allow_private" not in told.text
            assert "root:" not in told.text
        assert asked == []
        assert titles(app) == []


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "http://127.0.0.1:{port}/feed", "http://localhost:{port}/feed"]
)
def test_no_redirect_leads_there(app: App, admin: AdminBrowser, there: str) -> None:
    asked: list[str] = []

    def inner(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, 200, PAGE)

    with serving(inner) as secret:
        to = there.format(port=secret.split(":")[2].split("/")[0])
        with serving(lambda handler: say(handler, 302, b"", Location=to)) as url:
            told = admin.post(f"/admin/submissions/{proposed(app, public(url))}", do="look")
    assert told.status_code == 422
    assert ("private address" in told.text) or ("not http or https" in told.text)
    assert asked == []


@pytest.mark.usefixtures("loopback")
def test_a_paper_that_cannot_be_looked_up_can_be_entered_by_hand(app: App, admin: AdminBrowser) -> None:
    error = b"<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>"
    with serving(lambda handler: say(handler, 404, error)) as url:
        path = f"/admin/submissions/{proposed(app, public(url))}"
        told = admin.post(path, do="approve", title="", abstract="Typed <b>")
        assert told.status_code == 422
        assert "No title was found. Please enter it yourself." in told.text
        assert "Typed &lt;b&gt;" in told.text
        assert "<script>" not in told.text
        assert state(app) is SubmissionState.WAITING
        admin.post_and_follow(path, do="approve", title="By hand, a paper on cats", abstract="Typed")
    assert titles(app) == [("By hand, a paper on cats", "Typed")]


def test_two_are_looked_up_at_once_and_the_third_is_told(
    app: App, admin: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = proposed(app)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*_: Any) -> None:
        begun.release()
        go_on.wait(30)
        raise SourceError("x", "too slow")

    monkeypatch.setattr(Fetcher, "fetch", slow)
    path = f"/admin/submissions/{number}"
    threads = [threading.Thread(target=admin.post, args=(path,), kwargs={"do": "look"}) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=30)
    told = [admin.post(path, do=do, title="Typed") for do in ("look", "approve")]
    go_on.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in told] == [503, 503]
    assert all("Try again in a moment." in answer.text and 'value="Typed"' in answer.text for answer in told)
    assert state(app) is SubmissionState.WAITING
    assert "too slow" in admin.post(path, do="look").text


def test_one_is_put_aside_and_may_be_put_in_later(app: App, admin: AdminBrowser) -> None:
    number = proposed(app)
    assert "Suggestion rejected." in admin.post_and_follow(f"/admin/submissions/{number}", do="reject")
    assert state(app) is SubmissionState.REJECTED
    admin.post_and_follow(f"/admin/submissions/{number}", do="reject")
    assert log(app) == [(ADMIN_EMAIL, "submission reject", "1")]
    assert "Add to today’s edition" in admin.read(f"/admin/submissions/{number}")


@pytest.mark.usefixtures("loopback")
def test_an_approved_paper_stays_approved(app: App, admin: AdminBrowser) -> None:
    with serving(lambda handler: say(handler, 200, PAGE)) as url:
        path = f"/admin/submissions/{proposed(app, public(url))}"
        admin.post_and_follow(path, do="approve")
        for do in ("approve", "reject", "look"):
            assert admin.post(path, do=do).status_code == 422
    text = admin.read(path)
    assert 'href="/paper/doi:10.1000/x"' in text
    assert "Reject" not in text
    assert state(app) is SubmissionState.APPROVED


def test_a_hostile_address_is_text_and_no_link(app: App, admin: AdminBrowser) -> None:
    number = proposed(app, "javascript:alert('<script>')\u202e", "page from <script>")
    for path in ("/admin/submissions", f"/admin/submissions/{number}"):
        text = admin.read(path)
        assert ("<script>" in text, 'href="javascript' in text, "\u202e" in text) == (False, False, False)


def test_one_that_is_not_there_is_told(admin: AdminBrowser) -> None:
    assert admin.get("/admin/submissions/7").status_code == 404
    assert admin.post("/admin/submissions/7", do="reject").status_code == 404


def test_they_are_not_for_editors(app: App, site: TestClient) -> None:
    number = proposed(app)
    assert refuses_an_editor(app, site, "/admin/submissions", f"/admin/submissions/{number}")
    assert state(app) is SubmissionState.WAITING

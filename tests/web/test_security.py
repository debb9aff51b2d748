"""What holds for every page: headers, limits, errors, and where links lead."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import StoreError
from digest.store import Store
from digest.web.security import MAX_BODY
from tests.builders import a_subscriber
from tests.web.subscribers import ONE_CLICK, add_subscriber, confirm_path, state, unsubscribe_path

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
STORED = {"front": "public, max-age=60", "style": "public, max-age=604800"}
KINDS = ["front", "unsubscribe", "one-click", "confirm", "health", "style", "404", "405", "413", "500", "503"]


@dataclass(frozen=True)
class Site:
    """A site, some of whose pages fail."""

    app: App
    client: TestClient
    monkeypatch: pytest.MonkeyPatch

    def ask(self, kind: str) -> Any:
        """The answer of a kind."""
        reader = add_subscriber(self.app)
        link = unsubscribe_path(self.app, reader)
        if kind in {"500", "503"}:
            error: Exception = StoreError("secret.db: locked") if kind == "503" else ValueError("secret")
            self.monkeypatch.setattr(Store, "read", failing(error))
        asks: dict[str, Callable[[], Any]] = {
            "front": lambda: self.client.get("/"),
            "unsubscribe": lambda: self.client.get(link),
            "one-click": lambda: self.client.post(link, data=ONE_CLICK),
            "confirm": lambda: self.client.get(confirm_path(self.app, reader)),
            "health": lambda: self.client.get("/health"),
            "style": lambda: self.client.get("/static/style.css"),
            "404": lambda: self.client.get("/nowhere"),
            "405": lambda: self.client.put(link),
            "413": lambda: self.client.post(link, data={"x": "x" * MAX_BODY}),
            "500": lambda: self.client.get(link),
            "503": lambda: self.client.get(link),
        }
        return asks[kind]()


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.fixture
def pages(app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(app, site, monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_has_the_security_headers(pages: Site, kind: str) -> None:
    answer = pages.ask(kind)
    assert str(answer.status_code) == (kind if kind.isdecimal() else "200")
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Cache-Control"] == STORED.get(kind, "no-store")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"one-click", "health", "style"}])
def test_every_page_is_html_in_utf_8_that_robots_leave_out(pages: Site, kind: str) -> None:
    answer = pages.ask(kind)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!doctype html>\n<html")
    assert " ".join(answer.text.split()).count('name="robots" content="noindex"') == 1
    assert "style=" not in answer.text  # which the policy forbids
    assert "<script" not in answer.text


def test_hsts_is_for_https_alone(open_site: Callable[..., TestClient]) -> None:
    site = open_site('[newsletter]\nbase_url = "http://digest.example.org"\n')
    assert "Strict-Transport-Security" not in site.get("/").headers


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("404", "Page not found"),
        ("405", "That didn’t work"),
        ("413", "Too much data"),
        ("500", "Something went wrong"),
        ("503", "Please try again in a minute."),
    ],
)
def test_a_reader_sees_that_something_is_wrong_and_no_detail(
    pages: Site, capsys: pytest.CaptureFixture[str], kind: str, says: str
) -> None:
    answer = pages.ask(kind)
    assert says in answer.text
    assert not re.search("secret|locked|Error|Traceback|File|sqlite", answer.text)
    assert ("secret" in "".join(capsys.readouterr())) == (kind in {"500", "503"})


@pytest.mark.parametrize("kind", ["500", "503"])
def test_the_log_has_the_reason_and_never_the_token(pages: Site, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    pages.ask(kind)
    said = re.sub(r"\x1b\[[\d;]*m", "", "".join(capsys.readouterr()))
    signature = unsubscribe_path(pages.app, a_subscriber(id=1)).rpartition(".")[2]
    assert "page=/unsubscribe/…" in said
    assert signature not in said


def test_a_locked_database_asks_to_come_again_in_a_minute(pages: Site) -> None:
    assert pages.ask("503").headers["Retry-After"] == "60"


def test_a_wrong_method_is_answered_with_the_allowed_ones(pages: Site) -> None:
    assert set(pages.ask("405").headers["Allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_health_says_ok_and_nothing_else(pages: Site) -> None:
    assert pages.ask("health").text == "ok"


def test_the_front_page_says_what_this_is(pages: Site) -> None:
    assert "Daily Papers looks for new papers" in pages.ask("front").text


@pytest.mark.parametrize("said", [True, False])
def test_a_body_over_the_limit_is_not_read_and_does_nothing(app: App, site: TestClient, said: bool) -> None:
    link = unsubscribe_path(app, add_subscriber(app))
    form = b"List-Unsubscribe=One-Click&x=" + b"x" * MAX_BODY
    pieces = (form[at : at + 1000] for at in range(0, len(form), 1000))
    answer = site.post(
        link, content=form if said else pieces, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413
    assert state(app) == "active"


def test_a_body_at_the_limit_is_read(app: App, site: TestClient) -> None:
    form = b"List-Unsubscribe=One-Click&x="
    form += b"x" * (MAX_BODY - len(form))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = site.post(unsubscribe_path(app, add_subscriber(app)), content=form, headers=headers)
    assert answer.text == "You have unsubscribed from Daily Papers\n"


def test_no_link_or_redirect_comes_from_the_host_that_a_request_names(app: App, site: TestClient) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    link = unsubscribe_path(app, add_subscriber(app))
    for path in ("/", link, f"{link}/", "/static", "/static/", "/health/", "//evil.example/", "/nowhere"):
        answer = site.get(path, headers=evil)
        assert answer.status_code in {200, 404}
        assert "Location" not in answer.headers
        assert "evil" not in answer.text


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"])
def test_nothing_but_our_static_files_is_served(site: TestClient, path: str) -> None:
    assert site.get(path).status_code == 404


def test_the_style_sheet_is_named_by_what_it_holds_and_kept_by_browsers(site: TestClient) -> None:
    found = re.search(r'href="(/static/style\.css\?[0-9a-f]{12})"', site.get("/").text)
    assert found is not None
    first = site.get(found[1])
    assert first.headers["Content-Type"] == "text/css; charset=utf-8"
    assert site.get(found[1], headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_a_name_of_the_newsletter_is_text_on_every_page(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[newsletter]\nname = 'A <script>alert(1)</script> & B'\n")
    for path in ("/", "/nowhere"):
        assert "A &lt;script&gt;alert(1)&lt;/script&gt; &amp; B" in site.get(path).text


OURS = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},  # as browsers send our forms, under our Referrer-Policy
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://another-name.example.org"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "null"},
    {"Origin": "https://digest.example.org"},
    {"Origin": "HTTPS://Digest.Example.org:443"},
    {"Origin": "https://digest.example.org", "Host": "backend:8000"},  # behind a proxy
    {"Origin": "http://localhost:8000", "Host": "localhost:8000"},  # through a tunnel
]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://digest.example.org"},
    {"Sec-Fetch-Site": "x"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://digest.example.org.evil.example"},
    {"Origin": "https://evil.digest.example.org"},
    {"Origin": "https://digest.example.org:8443"},
    {"Origin": "digest.example.org"},
    {"Origin": "https://["},
    {"Origin": ""},
    {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"},
    [("Origin", "https://digest.example.org"), ("Origin", "https://evil.example")],
]


def posted_pages(site: TestClient) -> list[str]:
    """The paths of all pages that take a POST, with their variables filled in, but for unsubscribing."""
    found = [route for route in cast(Starlette, site.app).routes if isinstance(route, Route)]
    paths = [re.sub(r"\{\w+\}", "1", route.path) for route in found if "POST" in (route.methods or ())]
    return [path for path in paths if not path.startswith("/unsubscribe/")]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_form_of_another_site_is_refused_by_every_page(site: TestClient, headers: Any) -> None:
    pages = posted_pages(site)
    assert len(pages) > 40
    for path in pages:
        assert site.post(path, data={"email": "x", "rules": "x"}, headers=headers).status_code == 403, path


@pytest.mark.parametrize("headers", OURS, ids=str)
def test_a_form_of_ours_is_accepted_and_so_is_that_of_an_old_browser(site: TestClient, headers: Any) -> None:
    for path in ("/subscribe", "/sign-in", "/preview", "/admin/sign-in"):
        assert site.post(path, data={"email": "x", "rules": "x"}, headers=headers).status_code in {200, 422}, path


@pytest.mark.parametrize("headers", [*FOREIGN, *OURS], ids=str)
def test_a_mail_program_may_unsubscribe_from_its_own_site(app: App, site: TestClient, headers: Any) -> None:
    site.post(unsubscribe_path(app, add_subscriber(app)), data=ONE_CLICK, headers=headers)
    assert state(app) == "unsubscribed"

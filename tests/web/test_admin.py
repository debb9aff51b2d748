"""Signing in to the admin pages, the role of editors, the page of today, and holding all sending."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import StageError
from digest.models import Admin, MailKind, Role
from digest.security import passwords
from digest.security.links import Scope
from digest.store import admins, audit, outbox, sources
from digest.store.sources import SourceState
from tests.builders import NOW
from tests.web.admin_site import session
from tests.web.conftest import Opened, browser
from tests.web.html import faults_of
from tests.web.papers import publish_papers, share_profile
from tests.web.subscribers import add_subscriber

ADMIN_EMAIL, PASSWORD = "desk@example.org", "four words make one"
COOKIE = "__Host-digest-desk"


@pytest.fixture(scope="module")
def hashed() -> str:
    """It takes a while on purpose."""
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def admin(app: App, hashed: str) -> Admin:
    with app.store.write() as tx:
        return admins.add(tx, Admin(email=ADMIN_EMAIL, role=Role.ADMIN, password=hashed), now=NOW)


def enter(site: TestClient, email: str = ADMIN_EMAIL, password: str = PASSWORD, cookie: str = "") -> Any:
    return site.post("/admin/sign-in", data={"email": email, "password": password}, headers={"Cookie": cookie})


def signed_in(site: TestClient, email: str = ADMIN_EMAIL) -> str:
    """The cookie, as the browser sends it."""
    answer = enter(site, email)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin")
    return str(answer.headers["Set-Cookie"].partition(";")[0])


def page(site: TestClient, cookie: str) -> Any:
    return site.get("/admin", headers={"Cookie": cookie})


def press(site: TestClient, cookie: str, where: str, **fields: str) -> Any:
    csrf = re.search(r'name="csrf" value="(\w+)"', page(site, cookie).text)
    assert csrf is not None
    return site.post(where, data={"csrf": csrf[1]} | fields, headers={"Cookie": cookie})


def held(app: App) -> str:
    with app.store.read() as tx:
        hold = outbox.find_hold(tx)
    return hold.reason if hold is not None else ""


def log(app: App) -> list[tuple[str, str]]:
    with app.store.read() as tx:
        return [(change.who, change.what) for change in reversed(audit.list_changes(tx, limit=10))]


def test_visitors_are_asked_to_sign_in(site: TestClient) -> None:
    answer = site.get("/admin")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/sign-in")
    form = site.get("/admin/sign-in").text
    assert 'type="password"' in form
    assert faults_of(form) == []


def test_without_admins_the_form_says_how_to_add_one(site: TestClient) -> None:
    assert "digest admin add" in site.get("/admin/sign-in").text


def test_with_an_admin_the_form_shows_no_command(site: TestClient, admin: Admin) -> None:
    assert "digest admin add" not in site.get("/admin/sign-in").text


def test_a_new_installation_shows_the_first_step(app: App, site: TestClient, admin: Admin) -> None:
    cookie = signed_in(site)
    assert "Start with a profile" in page(site, cookie).text
    share_profile(app, "Animals", "dogs")
    assert "Readers can subscribe themselves, or you can add them" in page(site, cookie).text
    add_subscriber(app, "reader@example.org")
    assert "Everything is working." in page(site, cookie).text


def test_no_other_host_can_set_the_cookies(site: TestClient, admin: Admin) -> None:
    said = enter(site).headers.get_list("Set-Cookie")
    assert [cookie.partition("=")[0] for cookie in said] == [COOKIE, f"{COOKIE}-known"]
    for cookie, seconds in zip(said, (12 * 3600, 180 * 86400), strict=True):
        assert cookie.endswith(f"; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize(("base_url", "path"), [("http://x.example", ""), ("https://x.example/digest", "/digest")])
def test_a_cookie_without_that_protection_is_sent_to_admin_pages_only(
    open_site: Any, tmp_path: Path, hashed: str, base_url: str, path: str
) -> None:
    site = open_site(f'[newsletter]\nbase_url = "{base_url}"\n')
    with App.open(tmp_path / "config.toml") as app, app.store.write() as tx:
        admins.add(tx, Admin(email=ADMIN_EMAIL, role=Role.ADMIN, password=hashed), now=NOW)
    assert f"; Path={path}/admin; HttpOnly; SameSite=Strict" in enter(site).headers["Set-Cookie"]


def test_of_two_admins_sessions_in_one_request_neither_wins(app: App, site: TestClient, admin: Admin) -> None:
    own, tossed = f"{COOKIE}={session(app, email=ADMIN_EMAIL)}", f"{COOKIE}={session(app, email='x@example.org')}"
    for cookie, status in ((own, 200), (f"{own}; {tossed}", 303), (f"{tossed}; {own}", 303), (f"{own}; {own}x", 200)):
        assert page(site, cookie).status_code == status


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (ADMIN_EMAIL, "four words make two"),
        (ADMIN_EMAIL, ""),
        ("nobody@example.org", PASSWORD),
        ("", ""),
        (ADMIN_EMAIL, "\ud800"),
    ],
)
def test_a_wrong_password_and_a_wrong_address_are_answered_alike(
    site: TestClient, admin: Admin, email: str, password: str
) -> None:
    answer = enter(site, email, password.encode("utf-8", "replace").decode())
    assert answer.status_code == 422
    assert "Wrong address or password." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert password not in answer.text or password == ""


def test_tries_are_limited_by_network_address(app: App, site: TestClient, admin: Admin) -> None:
    for _ in range(10):
        enter(site, "nobody@example.org")
    answer = enter(site)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert enter(browser(app, client="198.51.100.9")).status_code == 303


def attack(site: TestClient, now: datetime = NOW) -> None:
    """Try to sign in two hundred times from twenty networks."""
    services = cast(Starlette, site.app).state.services
    for number in range(200):
        with suppress(HTTPException):
            services.limits.admin_sign_in.check(f"203.0.113.{number % 20}", now=now)
    elsewhere = TestClient(cast(Starlette, site.app), client=("198.51.100.77", 1), follow_redirects=False)
    assert enter(elsewhere).status_code == 429


def test_an_admin_gets_in_during_an_attack_by_the_browser_that_they_used_before(
    app: App, site: TestClient, admin: Admin
) -> None:
    known = enter(site).headers.get_list("Set-Cookie")[1].partition(";")[0]
    attack(site)
    moved = TestClient(cast(Starlette, site.app), client=("198.51.100.77", 1), follow_redirects=False)
    readers = app.links.token(Scope.KNOWN_BROWSER, admin.id, 0, written_at=NOW)
    for forged in ("x", known.partition("=")[2] + "x", readers):
        assert enter(moved, cookie=f"{COOKIE}-known={forged}").status_code == 429
    assert enter(moved, cookie=f"{COOKIE}-known=x; {known}").status_code == 303


def test_an_admin_gets_in_during_an_attack_from_the_network_that_they_used_before(
    app: App, site: TestClient, admin: Admin
) -> None:
    enter(site)
    attack(site)
    assert enter(site).status_code == 303
    restarted = browser(app)
    attack(restarted)
    assert enter(restarted).status_code == 303
    later = browser(app, now=NOW + timedelta(days=91))
    attack(later, NOW + timedelta(days=91))
    assert enter(later).status_code == 429


def test_each_sign_in_is_another_session_and_ends_the_one_before(site: TestClient, admin: Admin) -> None:
    first = signed_in(site)
    second = enter(site, cookie=first).headers["Set-Cookie"].partition(";")[0]
    assert first != second
    assert page(site, first).status_code == 303
    assert page(site, second).status_code == 200


def test_a_session_is_stored_as_a_hash_only(app: App, site: TestClient, admin: Admin) -> None:
    token = signed_in(site).partition("=")[2]
    app.store.erase_deleted_rows()
    assert token.encode() not in app.store.file.read_bytes()


def test_signing_out_ends_it_on_the_server(site: TestClient, admin: Admin) -> None:
    cookie = signed_in(site)
    answer = press(site, cookie, "/admin/sign-out")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert page(site, cookie).status_code == 303


def test_it_is_over_after_twelve_hours(app: App, site: TestClient, admin: Admin) -> None:
    cookie = signed_in(site)
    assert page(browser(app, now=NOW + timedelta(hours=11)), cookie).status_code == 200
    assert page(browser(app, now=NOW + timedelta(hours=13)), cookie).status_code == 303


def test_another_password_ends_it(app: App, site: TestClient, admin: Admin) -> None:
    cookie = signed_in(site)
    with app.store.write() as tx:
        admins.save(tx, replace(admin, password=passwords.hash_password("another four words")))
    assert page(site, cookie).status_code == 303


def test_an_editor_is_refused_what_is_an_admins(app: App, site: TestClient, admin: Admin) -> None:
    with app.store.write() as tx:
        admins.save(tx, replace(admin, role=Role.EDITOR))
    cookie = signed_in(site)
    begins = page(site, cookie)
    assert (begins.status_code, begins.headers["Location"]) == (303, "/admin/profiles")
    text = site.get("/admin/profiles", headers={"Cookie": cookie}).text
    assert ("/admin/log" in text, faults_of(text)) == (False, [])
    refused = site.get("/admin/log", headers={"Cookie": cookie})
    assert refused.status_code == 403
    assert "Only admins can do this" in refused.text
    assert '<a href="/admin">' in refused.text
    for where in ("/admin/hold", "/admin/release"):
        assert site.post(where, headers={"Cookie": cookie}).status_code == 403
    assert held(app) == ""


def test_nothing_is_done_without_the_sessions_own_token(app: App, site: TestClient, admin: Admin) -> None:
    first, second = signed_in(site), signed_in(browser(app))
    for csrf in ("", "0" * 32, "é"):
        assert site.post("/admin/hold", data={"csrf": csrf}, headers={"Cookie": first}).status_code == 403
    token = re.search(r'name="csrf" value="(\w+)"', page(site, second).text)
    assert token is not None
    assert site.post("/admin/hold", data={"csrf": token[1]}, headers={"Cookie": first}).status_code == 403
    assert held(app) == ""


def test_sending_is_held_and_released_with_a_line_in_the_log(app: App, site: TestClient, admin: Admin) -> None:
    cookie = signed_in(site)
    assert "Everything is working." in page(site, cookie).text
    press(site, cookie, "/admin/hold", reason="the list\r\nis wrong <b>")
    assert held(app) == "the list is wrong <b>"
    text = page(site, cookie).text
    assert "Sending is on hold" in text
    assert "the list is wrong &lt;b&gt;" in text
    assert faults_of(text) == []
    press(site, cookie, "/admin/release")
    assert held(app) == ""
    text = site.get("/admin/log", headers={"Cookie": cookie}).text
    assert "outbox hold: <bdi>the list is wrong &lt;b&gt;</bdi>" in text
    assert faults_of(text) == []
    assert log(app) == [(ADMIN_EMAIL, "sign in"), (ADMIN_EMAIL, "outbox hold"), (ADMIN_EMAIL, "outbox release")]


def test_it_says_how_many_and_what_is_wrong(app: App, site: TestClient, admin: Admin) -> None:
    publish_papers(app, on="2026-06-03")
    failed = SourceState(name="arxiv", url="https://example.org", checked_at=NOW, failure="HTTP 500 <x>")
    with app.store.write() as tx:
        sources.save(tx, failed)
    text = page(site, signed_in(site)).text
    assert "No source could be read" in text
    assert 'href="/admin/sources"' in text
    assert 'href="/admin/next"' in text


def test_a_stage_that_fails_or_does_not_run_is_shown_with_its_error(
    app: App, site: TestClient, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by <zero>")

    cookie = signed_in(site)
    for stage in (app.ingest, app.publish, app.deliver):
        stage(now=NOW)
    assert "Everything is working" in page(site, cookie).text
    with monkeypatch.context() as fault:
        fault.setattr("digest.app.publish", broken)
        with pytest.raises(StageError):
            app.publish(now=NOW)
    text = page(site, cookie).text
    assert faults_of(text) == []
    assert "A part of the daily work fails" in text
    assert "2026-06-03 07:00: <bdi>ZeroDivisionError: by &lt;zero&gt;</bdi>" in text
    app.publish(now=NOW)
    assert "Everything is working" in page(site, cookie).text
    for stage in (app.ingest, app.publish, app.deliver):
        stage(now=NOW - timedelta(minutes=200))
    text = page(site, cookie).text
    assert "has not run for a long time" in text
    assert text.count("does not run") == 3


@pytest.mark.parametrize("state", ["failed", "in-doubt"])
def test_a_problem_links_to_the_mails_concerned(app: App, site: TestClient, admin: Admin, state: str) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        outbox.queue_mail(tx, MailKind.SIGN_IN, reader, message_id="x@example.org", now=NOW)
        tx.exec_driver_sql("UPDATE deliveries SET state = ?", (state,))
    cookie = signed_in(site)
    assert f'href="/admin/deliveries?state={state}"' in page(site, cookie).text
    listed = site.get(f"/admin/deliveries?state={state}", headers={"Cookie": cookie}).text
    assert "reader@example.org" in listed


def test_under_a_path_the_cookie_is_sent_to_its_admin_pages_only(open_site: Opened) -> None:
    site = open_site('[newsletter]\nbase_url = "http://example.org/digest"\n')
    answer = site.get("/digest/admin")
    assert answer.headers["Location"] == "/digest/admin/sign-in"

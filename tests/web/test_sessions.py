"""Signing in by a link, the session that it begins, and what a session's forms have to bring."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Subscriber
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.web.sessions import Session, Sessions
from tests.builders import NOW
from tests.web.conftest import browser
from tests.web.subscribers import add_subscriber, changed, path, queued, removed, state

COOKIE = "__Secure-digest"
ENDED = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure"


def sessions(app: App) -> Sessions:
    return Sessions(links=app.links, path="", https=True)


def link(app: App, reader: Subscriber) -> str:
    return path(app, Scope.SIGN_IN, reader)


def token(set_cookie: str) -> str:
    return set_cookie.partition(";")[0].partition("=")[2]


def begun(app: App, reader: Subscriber) -> str:
    return token(sessions(app).begin(reader, now=NOW))


def session_of(app: App, cookie: str) -> Session:
    found = sessions(app).find(cookie, now=NOW)
    assert found is not None
    return found


def sign_out(site: TestClient, cookie: str, csrf: str | None) -> tuple[int, str | None]:
    """The status, and the cookie that is set: a page of who is signed in."""
    form = {} if csrf is None else {"csrf": csrf}
    answer = site.post("/sign-out", data=form, headers={"Cookie": f"{COOKIE}={cookie}"})
    return answer.status_code, answer.headers.get("Set-Cookie")


def test_the_link_asks_with_a_button_and_begins_nothing_by_itself(app: App, site: TestClient) -> None:
    there = link(app, add_subscriber(app))
    for method in ("GET", "HEAD"):
        page = site.request(method, there)
        assert (page.status_code, page.headers.get("Set-Cookie")) == (200, None)
    page = site.get(there)
    assert '<form method="post">\n<button>Sign in</button>' in page.text
    assert "r•••@example.org" in page.text
    assert "reader@example.org" not in page.text


def test_the_button_begins_a_session_and_leads_to_their_pages(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    answer = site.post(link(app, reader))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")
    session = session_of(app, token(answer.headers["Set-Cookie"]))
    assert (session.subscriber_id, session.epoch) == (reader.id, reader.epoch)


def test_a_target_that_is_posted_leads_nowhere_else(app: App, site: TestClient) -> None:
    evil = "https://evil.example/"
    there = link(app, add_subscriber(app))
    fields = dict.fromkeys(("next", "url", "redirect", "return_to", "path"), evil)
    answer = site.post(there, params=fields, data=fields, headers={"Host": "evil.example", "Referer": evil})
    assert answer.headers["Location"] == "/settings"
    for way in ("/sign-in", "/subscribe"):
        posted = site.post(way, data=fields | {"email": "reader@example.org", "rules": "cats"})
        assert (posted.status_code, "evil" in posted.text, "Location" in posted.headers) == (200, False, False)


def test_the_link_works_until_it_expires(app: App) -> None:
    there = link(app, add_subscriber(app))
    before = browser(app, now=NOW + timedelta(minutes=59))
    assert [before.post(there).status_code for _ in range(2)] == [303, 303]
    after = browser(app, now=NOW + timedelta(hours=1))
    for page in (after.get(there), after.post(there)):
        assert page.status_code == 410
        assert 'href="/sign-in"' in page.text
        assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_link_is_over_when_its_readers_links_are_revoked(app: App, site: TestClient, method: str) -> None:
    reader = add_subscriber(app)
    there = link(app, reader)
    changed(app, reader, epoch=reader.epoch + 1)
    assert site.request(method, there).status_code == 410
    removed(app, reader)
    assert site.request(method, there).status_code == 410


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.SIGN_IN])
def test_no_link_of_another_scope_signs_in(app: App, site: TestClient, scope: Scope) -> None:
    other = path(app, scope, add_subscriber(app)).rpartition("/")[2]
    for answer in (site.get(f"/sign-in/{other}"), site.post(f"/sign-in/{other}")):
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (404, None)


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
def test_the_link_opens_nothing_else(app: App, site: TestClient, page: str) -> None:
    reader = add_subscriber(app)
    there = link(app, reader).replace("/sign-in/", f"/{page}/")
    assert [site.get(there).status_code, site.post(there).status_code] == [404, 404]
    assert (state(app), queued(app)) == ("active", [])


def test_the_link_in_the_mail_is_no_cookie(app: App, site: TestClient) -> None:
    signing_in = link(app, add_subscriber(app)).rpartition("/")[2]
    assert sessions(app).find(signing_in, now=NOW) is None


@pytest.mark.parametrize(
    ("base_url", "attributes"),
    [
        ("https://example.org", "Max-Age=43200; Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https://example.org/digest", "Max-Age=43200; Path=/digest/; HttpOnly; SameSite=Lax; Secure"),
        ("http://example.org", "Max-Age=43200; Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookie_is_for_these_pages_alone_and_for_no_script(
    open_site: Callable[..., TestClient], tmp_path: object, base_url: str, attributes: str
) -> None:
    site = open_site(f'[newsletter]\nbase_url = "{base_url}"\n')
    with App.open(tmp_path / "config.toml") as app:  # type: ignore[operator]
        answer = site.post(path(app, Scope.SIGN_IN, add_subscriber(app)))
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == (COOKIE if base_url.startswith("https") else "digest")
    assert rest.partition("; ")[2] == attributes
    assert (
        answer.headers["Location"]
        == base_url.removeprefix("https://example.org").removeprefix("http://example.org") + "/settings"
    )


def test_a_session_lasts_twelve_hours(app: App) -> None:
    cookie = begun(app, add_subscriber(app))
    assert sessions(app).find(cookie, now=NOW + TOKEN_LIFETIMES[Scope.SESSION] - timedelta(seconds=1)) is not None
    assert sessions(app).find(cookie, now=NOW + timedelta(hours=12)) is None


def test_two_sessions_of_one_reader_differ(app: App) -> None:
    reader = add_subscriber(app)
    one, other = begun(app, reader), begun(app, reader)
    assert one != other
    assert session_of(app, one).csrf != session_of(app, other).csrf


def test_a_cookie_that_was_changed_is_no_session(app: App, site: TestClient) -> None:
    one, other = add_subscriber(app), add_subscriber(app, "other@example.org")
    cookie = begun(app, one)
    csrf = session_of(app, cookie).csrf
    told, mac = cookie.rsplit(".", 1)
    forged = [
        "",
        "x",
        f"{other.id}{cookie[1:]}",
        f"{told}.{mac[::-1]}",
        f"{told.partition('~')[0]}~ffffffff.{mac}",
        path(app, Scope.PREFERENCES, one).rpartition("/")[2],
    ]
    for tampered in forged:
        assert sessions(app).find(tampered, now=NOW) is None
        assert sign_out(site, tampered, csrf) == (303, None)


def test_a_page_for_subscribers_asks_others_to_sign_in(app: App, site: TestClient) -> None:
    answer = site.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_a_session_ends_when_its_readers_links_are_revoked(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    cookie = begun(app, reader)
    changed(app, reader, epoch=reader.epoch + 1)
    assert sign_out(site, cookie, session_of(app, cookie).csrf) == (303, ENDED)
    removed(app, reader)
    assert sign_out(site, cookie, session_of(app, cookie).csrf) == (303, ENDED)


def test_a_form_without_its_sessions_token_does_nothing(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    older, cookie = begun(app, reader), begun(app, reader)
    strangers = begun(app, add_subscriber(app, "other@example.org"))
    wrong = [None, "", "x", "é", cookie, session_of(app, older).csrf, session_of(app, strangers).csrf]
    for csrf in wrong:
        assert sign_out(site, cookie, csrf) == (403, None)
    assert sign_out(site, cookie, session_of(app, cookie).csrf) == (303, ENDED)


def test_the_token_of_a_form_is_compared_in_constant_time(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[object, object]] = []

    def compare(one: object, other: object) -> bool:
        compared.append((one, other))
        return one == other

    cookie = begun(app, add_subscriber(app))
    csrf = session_of(app, cookie).csrf
    monkeypatch.setattr("hmac.compare_digest", compare)
    assert sign_out(site, cookie, csrf) == (303, ENDED)
    assert (csrf.encode(), csrf.encode()) in compared


def test_signing_out_needs_more_than_a_look(app: App, site: TestClient) -> None:
    cookie = begun(app, add_subscriber(app))
    answer = site.get("/sign-out", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (405, None)

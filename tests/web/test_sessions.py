"""Signing in by a link, the session that it begins, and what a session's forms have to bring."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Subscriber, SubscriberState
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import subscribers
from digest.web.sessions import Session, Sessions
from tests.builders import NOW
from tests.web.conftest import browser
from tests.web.html import faults_of
from tests.web.subscribers import add_subscriber, changed, path, queued, removed, state
from tests.web.test_admin_security import everything

COOKIE = "__Host-digest"
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
    ("base_url", "prefix", "attributes"),
    [
        ("https://example.org", "__Host-", "Path=/; HttpOnly; SameSite=Lax; Secure"),
        ("https://example.org/digest", "__Secure-", "Path=/digest/; HttpOnly; SameSite=Lax; Secure"),
        ("http://example.org", "", "Path=/; HttpOnly; SameSite=Lax"),
    ],
)
def test_the_cookies_are_for_these_pages_alone_and_for_no_script(
    open_site: Callable[..., TestClient], tmp_path: object, base_url: str, prefix: str, attributes: str
) -> None:
    site = open_site(f'[newsletter]\nbase_url = "{base_url}"\n')
    with App.open(tmp_path / "config.toml") as app:  # type: ignore[operator]
        answer = site.post(path(app, Scope.SIGN_IN, add_subscriber(app)))
    said = [cookie.partition("=") for cookie in answer.headers.get_list("Set-Cookie")]
    assert [name for name, _, _ in said] == [f"{prefix}digest", f"{prefix}digest-known"]
    assert [rest.partition("; ")[2] for _, _, rest in said] == [
        f"Max-Age={seconds}; {attributes}" for seconds in (12 * 3600, 180 * 86400)
    ]
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


def page(site: TestClient, *cookies: str) -> int:
    """The status of the settings page."""
    return site.get("/settings", headers={"Cookie": "; ".join(f"{COOKIE}={cookie}" for cookie in cookies)}).status_code


def test_signing_out_ends_the_session_on_the_server(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    stolen, elsewhere = begun(app, reader), begun(app, reader)
    assert [page(site, cookie) for cookie in (stolen, elsewhere)] == [200, 200]
    assert sign_out(site, stolen, session_of(app, stolen).csrf) == (303, ENDED)
    assert [page(site, cookie) for cookie in (stolen, elsewhere)] == [303, 200]
    assert page(browser(app), stolen) == 303  # after a restart


def test_signing_out_ends_the_cookies_that_the_links_of_mails_renewed(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    stolen = token(sessions(app).begin(reader, now=NOW - timedelta(hours=1)))
    for scope, method in ((Scope.PREFERENCES, "GET"), (Scope.SIGN_IN, "POST")):
        answer = site.request(method, path(app, scope, reader), headers={"Cookie": f"{COOKIE}={stolen}"})
        assert answer.status_code == 303
        renewed = token(answer.headers["Set-Cookie"])
        assert renewed != stolen
        assert session_of(app, renewed).csrf == session_of(app, stolen).csrf  # forms in other tabs can still be sent
    sign_out(site, renewed, session_of(app, renewed).csrf)
    assert [page(site, cookie) for cookie in (stolen, renewed)] == [303, 303]


def test_ended_sessions_are_forgotten_once_their_cookies_have_expired(app: App) -> None:
    reader = add_subscriber(app)
    for hours in range(0, 60, 6):
        cookie = token(sessions(app).begin(reader, now=NOW + timedelta(hours=hours)))
        found = sessions(app).find(cookie, now=NOW)
        assert found is not None
        with app.store.write() as tx:
            sessions(app).end(tx, found, now=NOW + timedelta(hours=hours))
            sessions(app).end(tx, found, now=NOW + timedelta(hours=hours))  # in two tabs
    with app.store.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM ended_sessions").scalar_one() == 2


def test_of_two_sessions_in_one_request_neither_wins(app: App, site: TestClient) -> None:
    """Another host of the domain can set a cookie for all of it, where its name does not begin with __Host-."""
    own, tossed = begun(app, add_subscriber(app)), begun(app, add_subscriber(app, "evil@example.org"))
    assert [page(site, own, tossed), page(site, tossed, own)] == [303, 303]
    assert [page(site, own, "x"), page(site, "x", own), page(site, "", own), page(site, own, own)] == [200] * 4
    assert page(site, own, *map(str, range(20))) == 303
    headers = [("Cookie", f"{COOKIE}={cookie}") for cookie in (own, tossed)]
    assert site.get("/settings", headers=headers).status_code == 303


def test_a_form_in_a_session_beside_a_broken_cookie_is_accepted(app: App, site: TestClient) -> None:
    own = begun(app, add_subscriber(app))
    assert sign_out(site, f"x; {COOKIE}={own}", session_of(app, own).csrf) == (303, ENDED)
    assert page(site, own) == 303


INSTEAD = "You’re signed in as \u2068victim@example.org\u2069 in this browser. If you continue, you’ll be signed in as"


def instead(app: App, scope: Scope) -> str:
    """A link that signs in another reader."""
    other = add_subscriber(app, "other@example.org")
    if scope is Scope.CONFIRM:
        changed(app, other, state=SubscriberState.PENDING)
    if scope is Scope.ADDRESS:
        other = changed(app, other, new_email="new@example.org")
        about = app.links.text_hash("new@example.org")
        return f"/address/{app.links.token(scope, other.id, other.epoch, about=about, written_at=NOW)}"
    return path(app, scope, other)


@pytest.mark.parametrize("scope", [Scope.SIGN_IN, Scope.PREFERENCES, Scope.CONFIRM, Scope.ADDRESS])
def test_a_link_signs_in_over_another_readers_session_only_once_its_page_has_asked(
    app: App, site: TestClient, scope: Scope
) -> None:
    victim = begun(app, add_subscriber(app, "victim@example.org"))
    there, cookie = instead(app, scope), {"Cookie": f"{COOKIE}={victim}"}
    asked = site.get(there, headers=cookie)
    assert (asked.status_code, asked.headers.get("Set-Cookie"), INSTEAD in asked.text) == (200, None, True)
    assert faults_of(asked.text) == []
    assert re.search(r'<a href="/settings">Stay signed in as \S*victim@example\.org', asked.text)
    before = everything(app)
    for csrf in ("", "x"):  # a form that another site or the attacker's own browser has made
        again = site.post(there, data={"csrf": csrf}, headers=cookie)
        assert (again.status_code, again.headers.get("Set-Cookie"), INSTEAD in again.text) == (409, None, True)
    assert everything(app) == before
    said = re.search(r'name="csrf" value="(\w+)"', asked.text)
    assert said is not None
    done = site.post(there, data={"csrf": said[1]}, headers=cookie)
    assert done.status_code in {200, 303}
    assert page(site, token(done.headers["Set-Cookie"])) == 200
    assert page(site, victim) == 303  # it ended: it is in no browser any more


def test_a_session_that_another_host_set_beside_the_readers_keeps_no_link_from_asking(
    app: App, site: TestClient
) -> None:
    victim = begun(app, add_subscriber(app, "victim@example.org"))
    link = instead(app, Scope.PREFERENCES)
    with app.store.read() as tx:
        attacker = begun(app, subscribers.get(tx, "other@example.org"))
    for cookies in ((victim, attacker), (attacker, victim)):
        answer = site.get(link, headers={"Cookie": "; ".join(f"{COOKIE}={cookie}" for cookie in cookies)})
        assert (answer.status_code, INSTEAD in answer.text, "Set-Cookie" in answer.headers) == (200, True, False)


@pytest.mark.parametrize("scope", [Scope.SIGN_IN, Scope.PREFERENCES, Scope.CONFIRM, Scope.ADDRESS])
def test_a_link_asks_nothing_more_where_no_one_else_is_signed_in(app: App, site: TestClient, scope: Scope) -> None:
    ended = begun(app, add_subscriber(app, "victim@example.org"))
    sign_out(site, ended, session_of(app, ended).csrf)
    there = instead(app, scope)
    for cookie in ("", "x", ended):
        answer = site.get(there, headers={"Cookie": f"{COOKIE}={cookie}"})
        assert INSTEAD not in answer.text
    answer = site.request(
        "GET" if scope is Scope.PREFERENCES else "POST", there, headers={"Cookie": f"{COOKIE}={ended}"}
    )
    assert page(site, token(answer.headers["Set-Cookie"])) == 200

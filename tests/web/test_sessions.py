"""Signing in by a link, the session that it begins, and what a session's forms have to bring."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.installation import Installation
from digest.links import LASTS, Scope
from digest.models import Subscriber
from digest.web.sessions import Session, Sessions
from tests.builders import NOW
from tests.web.conftest import browser
from tests.web.people import changed, enrolled, path, queued, removed, state

COOKIE = "__Secure-digest"
ENDED = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure"


def sessions(here: Installation) -> Sessions:
    return Sessions(links=here.links, path="", https=True)


def link(here: Installation, reader: Subscriber) -> str:
    return path(here, Scope.SIGN_IN, reader)


def token(set_cookie: str) -> str:
    return set_cookie.partition(";")[0].partition("=")[2]


def begun(here: Installation, reader: Subscriber) -> str:
    return token(sessions(here).begin(reader, now=NOW))


def session_of(here: Installation, cookie: str) -> Session:
    found = sessions(here).find(cookie, now=NOW)
    assert found is not None
    return found


def sign_out(site: TestClient, cookie: str, csrf: str | None) -> tuple[int, str | None]:
    """The status, and the cookie that is set: a page of who is signed in."""
    form = {} if csrf is None else {"csrf": csrf}
    answer = site.post("/sign-out", data=form, headers={"Cookie": f"{COOKIE}={cookie}"})
    return answer.status_code, answer.headers.get("Set-Cookie")


def test_the_link_asks_with_a_button_and_begins_nothing_by_itself(here: Installation, site: TestClient) -> None:
    there = link(here, enrolled(here))
    for method in ("GET", "HEAD"):
        page = site.request(method, there)
        assert (page.status_code, page.headers.get("Set-Cookie")) == (200, None)
    page = site.get(there)
    assert '<form method="post">\n<button>Sign in</button>' in page.text
    assert "r•••@example.org" in page.text
    assert "reader@example.org" not in page.text


def test_the_button_begins_a_session_and_leads_to_their_pages(here: Installation, site: TestClient) -> None:
    reader = enrolled(here)
    answer = site.post(link(here, reader))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")
    session = session_of(here, token(answer.headers["Set-Cookie"]))
    assert (session.subscriber_id, session.epoch) == (reader.id, reader.epoch)


def test_a_target_that_is_posted_leads_nowhere_else(here: Installation, site: TestClient) -> None:
    evil = "https://evil.example/"
    there = link(here, enrolled(here))
    fields = dict.fromkeys(("next", "url", "redirect", "return_to", "path"), evil)
    answer = site.post(there, params=fields, data=fields, headers={"Host": "evil.example", "Referer": evil})
    assert answer.headers["Location"] == "/settings"
    for way in ("/sign-in", "/subscribe"):
        posted = site.post(way, data=fields | {"email": "reader@example.org", "rules": "cats"})
        assert (posted.status_code, "evil" in posted.text, "Location" in posted.headers) == (200, False, False)


def test_the_link_works_until_it_expires(here: Installation) -> None:
    there = link(here, enrolled(here))
    before = browser(here, now=NOW + timedelta(minutes=59))
    assert [before.post(there).status_code for _ in range(2)] == [303, 303]
    after = browser(here, now=NOW + timedelta(hours=1))
    for page in (after.get(there), after.post(there)):
        assert page.status_code == 410
        assert 'href="/sign-in"' in page.text
        assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_link_is_over_when_its_readers_links_are_revoked(here: Installation, site: TestClient, method: str) -> None:
    reader = enrolled(here)
    there = link(here, reader)
    changed(here, reader, epoch=reader.epoch + 1)
    assert site.request(method, there).status_code == 410
    removed(here, reader)
    assert site.request(method, there).status_code == 410


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.SIGN_IN])
def test_no_link_of_another_scope_signs_in(here: Installation, site: TestClient, scope: Scope) -> None:
    other = path(here, scope, enrolled(here)).rpartition("/")[2]
    for answer in (site.get(f"/sign-in/{other}"), site.post(f"/sign-in/{other}")):
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (404, None)


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
def test_the_link_opens_nothing_else(here: Installation, site: TestClient, page: str) -> None:
    reader = enrolled(here)
    there = link(here, reader).replace("/sign-in/", f"/{page}/")
    assert [site.get(there).status_code, site.post(there).status_code] == [404, 404]
    assert (state(here), queued(here)) == ("active", [])


def test_the_link_in_the_mail_is_no_cookie(here: Installation, site: TestClient) -> None:
    signing_in = link(here, enrolled(here)).rpartition("/")[2]
    assert sessions(here).find(signing_in, now=NOW) is None


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
    with Installation.open(tmp_path / "config.toml") as here:  # type: ignore[operator]
        answer = site.post(path(here, Scope.SIGN_IN, enrolled(here)))
    name, _, rest = answer.headers["Set-Cookie"].partition("=")
    assert name == (COOKIE if base_url.startswith("https") else "digest")
    assert rest.partition("; ")[2] == attributes
    assert (
        answer.headers["Location"]
        == base_url.removeprefix("https://example.org").removeprefix("http://example.org") + "/settings"
    )


def test_a_session_lasts_twelve_hours(here: Installation) -> None:
    cookie = begun(here, enrolled(here))
    assert sessions(here).find(cookie, now=NOW + LASTS[Scope.SESSION] - timedelta(seconds=1)) is not None
    assert sessions(here).find(cookie, now=NOW + timedelta(hours=12)) is None


def test_two_sessions_of_one_reader_differ(here: Installation) -> None:
    reader = enrolled(here)
    one, other = begun(here, reader), begun(here, reader)
    assert one != other
    assert session_of(here, one).csrf != session_of(here, other).csrf


def test_a_cookie_that_was_changed_is_no_session(here: Installation, site: TestClient) -> None:
    one, other = enrolled(here), enrolled(here, "other@example.org")
    cookie = begun(here, one)
    csrf = session_of(here, cookie).csrf
    told, mac = cookie.rsplit(".", 1)
    forged = [
        "",
        "x",
        f"{other.id}{cookie[1:]}",
        f"{told}.{mac[::-1]}",
        f"{told.partition('~')[0]}~ffffffff.{mac}",
        path(here, Scope.PREFERENCES, one).rpartition("/")[2],
    ]
    for tampered in forged:
        assert sessions(here).find(tampered, now=NOW) is None
        assert sign_out(site, tampered, csrf) == (303, None)


def test_a_page_for_who_is_signed_in_asks_others_to_sign_in(here: Installation, site: TestClient) -> None:
    answer = site.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_a_session_ends_when_its_readers_links_are_revoked(here: Installation, site: TestClient) -> None:
    reader = enrolled(here)
    cookie = begun(here, reader)
    changed(here, reader, epoch=reader.epoch + 1)
    assert sign_out(site, cookie, session_of(here, cookie).csrf) == (303, ENDED)
    removed(here, reader)
    assert sign_out(site, cookie, session_of(here, cookie).csrf) == (303, ENDED)


def test_a_form_without_its_sessions_token_does_nothing(here: Installation, site: TestClient) -> None:
    reader = enrolled(here)
    older, cookie = begun(here, reader), begun(here, reader)
    strangers = begun(here, enrolled(here, "other@example.org"))
    wrong = [None, "", "x", "é", cookie, session_of(here, older).csrf, session_of(here, strangers).csrf]
    for csrf in wrong:
        assert sign_out(site, cookie, csrf) == (403, None)
    assert sign_out(site, cookie, session_of(here, cookie).csrf) == (303, ENDED)


def test_signing_out_needs_more_than_a_look(here: Installation, site: TestClient) -> None:
    cookie = begun(here, enrolled(here))
    answer = site.get("/sign-out", headers={"Cookie": f"{COOKIE}={cookie}"})
    assert (answer.status_code, answer.headers.get("Set-Cookie")) == (405, None)

"""Unsubscribing: on the page, and by one click in a mail program (RFC 8058)."""

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import MailKind, SubscriberState, SuppressionReason
from digest.security.links import Scope
from digest.store import subscribers
from tests.builders import NOW
from tests.web.subscribers import (
    EMAIL,
    ONE_CLICK,
    add_subscriber,
    changed,
    confirm_path,
    history,
    path,
    queued,
    removed,
    state,
    unsubscribe_path,
)


def test_the_page_asks_with_a_button_and_shows_the_address_partly(app: App, site: TestClient) -> None:
    page = site.get(unsubscribe_path(app, add_subscriber(app)))
    assert page.status_code == 200
    assert "Unsubscribe from Daily Papers?" in page.text
    assert "r•••@example.org" in page.text
    assert EMAIL not in page.text
    assert '<form method="post">\n<button>Unsubscribe</button>\n</form>' in page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(app: App, site: TestClient, method: str) -> None:
    reader = add_subscriber(app)
    for link in (unsubscribe_path(app, reader), unsubscribe_path(app, reader) + "?List-Unsubscribe=One-Click"):
        assert site.request(method, link, headers={"Purpose": "prefetch"}).status_code == 200
    assert (state(app), queued(app), history(app)) == ("active", [], [("vouched", "command line")])


def test_nothing_on_the_page_acts_without_the_button(app: App, site: TestClient) -> None:
    page = site.get(unsubscribe_path(app, add_subscriber(app))).text
    assert "<script" not in page
    assert "http-equiv" not in page
    assert "unsubscribe/" not in page  # no link that leaves: what follows links finds none


@pytest.mark.parametrize("multipart", [False, True])
def test_one_click_leaves_at_once_without_a_page_before_or_a_cookie(
    app: App, site: TestClient, multipart: bool
) -> None:
    link = unsubscribe_path(app, add_subscriber(app))
    fields = {name: (None, value) for name, value in ONE_CLICK.items()}
    answer = site.post(link, files=fields) if multipart else site.post(link, data=ONE_CLICK)
    assert (answer.status_code, answer.text) == (200, "You have unsubscribed from Daily Papers\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Set-Cookie" not in answer.headers
    assert (state(app), queued(app)) == ("unsubscribed", [MailKind.GOODBYE])
    assert history(app)[-1] == ("unsubscribed", "one-click from 192.0.2.7")


def test_the_button_leaves_and_says_what_comes_and_how_to_come_back(app: App, site: TestClient) -> None:
    page = site.post(unsubscribe_path(app, add_subscriber(app)))
    assert page.status_code == 200
    assert "You have unsubscribed from Daily Papers" in page.text
    assert "We’ve sent you one last email" in page.text
    assert "use its link to subscribe again" in page.text
    assert EMAIL not in page.text
    assert history(app)[-1] == ("unsubscribed", "page from 192.0.2.7")
    assert queued(app) == [MailKind.GOODBYE]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe=%zz&&", b"List-Unsubscribe=Maybe"])
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "x/y"]
)
def test_no_odd_form_keeps_anybody_on_the_list(app: App, site: TestClient, body: bytes, kind: str) -> None:
    answer = site.post(unsubscribe_path(app, add_subscriber(app)), content=body, headers={"Content-Type": kind})
    assert (answer.status_code, state(app)) == (200, "unsubscribed")


def test_leaving_twice_is_leaving_once(app: App, site: TestClient) -> None:
    link = unsubscribe_path(app, add_subscriber(app))
    site.post(link)
    assert site.post(link, data=ONE_CLICK).text == "You have unsubscribed from Daily Papers\n"
    for again in (site.post(link), site.get(link)):
        assert "You have unsubscribed from Daily Papers" in again.text
        assert "You won’t get any more emails." in again.text
        assert "<button" not in again.text
    assert queued(app) == [MailKind.GOODBYE]
    assert [event for event, _ in history(app)] == ["vouched", "unsubscribed"]


def test_the_link_outlives_leaving_and_coming_back(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    first_link = unsubscribe_path(app, reader)
    for _ in range(2):
        site.post(first_link)
        with app.store.write() as tx:
            back = app.membership.confirm(tx, subscribers.get(tx, EMAIL), origin="", now=NOW)
    assert back.epoch == 2
    site.post(first_link)
    assert state(app) == "unsubscribed"


def test_a_pending_or_paused_subscriber_can_leave(app: App, site: TestClient) -> None:
    for email, at in (("a@example.org", SubscriberState.PENDING), ("b@example.org", SubscriberState.PAUSED)):
        site.post(unsubscribe_path(app, add_subscriber(app, email, state=at)))
        assert state(app, email) == "unsubscribed"


@pytest.mark.parametrize("how", ["removed", "erased"])
def test_a_removed_subscriber_is_told_so_and_mail_programs_get_success(app: App, site: TestClient, how: str) -> None:
    reader = add_subscriber(app)
    if how == "removed":
        removed(app, reader)
    else:
        with app.store.write() as tx:
            app.membership.erase(tx, reader.email, origin="", now=NOW)
    link = unsubscribe_path(app, reader)
    for page in (site.get(link), site.post(link)):
        assert page.status_code == 200
        assert "Not subscribed" in page.text
        assert "<button" not in page.text
    one_click = site.post(link, data=ONE_CLICK)
    assert one_click.status_code == 200
    assert "isn’t subscribed to Daily Papers." in one_click.text


def test_an_old_link_unsubscribes_no_one_else(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    removed(app, reader)
    add_subscriber(app, "next@example.org")
    site.post(unsubscribe_path(app, reader), data=ONE_CLICK)
    assert state(app, "next@example.org") == "active"


@pytest.mark.parametrize("forged", ["1.0.AAAAAAAAAAAAAAAAAAAAAA", "1", "x", "1.0", "9" * 300, "%00", "١.٠.x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_that_we_did_not_sign_finds_nothing_and_tells_nothing(
    app: App, site: TestClient, forged: str, method: str
) -> None:
    reader = add_subscriber(app)
    answer = site.request(method, f"/unsubscribe/{forged}")
    assert answer.status_code == 404
    assert answer.text == site.get("/nothing/here").text
    assert (state(app), reader.id) == ("active", 1)


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.UNSUBSCRIBE])
def test_a_link_for_something_else_does_not_unsubscribe(app: App, site: TestClient, scope: Scope) -> None:
    token = path(app, scope, add_subscriber(app)).rpartition("/")[2]
    assert site.post(f"/unsubscribe/{token}", data=ONE_CLICK).status_code == 404
    assert state(app) == "active"


def test_the_page_promises_no_mail_to_an_address_that_takes_none(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        app.membership.suppress(tx, EMAIL, SuppressionReason.HARD_BOUNCE, "550", now=NOW)
    page = site.post(unsubscribe_path(app, reader)).text
    assert "A last mail" not in page
    assert '<a href="mailto:papers@example.org">' in page
    assert (state(app), queued(app)) == ("unsubscribed", [])


def test_the_link_opens_nothing_else(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    for page in (site.get(unsubscribe_path(app, reader)), site.post(unsubscribe_path(app, reader))):
        assert "/confirm/" not in page.text
        assert confirm_path(app, reader) not in page.text


def test_pages_speak_the_readers_language(app: App, site: TestClient) -> None:
    link = unsubscribe_path(app, changed(app, add_subscriber(app), language="de"))
    asked = site.get(link)
    assert '<html lang="de" dir="ltr">' in " ".join(asked.text.split("\n"))
    assert "Daily Papers abbestellen?" in asked.text
    assert site.post(link, data=ONE_CLICK).text == "Sie haben Daily Papers abbestellt\n"

"""Confirming a subscription, from a confirmation mail or a goodbye mail."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.errors import StoreError
from digest.models import MailKind, SubscriberState, SuppressionReason
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import subscribers
from tests.builders import NOW, a_subscriber
from tests.web.conftest import browser
from tests.web.reader_site import stored
from tests.web.subscribers import (
    EMAIL,
    add_subscriber,
    changed,
    confirm_path,
    history,
    path,
    pending,
    queued,
    removed,
    state,
    unsubscribe_path,
)


def test_the_page_asks_with_a_button_and_shows_the_address_partly(app: App, site: TestClient) -> None:
    page = site.get(confirm_path(app, pending(app)))
    assert page.status_code == 200
    assert "Confirm your subscription to Daily Papers" in page.text
    assert "r•••@example.org" in page.text
    assert EMAIL not in page.text
    assert '<form method="post">\n<button>Confirm subscription</button>\n</form>' in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_confirms_nothing(app: App, site: TestClient, method: str) -> None:
    assert site.request(method, confirm_path(app, pending(app))).status_code == 200
    assert (state(app), queued(app)) == ("pending", [MailKind.CONFIRMATION])


def test_the_button_confirms_and_the_welcome_is_queued(app: App, site: TestClient) -> None:
    page = site.post(confirm_path(app, pending(app)))
    assert page.status_code == 200
    assert "You’re subscribed" in page.text
    assert "Your first email is on its way to" in page.text
    assert "is on its way" in page.text
    assert (state(app), queued(app)) == ("active", [MailKind.WELCOME])
    assert history(app)[-1] == ("confirmed", "page from 192.0.2.7")


def test_saying_yes_twice_welcomes_once(app: App, site: TestClient) -> None:
    link = confirm_path(app, pending(app))
    site.post(link)
    for again in (site.post(link), site.get(link)):
        assert "is subscribed to Daily Papers." in again.text
        assert "<button" not in again.text
    assert queued(app).count(MailKind.WELCOME) == 1
    assert [event for event, _ in history(app)] == ["asked", "confirmed"]


@pytest.mark.parametrize("before", [SubscriberState.ACTIVE, SubscriberState.PAUSED])
def test_an_active_subscriber_stays_unchanged(app: App, site: TestClient, before: SubscriberState) -> None:
    site.post(confirm_path(app, add_subscriber(app, state=before)))
    assert state(app) == before.value
    assert queued(app) == []


def test_an_unsubscribed_reader_returns_by_the_goodbye_link(app: App, site: TestClient) -> None:
    site.post(unsubscribe_path(app, add_subscriber(app)))
    with app.store.read() as tx:
        left = subscribers.get(tx, EMAIL)
    site.post(confirm_path(app, left))
    assert (state(app), queued(app)) == ("active", [MailKind.GOODBYE, MailKind.WELCOME])


def test_a_returning_subscriber_is_no_longer_paused(app: App, site: TestClient) -> None:
    reader = add_subscriber(
        app, state=SubscriberState.PAUSED, resumes_at=NOW + timedelta(days=30), new_email="x@example.org"
    )
    site.post(unsubscribe_path(app, reader))
    back = stored(app)
    site.post(confirm_path(app, back))
    now = stored(app)
    assert (now.state, now.resumes_at, now.new_email) == (SubscriberState.ACTIVE, None, "")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_from_before_they_left_is_too_old(app: App, site: TestClient, method: str) -> None:
    reader = pending(app)
    site.post(unsubscribe_path(app, reader))
    page = site.request(method, confirm_path(app, reader))
    assert page.status_code == 410
    assert "This link has expired" in page.text
    assert 'class="button" href="/sign-in">Get a new link</a>' in page.text
    assert '<a href="mailto:papers@example.org">' in page.text
    assert state(app) == "unsubscribed"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_works_for_thirty_days(app: App, site: TestClient, method: str) -> None:
    link = confirm_path(app, pending(app))
    after = browser(app, now=NOW + TOKEN_LIFETIMES[Scope.CONFIRM])
    assert (after.request(method, link).status_code, state(app)) == (410, "pending")
    before = browser(app, now=NOW + timedelta(days=30) - timedelta(seconds=1))
    assert before.request(method, link).status_code == 200


def test_a_new_subscriber_is_signed_in_once(app: App, site: TestClient) -> None:
    link = confirm_path(app, pending(app))
    assert site.get(link).headers.get("Set-Cookie") is None
    first = site.post(link)
    assert first.headers["Set-Cookie"].startswith("__Host-digest=1.0.")
    assert 'href="/settings"' in first.text
    site.cookies.clear()
    assert site.post(link).headers.get("Set-Cookie") is None  # it works for longer than a sign-in link may


def test_the_link_of_a_removed_subscriber_has_expired(app: App, site: TestClient) -> None:
    reader = pending(app)
    removed(app, reader)
    assert site.post(confirm_path(app, reader)).status_code == 410


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.CONFIRM])
def test_a_link_for_something_else_confirms_nothing(app: App, site: TestClient, scope: Scope) -> None:
    token = path(app, scope, pending(app)).rpartition("/")[2]
    assert site.post(f"/confirm/{token}").status_code == 404
    assert state(app) == "pending"


def test_a_token_that_we_did_not_sign_finds_nothing(app: App, site: TestClient) -> None:
    pending(app)
    assert site.post("/confirm/1.0.AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
    assert state(app) == "pending"


def test_a_failing_welcome_mail_does_not_prevent_confirmation(
    app: App, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    monkeypatch.setattr("digest.pipeline.publish.publish_welcome", locked)
    page = site.post(confirm_path(app, pending(app)))
    assert page.status_code == 200
    assert "is subscribed to Daily Papers." in page.text
    assert "on its way" not in page.text
    assert state(app) == "active"


def test_pages_speak_the_readers_language(app: App, site: TestClient) -> None:
    link = confirm_path(app, changed(app, pending(app), language="de"))
    assert "Abonnement von Daily Papers bestätigen" in site.get(link).text
    assert "Die erste E‑Mail an" in site.post(link).text


def test_no_link_reactivates_an_address_that_an_admin_suppressed(app: App, site: TestClient) -> None:
    link = confirm_path(app, pending(app))
    with app.store.write() as tx:
        subscribers.remove(tx, EMAIL)
        app.membership.suppress(tx, EMAIL, SuppressionReason.ADMIN, "", now=NOW)
    with app.store.write() as tx:
        again = subscribers.add(tx, a_subscriber(EMAIL, state=SubscriberState.PENDING), now=NOW)
    assert site.post(link).status_code == 410
    assert site.post(confirm_path(app, again)).status_code == 403
    assert state(app) == "pending"

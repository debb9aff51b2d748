"""Saying yes: to a confirmation mail, and on the way back from a goodbye."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.errors import StoreError
from digest.installation import Installation
from digest.links import LASTS, Scope
from digest.models import MailKind, SubscriberState, SuppressionReason
from digest.store import subscribers
from tests.builders import NOW, a_subscriber
from tests.web.conftest import browser
from tests.web.people import (
    EMAIL,
    changed,
    enrolled,
    history,
    path,
    pending,
    queued,
    removed,
    state,
    way_in,
    way_out,
)
from tests.web.signed import stored


def test_the_page_asks_with_a_button_and_shows_the_address_partly(here: Installation, site: TestClient) -> None:
    page = site.get(way_in(here, pending(here)))
    assert page.status_code == 200
    assert "Shall we send you Daily Papers?" in page.text
    assert "r•••@example.org" in page.text
    assert EMAIL not in page.text
    assert '<form method="post">\n<button>Yes, send it to me</button>\n</form>' in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_confirms_nothing(here: Installation, site: TestClient, method: str) -> None:
    assert site.request(method, way_in(here, pending(here))).status_code == 200
    assert (state(here), queued(here)) == ("pending", [MailKind.CONFIRMATION])


def test_the_button_confirms_and_the_welcome_is_queued(here: Installation, site: TestClient) -> None:
    page = site.post(way_in(here, pending(here)))
    assert page.status_code == 200
    assert "You are in" in page.text
    assert "The first mail to" in page.text
    assert "is on its way" in page.text
    assert (state(here), queued(here)) == ("active", [MailKind.WELCOME])
    assert history(here)[-1] == ("confirmed", "page from 192.0.2.7")


def test_saying_yes_twice_welcomes_once(here: Installation, site: TestClient) -> None:
    link = way_in(here, pending(here))
    site.post(link)
    for again in (site.post(link), site.get(link)):
        assert "is on the list of Daily Papers." in again.text
        assert "<button" not in again.text
    assert queued(here).count(MailKind.WELCOME) == 1
    assert [event for event, _ in history(here)] == ["asked", "confirmed"]


@pytest.mark.parametrize("before", [SubscriberState.ACTIVE, SubscriberState.PAUSED])
def test_who_is_on_the_list_stays_as_they_are(here: Installation, site: TestClient, before: SubscriberState) -> None:
    site.post(way_in(here, enrolled(here, state=before)))
    assert state(here) == before.value
    assert queued(here) == []


def test_who_left_comes_back_by_the_goodbyes_link(here: Installation, site: TestClient) -> None:
    site.post(way_out(here, enrolled(here)))
    with here.store.read() as tx:
        left = subscribers.get(tx, EMAIL)
    site.post(way_in(here, left))
    assert (state(here), queued(here)) == ("active", [MailKind.GOODBYE, MailKind.WELCOME])


def test_who_comes_back_does_not_pause_any_more(here: Installation, site: TestClient) -> None:
    reader = enrolled(
        here, state=SubscriberState.PAUSED, resumes_at=NOW + timedelta(days=30), new_email="x@example.org"
    )
    site.post(way_out(here, reader))
    back = stored(here)
    site.post(way_in(here, back))
    now = stored(here)
    assert (now.state, now.resumes_at, now.new_email) == (SubscriberState.ACTIVE, None, "")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_from_before_they_left_is_too_old(here: Installation, site: TestClient, method: str) -> None:
    reader = pending(here)
    site.post(way_out(here, reader))
    page = site.request(method, way_in(here, reader))
    assert page.status_code == 410
    assert "This link is too old" in page.text
    assert 'class="button" href="/sign-in">Ask for a new one</a>' in page.text
    assert '<a href="mailto:digest@example.org">' in page.text
    assert state(here) == "unsubscribed"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_works_for_thirty_days(here: Installation, site: TestClient, method: str) -> None:
    link = way_in(here, pending(here))
    after = browser(here, now=NOW + LASTS[Scope.CONFIRM])
    assert (after.request(method, link).status_code, state(here)) == (410, "pending")
    before = browser(here, now=NOW + timedelta(days=30) - timedelta(seconds=1))
    assert before.request(method, link).status_code == 200


def test_who_has_just_come_in_is_signed_in_once(here: Installation, site: TestClient) -> None:
    link = way_in(here, pending(here))
    assert site.get(link).headers.get("Set-Cookie") is None
    first = site.post(link)
    assert first.headers["Set-Cookie"].startswith("__Secure-digest=1.0.")
    assert 'href="/settings"' in first.text
    site.cookies.clear()
    assert site.post(link).headers.get("Set-Cookie") is None  # it works for longer than a sign-in link may


def test_a_link_of_somebody_removed_is_too_old(here: Installation, site: TestClient) -> None:
    reader = pending(here)
    removed(here, reader)
    assert site.post(way_in(here, reader)).status_code == 410


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.CONFIRM])
def test_a_link_for_something_else_confirms_nothing(here: Installation, site: TestClient, scope: Scope) -> None:
    token = path(here, scope, pending(here)).rpartition("/")[2]
    assert site.post(f"/confirm/{token}").status_code == 404
    assert state(here) == "pending"


def test_a_token_that_we_did_not_sign_finds_nothing(here: Installation, site: TestClient) -> None:
    pending(here)
    assert site.post("/confirm/1.0.AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
    assert state(here) == "pending"


def test_where_the_welcome_fails_they_are_in_all_the_same(
    here: Installation, site: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    monkeypatch.setattr("digest.publish.welcome", locked)
    page = site.post(way_in(here, pending(here)))
    assert page.status_code == 200
    assert "is on the list of Daily Papers." in page.text
    assert "on its way" not in page.text
    assert state(here) == "active"


def test_pages_speak_the_readers_language(here: Installation, site: TestClient) -> None:
    link = way_in(here, changed(here, pending(here), language="de"))
    assert "Sollen wir Ihnen Daily Papers schicken?" in site.get(link).text
    assert "Die erste E‑Mail an" in site.post(link).text


def test_whom_an_admin_barred_no_link_takes_back(here: Installation, site: TestClient) -> None:
    link = way_in(here, pending(here))
    with here.store.write() as tx:
        subscribers.remove(tx, EMAIL)
        here.membership.suppress(tx, EMAIL, SuppressionReason.ADMIN, "", now=NOW)
    with here.store.write() as tx:
        again = subscribers.add(tx, a_subscriber(EMAIL, state=SubscriberState.PENDING), now=NOW)
    assert site.post(link).status_code == 410
    assert site.post(way_in(here, again)).status_code == 403
    assert state(here) == "pending"

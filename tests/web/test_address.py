"""Changing the address: requested by a signed-in reader, confirmed by a link in a mail to the new address."""

import json
import re
from datetime import timedelta

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from digest.app import App
from digest.config import SignupConfig
from digest.models import Delivery, MailKind, SubscriberState, SuppressionReason
from digest.pipeline.deliver import lease_due_deliveries
from digest.security import addresses
from digest.security.links import Scope
from digest.store import deliveries, outbox, subscribers
from tests.builders import MEMBERSHIP, NOW
from tests.web.conftest import browser
from tests.web.html import faults_of
from tests.web.reader_site import ReaderBrowser, sign_in_reader, stored
from tests.web.subscribers import (
    ADDRESS_STATES,
    EMAIL,
    add_subscriber,
    changed,
    finish_background,
    history,
    put_into_state,
)

NEW = "New.Reader@example.net"


@pytest.fixture
def own(app: App, site: TestClient) -> ReaderBrowser:
    """A browser in which a reader is signed in."""
    return sign_in_reader(app, site, add_subscriber(app))


def mails(app: App) -> list[Delivery]:
    with app.store.read() as tx:
        return [d for d in deliveries.list_queued(tx) if d.kind is MailKind.ADDRESS]


def link_in(app: App, delivery: Delivery) -> str:
    (found,) = set(
        re.findall(r"https://digest\.example\.org(/address/\S+)", app.composer.render(delivery).readable_text)
    )
    return str(found)


def request_change(own: ReaderBrowser, email: str = NEW) -> Response:
    """The answer, after the work in the background is done."""
    answer = own.post("/settings/address", email=email)
    finish_background(own.client)
    return answer


def ask(app: App, own: ReaderBrowser, email: str = NEW) -> str:
    """Request a change, and return the link in the mail."""
    request_change(own, email)
    (delivery,) = mails(app)
    return link_in(app, delivery)


def test_the_link_in_the_mail_to_the_new_address_asks_and_its_button_changes_the_address(
    app: App, own: ReaderBrowser, site: TestClient
) -> None:
    link = ask(app, own)
    (delivery,) = mails(app)
    message = app.composer.message(delivery)
    assert (message.recipient, b"Subject: Confirm your new address for Daily Papers" in message.content) == (NEW, True)
    page = site.get(link)
    assert (page.status_code, faults_of(page.text)) == (200, [])
    assert "N•••@example.net" in page.text
    assert NEW not in page.text
    assert stored(app).email == EMAIL
    answer = site.post(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings/address?moved=1")
    moved = stored(app, NEW)
    assert (moved.id, moved.email, moved.new_email, moved.epoch) == (1, NEW, "", 1)
    assert history(app)[-1] == ("moved", "page from 192.0.2.7")
    assert history(app, NEW) == [("asked", "page from 192.0.2.7"), ("confirmed", "page from 192.0.2.7")]
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    page = site.get("/settings/address?moved=1", headers={"Cookie": cookie})
    assert f"We send your emails to {NEW}." in page.text
    assert 'role="status">Saved.' in page.text


def test_a_change_ends_older_sessions_and_links_and_queued_mail_goes_to_the_new_address(
    app: App, own: ReaderBrowser, site: TestClient
) -> None:
    with app.store.write() as tx:
        outbox.queue_mail(tx, MailKind.GOODBYE, stored(app), message_id="waits", now=NOW)
    old = app.links.token(Scope.PREFERENCES, 1, 0, written_at=NOW)
    site.post(ask(app, own))
    assert own.get("/settings").headers["Location"] == "/sign-in"
    assert site.get(f"/preferences/{old}").status_code == 410
    with app.store.read() as tx:
        assert [d.subscriber.email for d in deliveries.list_queued(tx)] == [NEW]


def test_the_link_works_once(app: App, own: ReaderBrowser, site: TestClient) -> None:
    link = ask(app, own)
    site.post(link)
    for method in ("GET", "POST"):
        assert site.request(method, link).status_code == 410
    assert stored(app, NEW).epoch == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(app: App, own: ReaderBrowser, site: TestClient, method: str) -> None:
    link = ask(app, own)
    assert site.request(method, link).status_code == 200
    assert (
        own.client.request(method, f"/settings/address?email={NEW}", headers={"Cookie": own.cookie}).status_code == 200
    )
    assert (stored(app).email, len(mails(app))) == (EMAIL, 1)


@pytest.mark.parametrize("typed", ["", "reader", "a@b@c", "a\n@example.org", "<x>", EMAIL, "x" * 300 + "@example.org"])
def test_an_invalid_or_unchanged_address_is_marked_and_nothing_is_sent(
    app: App, own: ReaderBrowser, typed: str
) -> None:
    answer = own.post("/settings/address", email=typed)
    assert answer.status_code == 422
    assert "Enter a different email address" in answer.text
    assert faults_of(answer.text) == []
    assert (stored(app).new_email, mails(app)) == ("", [])


def test_the_answer_does_not_tell_whether_an_address_is_subscribed_or_suppressed(app: App, own: ReaderBrowser) -> None:
    add_subscriber(app, "other@example.org")
    with app.store.write() as tx:
        app.membership.suppress(tx, "suppressed@example.org", SuppressionReason.COMPLAINT, "", now=NOW)
    said = []
    for email in ("other@example.org", "suppressed@example.org", "free@example.org"):
        answer = request_change(own, email)
        page = own.get("/settings/address").text
        said.append((answer.status_code, answer.headers["Location"], page.replace(email, "…")))
        assert f"To switch to {email}, open the link" in " ".join(page.split())
    assert said[0] == said[1] == said[2]
    assert [d.subscriber.email for d in mails(app)] == ["free@example.org"]


@pytest.mark.parametrize("how", ["taken", "suppressed"])
def test_the_link_reports_an_address_that_was_taken_or_suppressed_since(
    app: App, own: ReaderBrowser, site: TestClient, how: str
) -> None:
    link = ask(app, own)
    if how == "taken":
        add_subscriber(app, NEW.lower())
    else:
        with app.store.write() as tx:
            app.membership.suppress(tx, NEW, SuppressionReason.COMPLAINT, "", now=NOW)
    answer = site.post(link)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (409, False)
    assert "is already subscribed, or we’re not allowed to email it" in answer.text
    assert (stored(app).id, stored(app).epoch) == (1, 0)


def test_at_most_one_mail_a_day_goes_to_an_address(app: App, own: ReaderBrowser, site: TestClient) -> None:
    first = ask(app, own)
    request_change(own, NEW.upper())
    other = sign_in_reader(app, site, add_subscriber(app, "other@example.org"))
    request_change(other, NEW)
    (waiting,) = mails(app)  # a second click does not withdraw it
    assert link_in(app, waiting) == first
    assert history(app, NEW) == [("asked", "page from 192.0.2.7")]


def test_an_address_gets_one_question_a_day_from_all_pages_together(app: App, own: ReaderBrowser) -> None:
    for first, second in (("/subscribe", "/settings/address"), ("/settings/address", "/subscribe")):
        email = f"Same+{first[1:4]}@bücher.example"
        for path, spelt in ((first, email), (second, email.upper().replace("BÜCHER", "xn--bcher-kva"))):
            own.post(path, email=spelt, rules="cats")
            finish_background(own.client)
        sent = [event for event, _ in history(app, email.replace("bücher", "xn--bcher-kva"))]
        assert sent == ["asked"]


def test_a_subscriber_can_have_only_a_few_addresses_asked_a_day(app: App, own: ReaderBrowser) -> None:
    for n in range(8):
        request_change(own, f"{n}@example.net")
    with app.store.read() as tx:
        asked = [d for d in deliveries.list_newest(tx) if d.kind is MailKind.ADDRESS]
    assert len(asked) == 5


@pytest.mark.parametrize("known", ADDRESS_STATES)
def test_neither_the_export_nor_a_mail_that_is_not_sent_tells_whether_an_address_is_subscribed(
    app: App, own: ReaderBrowser, known: str
) -> None:
    put_into_state(app, known, "other@example.org")
    request_change(own, "other@example.org")
    assert json.loads(own.get("/settings/data/export").text)["deliveries"] == []
    for n in range(5):
        request_change(own, f"{n}@example.net")
    assert [event for event, _ in history(app, "3@example.net")] == ["asked"]
    assert history(app, "4@example.net") == []


def test_mails_to_new_addresses_count_towards_the_clients_mail_limit(app: App) -> None:
    few = app.config.model_copy(update={"signup": SignupConfig(hourly_per_client=2)})
    site = browser(App(few, app.store))
    own = sign_in_reader(app, site, add_subscriber(app))
    assert site.post("/sign-in", data={"email": "x@example.org"}).status_code == 200
    assert request_change(own, "wrong").status_code == 422
    assert [request_change(own, f"{n}@example.org").status_code for n in range(2)] == [303, 429]
    assert site.post("/sign-in", data={"email": "x@example.org"}).status_code == 429


def test_the_mail_contains_no_text_of_the_subscriber_who_asked(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, name="Cheap watches at watches.example"))
    ask(app, own)
    message = app.composer.message(mails(app)[0])
    assert b"watches" not in message.content
    assert b"List-Unsubscribe" not in message.content


def test_consents_of_an_old_address_are_exported_and_their_origins_are_erased_with_the_rest(
    app: App, own: ReaderBrowser, site: TestClient
) -> None:
    site.post(ask(app, own))
    add_subscriber(app, EMAIL, language="de")  # another subscriber has it now
    moved = sign_in_reader(app, site, stored(app, NEW))
    told = json.loads(moved.get("/settings/data/export").text)["consents"]
    assert [(one["event"], one["origin"]) for one in told] == [
        ("vouched", "command line"),
        ("asked", "page from 192.0.2.7"),
        ("moved", "page from 192.0.2.7"),
        ("confirmed", "page from 192.0.2.7"),
    ]
    moved.post("/settings/data", sure="1")
    assert history(app) == [("vouched", "command line"), ("moved", "page"), ("vouched", "command line")]
    assert history(app, NEW) == [("asked", "page"), ("confirmed", "page"), ("erased", "page")]


def test_a_second_new_address_replaces_the_first(app: App, own: ReaderBrowser, site: TestClient) -> None:
    first = ask(app, own)
    second = ask(app, own, "second@example.net")
    assert [d.subscriber.email for d in mails(app)] == ["second@example.net"]
    assert site.post(first).status_code == 410
    site.post(second)
    assert stored(app, "second@example.net").id == 1


def test_the_case_of_an_address_can_be_changed(app: App, own: ReaderBrowser, site: TestClient) -> None:
    site.post(ask(app, own, "Reader@example.org"))
    assert stored(app).email == "Reader@example.org"


def test_a_mail_for_a_request_that_has_ended_is_not_sent(app: App, own: ReaderBrowser) -> None:
    ask(app, own)
    changed(app, stored(app), new_email="")
    with app.store.write() as tx:
        later = NOW + timedelta(hours=1)
        claimed = lease_due_deliveries(tx, MEMBERSHIP, worker="w", now=later, clock=NOW, limit=9)
        (delivery,) = deliveries.list_newest(tx)
    assert (claimed, delivery.reply) == ([], "not sent: no new address is waiting to be confirmed")


def test_a_new_address_that_is_suppressed_before_its_mail_is_sent_gets_none(app: App, own: ReaderBrowser) -> None:
    ask(app, own)
    with app.store.write() as tx:
        app.membership.suppress(tx, NEW, SuppressionReason.HARD_BOUNCE, "", now=NOW - timedelta(hours=1))
    report = app.deliver(now=NOW + timedelta(hours=1))
    assert (report.sent, stored(app).state) == (0, SubscriberState.ACTIVE)


@pytest.mark.parametrize("how", ["old", "another", "left"])
def test_a_link_that_expired_or_is_for_another_address_changes_nothing(
    app: App, own: ReaderBrowser, site: TestClient, how: str
) -> None:
    link = ask(app, own)
    about = app.links.text_hash(addresses.key("another@example.net" if how == "another" else NEW))
    written_at = NOW - timedelta(days=1) if how == "old" else NOW
    if how == "left":
        with app.store.write() as tx:
            app.membership.unsubscribe(tx, subscribers.get(tx, EMAIL), origin="", now=NOW)
    else:
        link = f"/address/{app.links.token(Scope.ADDRESS, 1, 0, about=about, written_at=written_at)}"
    for method in ("GET", "POST"):
        assert site.request(method, link).status_code == 410
    assert stored(app).email == EMAIL


def test_a_link_without_an_address_changes_nothing(app: App, own: ReaderBrowser, site: TestClient) -> None:
    assert site.post(f"/address/{app.links.token(Scope.ADDRESS, 1, 0, written_at=NOW)}").status_code == 410


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.ADDRESS])
def test_a_link_of_another_scope_changes_nothing(app: App, own: ReaderBrowser, site: TestClient, scope: Scope) -> None:
    ask(app, own)
    token = app.links.token(scope, 1, 0, about=app.links.text_hash(addresses.key(NEW)), written_at=NOW)
    assert site.post(f"/address/{token}").status_code == 404
    assert stored(app).email == EMAIL


def test_a_form_without_the_sessions_token_sends_nothing(app: App, own: ReaderBrowser) -> None:
    assert own.post("/settings/address", csrf="", email=NEW).status_code == 403
    assert mails(app) == []


def test_mail_and_pages_are_in_the_readers_language(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, language="de"))
    link = ask(app, own)
    assert "Neue Adresse für Daily Papers bestätigen" in site.get(link).text
    assert app.composer.render(mails(app)[0]).subject == "Neue Adresse für Daily Papers bestätigen"


def test_an_address_outside_the_allowed_domains_is_refused(app: App) -> None:
    policy = SignupConfig(policy="domains", domains=("example.org",))
    config = app.config.model_copy(update={"signup": policy})
    with App(config, app.store) as limited:
        own = sign_in_reader(limited, browser(limited), add_subscriber(limited))
        answer = request_change(own, "new@elsewhere.example")
        assert answer.status_code == 422
        assert "Only addresses at example.org." in answer.text
        assert faults_of(answer.text) == []
        assert mails(limited) == []
        assert request_change(own, "new@lab.example.org").status_code == 303
        assert len(mails(limited)) == 1

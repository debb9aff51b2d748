"""The pages on which an address is entered: what they show, and that they do not reveal subscribers."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import MailKind, Subscriber, SubscriberState
from digest.security.links import Scope
from digest.store import profiles, subscribers
from tests.builders import NOW
from tests.web.conftest import Opened, browser
from tests.web.subscribers import (
    ADDRESS_STATES,
    EMAIL,
    add_subscriber,
    finish_background,
    history,
    path,
    put_into_state,
    queued,
)

FORM = {"email": EMAIL, "rules": "cats", "timezone": "Asia/Tokyo"}
WAYS = ["/subscribe", "/sign-in"]
CONFIRMATION, SIGN_IN = MailKind.CONFIRMATION, MailKind.SIGN_IN


@pytest.fixture
def shared(app: App) -> None:
    """Two shared profiles."""
    with app.store.write() as tx:
        profiles.add(tx, "Audio & <speech>", compile_rules("# a note\nspeech\naudio AND codec"), by="tests", now=NOW)
        profiles.add(tx, "Vision", compile_rules("segmentation"), by="tests", now=NOW)


def reader(app: App) -> Subscriber:
    with app.store.read() as tx:
        return subscribers.get(tx, EMAIL)


def own_rules(app: App) -> str:
    with app.store.read() as tx:
        own = profiles.find_personal(tx, subscribers.get(tx, EMAIL).id)
    return own.rules if own else ""


# What the form takes.


@pytest.mark.usefixtures("shared")
def test_the_form_shows_the_shared_profiles_with_their_rules(site: TestClient) -> None:
    page = site.get("/subscribe")
    assert page.status_code == 200
    assert "<bdi>Audio &amp; &lt;speech&gt;</bdi>" in page.text
    assert "speech · audio AND codec" in page.text
    assert "a note" not in page.text
    assert 'formaction="/preview"' in page.text
    assert '<option value="Europe/Berlin">' in page.text.replace("\n", " ")


@pytest.mark.usefixtures("shared")
def test_a_new_subscriber_is_stored_with_their_choices_and_asked_by_mail(app: App, site: TestClient) -> None:
    page = site.post("/subscribe", data=FORM | {"profile": ["Vision"], "rules": "cats\r\n-survey"})
    assert (page.status_code, "Check your inbox" in page.text) == (200, True)
    finish_background(site)
    new = reader(app)
    assert (new.state, new.profiles, new.schedule.timezone) == (SubscriberState.PENDING, ("Vision",), "Asia/Tokyo")
    assert (own_rules(app), queued(app)) == ("cats\n-survey", [CONFIRMATION])
    assert history(app) == [("asked", "page from 192.0.2.7")]


def test_an_address_that_is_not_ascii_is_taken(app: App, site: TestClient) -> None:
    # Browsers let no such address into a field of type "email".
    assert 'type="email"' not in site.get("/subscribe").text
    assert site.post("/subscribe", data=FORM | {"email": "jürgen@Example.org"}).status_code == 200
    finish_background(site)
    with app.store.read() as tx:
        assert subscribers.get(tx, "jürgen@example.org").state is SubscriberState.PENDING


def test_the_newsletters_time_zone_is_the_default(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[newsletter]\ntimezone = 'Europe/Berlin'\nlanguage = 'de'\n")
    assert 'value="Europe/Berlin"' in site.get("/subscribe").text
    assert "Sehen Sie in Ihrem Postfach nach" in site.post("/subscribe", data={"email": EMAIL, "rules": "cats"}).text


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"email": "no address"}, "Enter an email address"),
        ({"email": ""}, "Enter an email address"),
        ({"rules": "cats\na AND"}, "Line 2, column 6: expected a word"),
        ({"rules": ""}, "Choose at least one profile or enter a keyword"),
        ({"rules": "-survey"}, "Choose at least one profile or enter a keyword"),
        ({"profile": ["Vision", "Gone"]}, "A profile you chose no longer exists."),
        ({"timezone": "Moon/Base"}, "Unknown time zone."),
        ({"timezone": "x" * 10_000}, "Unknown time zone."),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_nothing_typed_is_lost(
    app: App, site: TestClient, typed: dict[str, str | list[str]], says: str
) -> None:
    form = FORM | {"profile": [] if "rules" in typed else ["Vision"]} | typed
    page = site.post("/subscribe", data=form)
    assert page.status_code == 422
    assert says in page.text
    assert page.text.count('class="error"') == 2  # at the top, too
    assert 'aria-invalid="true"' in page.text
    assert f'value="{form["email"]}"' in page.text
    assert f'value="{form["timezone"]}"' in page.text
    assert str(form["rules"]).strip() + "</textarea>" in page.text
    assert ('value="Vision" checked' in page.text) is ("Vision" in form["profile"])
    finish_background(site)
    assert queued(app) == []


def test_keywords_that_only_mute_are_enough_beside_a_profile(app: App, site: TestClient, shared: None) -> None:
    assert site.post("/subscribe", data=FORM | {"profile": ["Vision"], "rules": "-survey"}).status_code == 200


DOMAINS = "[signup]\npolicy = 'domains'\ndomains = ['example.org', 'Uni.example']\n"


@pytest.mark.parametrize(
    ("email", "status"),
    [
        ("a@example.org", 200),
        ("a@EXAMPLE.org", 200),
        ("a@lab.uni.example", 200),
        ("a@badexample.org", 422),
        ("a@example.org.evil.example", 422),
    ],
)
def test_addresses_at_other_domains_are_refused_with_the_reason(
    open_site: Callable[..., TestClient], email: str, status: int
) -> None:
    site = open_site(DOMAINS)
    assert "Only addresses at example.org, Uni.example." in site.get("/subscribe").text
    page = site.post("/subscribe", data=FORM | {"email": email})
    assert page.status_code == status
    assert ("Only addresses at the domains listed above can subscribe." in page.text) is (status == 422)


def test_if_sign_up_is_closed_the_page_names_a_contact(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\npolicy = 'closed'\n[newsletter]\nreply_to = 'Us <editors@example.org>'\n")
    asked, posted = site.get("/subscribe"), site.post("/subscribe", data=FORM)
    assert (asked.status_code, posted.status_code) == (200, 403)
    for page in (asked, posted):
        assert 'href="mailto:editors@example.org"' in page.text
        assert "<form" not in page.text
    assert "/subscribe" not in site.get("/sign-in").text


# Whose address it is.


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_is_the_same_byte_for_byte_for_every_address(app: App, way: str) -> None:
    answers = set()
    for known in ADDRESS_STATES:
        email = f"{known}@example.org"
        put_into_state(app, known, email)
        for _ in range(2):  # the second time they were just written to
            site = browser(app)
            answer = site.post(way, data=FORM | {"email": email})
            finish_background(site)
            answers.add((answer.status_code, tuple(answer.headers.multi_items()), answer.content))
    assert len(answers) == 1


@pytest.mark.parametrize("known", ADDRESS_STATES)
def test_a_form_with_a_fault_is_the_same_too(app: App, site: TestClient, known: str) -> None:
    before = site.post("/subscribe", data=FORM | {"rules": "a AND"})
    put_into_state(app, known)
    after = site.post("/subscribe", data=FORM | {"rules": "a AND"})
    assert (after.status_code, after.headers, after.content) == (422, before.headers, before.content)


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_does_not_wait_for_another_writer(app: App, site: TestClient, way: str) -> None:
    for known in ADDRESS_STATES:
        put_into_state(app, known, f"{known}@example.org")
    before = queued(app)
    with closing(sqlite3.connect(app.store.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        for known in ADDRESS_STATES:  # more than pages are made at once
            assert site.post(way, data=FORM | {"email": f"{known}@example.org"}).status_code == 200
        assert time.monotonic() - begun < 15  # a transaction would have waited for thirty seconds
        assert queued(app) == before
        other.execute("COMMIT")
    finish_background(site)
    assert len(queued(app)) > len(before)


def test_an_address_is_asked_at_most_once_a_day_from_any_client(app: App) -> None:
    for hours, client, asked in [(0, 1, 1), (0, 2, 1), (23, 3, 1), (24, 4, 2), (25, 5, 2)]:
        site = browser(app, client=f"192.0.2.{client}", now=NOW + timedelta(hours=hours))
        for way in WAYS:
            site.post(way, data=FORM | {"email": EMAIL.upper()})
            finish_background(site)
        assert queued(app) == [CONFIRMATION] * asked


def test_a_subscriber_gets_a_sign_in_link_at_most_every_ten_minutes(app: App) -> None:
    before = add_subscriber(app)
    for minutes, sent in [(0, 1), (9, 1), (11, 2)]:
        site = browser(app, now=NOW + timedelta(minutes=minutes))
        for way in WAYS:
            site.post(way, data=FORM)
            finish_background(site)
        assert queued(app) == [SIGN_IN] * sent
    assert (reader(app), own_rules(app)) == (before, "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", ["unknown", "active", "unsubscribed"])
def test_looking_sends_nothing(app: App, site: TestClient, method: str, known: str) -> None:
    put_into_state(app, known)
    before = queued(app)
    for way in WAYS:
        assert site.request(method, way, params=FORM).status_code == 200
    finish_background(site)
    assert queued(app) == before


# How often.


def test_a_client_has_so_many_mails_an_hour_by_either_way(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\nhourly_per_client = 2\n")
    for _ in range(5):
        assert site.post("/subscribe", data=FORM | {"email": "wrong"}).status_code == 422  # which sends none
    assert [site.post(way, data=FORM).status_code for way in (*WAYS, *WAYS)] == [200, 200, 429, 429]
    answers = {site.post("/sign-in", data={"email": f"{name}@example.org"}).content for name in ("reader", "else")}
    (page,) = answers
    assert b"Please try again later." in page
    assert site.get("/subscribe").status_code == 200


def test_retry_after_says_when(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\nhourly_per_client = 1\n")
    first, second = (site.post("/sign-in", data=FORM) for _ in range(2))
    assert "Retry-After" not in first.headers
    assert second.headers["Retry-After"] == "3599"  # a second has gone by


def test_clients_behind_a_trusted_proxy_are_counted_separately(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\nhourly_per_client = 1\n[web]\ntrusted_proxies = ['127.0.0.1']\n", client="127.0.0.1")

    def ask(forwarded: str) -> int:
        return site.post("/sign-in", data=FORM, headers={"X-Forwarded-For": forwarded}).status_code

    assert [ask("198.51.100.1"), ask("198.51.100.1"), ask("198.51.100.2")] == [200, 429, 200]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [200, 429, 200]


def test_an_untrusted_proxy_gains_nothing_by_inventing_clients(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\nhourly_per_client = 1\n")
    asked = [site.post("/sign-in", data=FORM, headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(2)]
    assert [answer.status_code for answer in asked] == [200, 429]


def test_all_clients_together_have_so_many(open_site: Callable[..., TestClient]) -> None:
    site = open_site("[signup]\nhourly = 3\n[web]\ntrusted_proxies = ['127.0.0.1']\n", client="127.0.0.1")
    asked = [site.post("/sign-in", data=FORM, headers={"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(4)]
    assert [answer.status_code for answer in asked] == [200, 200, 200, 429]


def test_a_reader_gets_a_sign_in_link_while_others_use_up_all_mails(open_site: Opened, tmp_path: Path) -> None:
    site = open_site("[signup]\nhourly_per_client = 2\nhourly = 3\n[web]\ntrusted_proxies = ['192.0.2.7']\n")
    with App.open(tmp_path / "config.toml") as app:
        link = path(app, Scope.PREFERENCES, add_subscriber(app)).removeprefix("http://127.0.0.1:8000")
    signed_in = site.get(link, headers={"X-Forwarded-For": "203.0.113.1"})
    known = signed_in.headers.get_list("Set-Cookie")[1].partition(";")[0]

    def ask(forwarded: str, cookie: str = "") -> int:
        headers = {"X-Forwarded-For": forwarded, "Cookie": cookie}
        return site.post("/sign-in", data=FORM, headers=headers).status_code

    assert [ask(f"198.51.100.{n}") for n in range(5)] == [200, 200, 200, 429, 429]
    assert [ask("203.0.113.1"), ask("203.0.113.2")] == [200, 429]  # the network of the reader, and another
    assert [ask("198.51.100.9", known), ask("198.51.100.9", f"{known}x")] == [200, 429]
    again = site.get(link, headers={"X-Forwarded-For": "203.0.113.1"})  # another browser, the same reader
    other = again.headers.get_list("Set-Cookie")[1].partition(";")[0]
    assert [ask("203.0.113.9", other), ask("203.0.113.9", other), ask("203.0.113.9", known)] == [200, 429, 429]

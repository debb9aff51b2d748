"""Pausing: by the link in every mail, and signed in."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Schedule, Subscriber, SubscriberState
from digest.security.links import Scope
from tests.builders import at
from tests.web.html import faults_of
from tests.web.reader_site import sign_in_reader, stored
from tests.web.subscribers import EMAIL, add_subscriber, changed, path, state, void_token

Post = Callable[..., Any]


@pytest.fixture(params=["link", "session"])
def way(request: pytest.FixtureRequest, app: App, site: TestClient) -> Callable[[Subscriber], tuple[str, Post]]:
    """(the page's address, what posts to it) of a reader: by link, or signed in."""

    def to(reader: Subscriber) -> tuple[str, Post]:
        own = sign_in_reader(app, site, reader)
        site.headers["Cookie"] = own.cookie if request.param == "session" else ""
        where = "/settings/pause" if request.param == "session" else path(app, Scope.PAUSE, reader)
        csrf = {"csrf": own.csrf} if request.param == "session" else {}
        return where, lambda **form: site.post(where, data=csrf | form)

    return to


def test_a_pause_lasts_until_a_date_in_the_readers_time_zone(app: App, site: TestClient, way: Any) -> None:
    where, post = way(add_subscriber(app, schedule=Schedule(timezone="Asia/Tokyo")))
    answer = post(until="2026-06-10")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{where}?saved=1")
    assert (state(app), stored(app).resumes_at) == ("paused", at("2026-06-09 15:00"))
    page = site.get(f"{where}?saved=1").text
    assert 'role="status">Saved.' in page
    assert "until Wednesday, June 10, 2026." in page
    assert 'value="2026-06-10"' in page
    assert faults_of(page) == []


def test_a_pause_without_a_date_lasts_until_the_reader_ends_it(app: App, site: TestClient, way: Any) -> None:
    where, post = way(add_subscriber(app))
    post(until="")
    assert (state(app), stored(app).resumes_at) == ("paused", None)
    assert "until you end the pause." in site.get(where).text
    post(do="resume")
    assert state(app) == "active"
    assert "Resume" not in site.get(where).text


def test_a_pause_can_be_changed(app: App, way: Any) -> None:
    _, post = way(add_subscriber(app, state=SubscriberState.PAUSED, resumes_at=at("2026-06-09 00:00")))
    post(until="2026-06-04")
    assert (state(app), stored(app).resumes_at) == ("paused", at("2026-06-04 00:00"))


@pytest.mark.parametrize(
    "until", ["2026-06-03", "2020-01-01", "2028-06-10", "9999-12-31", "0001-01-01", "soon", "2026-13-01"]
)
def test_an_invalid_date_is_marked_and_nothing_is_saved(app: App, way: Any, until: str) -> None:
    _, post = way(add_subscriber(app))
    answer = post(until=until)
    assert answer.status_code == 422
    assert "Choose a future date within two years." in answer.text
    assert f'value="{until}"' in answer.text
    assert faults_of(answer.text) == []
    assert state(app) == "active"


def test_typed_text_is_escaped(app: App, way: Any) -> None:
    _, post = way(add_subscriber(app))
    assert 'value="&#34;&gt;&lt;script&gt;"' in post(until='"><script>').text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(app: App, site: TestClient, way: Any, method: str) -> None:
    where, _ = way(add_subscriber(app))
    assert site.request(method, f"{where}?until=2026-06-10&do=pause").status_code == 200
    assert state(app) == "active"


@pytest.mark.parametrize("before", [SubscriberState.PENDING, SubscriberState.UNSUBSCRIBED, SubscriberState.SUPPRESSED])
def test_a_subscriber_who_gets_no_digests_is_not_activated(
    app: App, site: TestClient, way: Any, before: SubscriberState
) -> None:
    reader = changed(app, add_subscriber(app), state=before)
    where, post = way(reader)
    assert "You aren’t getting any digests at the moment." in site.get(where).text
    for form in ({"until": ""}, {"do": "resume"}):
        post(**form)
        assert state(app) == before.value


def test_ending_a_pause_twice_changes_nothing_more(app: App, way: Any) -> None:
    _, post = way(add_subscriber(app))
    assert post(do="resume").status_code == 303
    assert stored(app).last_slot_at is None


def test_the_page_behind_a_link_masks_the_address_and_has_no_links_to_other_pages(app: App, site: TestClient) -> None:
    page = site.get(path(app, Scope.PAUSE, add_subscriber(app))).text
    assert "r•••@example.org" in page
    assert EMAIL not in page
    assert "/settings/" not in page
    assert "csrf" not in page
    assert '<form method="post">' in page


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["old", "left", "removed"])
def test_an_expired_link_pauses_nothing(app: App, site: TestClient, method: str, how: str) -> None:
    reader = add_subscriber(app)
    token = void_token(app, Scope.PAUSE, reader, how)
    assert site.request(method, f"/pause/{token}").status_code == 410
    assert how == "removed" or state(app) == "active"


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.PAUSE])
def test_a_link_of_another_scope_pauses_nothing(app: App, site: TestClient, scope: Scope) -> None:
    token = path(app, scope, add_subscriber(app)).rpartition("/")[2]
    assert site.post(f"/pause/{token}").status_code == 404
    assert state(app) == "active"


def test_a_form_without_the_sessions_token_pauses_nothing(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app))
    assert own.post("/settings/pause", csrf="", until="").status_code == 403
    assert state(app) == "active"


def test_the_page_is_in_the_readers_language(app: App, way: Any, site: TestClient) -> None:
    where, _ = way(add_subscriber(app, language="de"))
    assert "Der erste Digest nach einer Pause enthält die besten Artikel" in site.get(where).text

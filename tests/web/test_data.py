"""The pages to download one's data, to have it erased and to unsubscribe."""

import json

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import MailKind
from digest.store import profiles, subscribers
from digest.subscribers.data_export import export_personal_data
from tests.builders import NOW
from tests.web.html import faults_of
from tests.web.reader_site import ReaderBrowser, sign_in_reader
from tests.web.subscribers import EMAIL, add_subscriber, history, queued, state


@pytest.fixture
def own(app: App, site: TestClient) -> ReaderBrowser:
    """A browser in which a reader with keywords of their own is signed in."""
    reader = add_subscriber(app)
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules("扩散模型"), now=NOW)
    return sign_in_reader(app, site, reader)


def people(app: App) -> list[str]:
    with app.store.read() as tx:
        return [s.email for s in subscribers.list_all(tx)]


def test_the_export_has_everything_that_the_command_line_exports(app: App, own: ReaderBrowser) -> None:
    add_subscriber(app, "other@example.org")
    answer = own.get("/settings/data/export")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="digest.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    with app.store.read() as tx:
        told = export_personal_data(tx, app.membership, EMAIL)
    assert json.loads(answer.text).keys() == told.keys()
    assert json.loads(answer.text)["subscriber"]["keywords"] == "扩散模型"
    assert "扩散模型" in answer.text
    assert "other@" not in answer.text


def test_erasing_needs_the_checkbox(app: App, own: ReaderBrowser) -> None:
    page = own.get("/settings/data").text
    assert '<input type="checkbox" name="sure" value="1" required>' in " ".join(page.split())
    answer = own.post("/settings/data")
    assert answer.status_code == 422
    assert "Please tick the box to confirm" in answer.text
    assert faults_of(page) == faults_of(answer.text) == []
    assert people(app) == [EMAIL]


def test_erasing_deletes_the_subscriber_signs_out_and_suppresses_the_address(app: App, own: ReaderBrowser) -> None:
    answer = own.post("/settings/data", sure="1")
    assert answer.status_code == 200
    assert "Your data has been deleted" in answer.text
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert faults_of(answer.text) == []
    assert people(app) == []
    assert history(app)[-1] == ("erased", "page")
    with app.store.read() as tx:
        assert app.membership.find_suppression(tx, EMAIL) is not None
    for page in ("/settings", "/settings/data/export"):
        assert own.get(page).headers["Location"] == "/sign-in"
    assert own.post("/settings/data", sure="1").headers["Location"] == "/sign-in"


def test_unsubscribing_asks_first_and_its_button_also_signs_out(app: App, own: ReaderBrowser) -> None:
    page = own.get("/settings/leave").text
    assert "Unsubscribe from Daily Papers?" in page
    assert faults_of(page) == []
    answer = own.post("/settings/leave")
    assert (answer.status_code, "Max-Age=0" in answer.headers["Set-Cookie"]) == (200, True)
    assert "We’ve sent you one last email" in answer.text
    assert (state(app), queued(app)) == ("unsubscribed", [MailKind.GOODBYE])
    assert history(app)[-1] == ("unsubscribed", "page from 192.0.2.7")
    assert own.get("/settings").headers["Location"] == "/sign-in"
    assert own.post("/settings/leave").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("page", ["/settings/data?sure=1", "/settings/data/export", "/settings/leave"])
def test_a_get_changes_nothing(app: App, own: ReaderBrowser, method: str, page: str) -> None:
    assert own.client.request(method, page, headers={"Cookie": own.cookie}).status_code == 200
    assert (state(app), queued(app)) == ("active", [])


@pytest.mark.parametrize("csrf", ["", "0" * 32])
@pytest.mark.parametrize("page", ["/settings/data", "/settings/leave"])
def test_a_form_without_the_sessions_token_does_nothing(app: App, own: ReaderBrowser, csrf: str, page: str) -> None:
    assert own.post(page, csrf=csrf, sure="1").status_code == 403
    assert (state(app), queued(app)) == ("active", [])


def test_a_form_with_another_readers_token_does_nothing(app: App, own: ReaderBrowser, site: TestClient) -> None:
    other = sign_in_reader(app, site, add_subscriber(app, "other@example.org"))
    for page in ("/settings/data", "/settings/leave"):
        assert own.post(page, csrf=other.csrf, sure="1").status_code == 403
    assert people(app) == ["other@example.org", EMAIL]


def test_the_pages_are_in_the_readers_language(app: App, site: TestClient) -> None:
    own = sign_in_reader(app, site, add_subscriber(app, language="de"))
    assert "Meine Daten löschen und abbestellen" in own.get("/settings/data").text
    assert "Daily Papers abbestellen?" in own.get("/settings/leave").text
    assert "Ihre Daten wurden gelöscht" in own.post("/settings/data", sure="1").text

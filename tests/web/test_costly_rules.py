"""Rules that would take too long to match are refused at all doors, with the reason, and hold up no one."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from digest.app import App
from digest.matching import compile_rules
from digest.models import Role
from digest.store import profiles
from digest.web.public import search_and_preview
from tests.builders import NOW, a_paper
from tests.commandline import Cli
from tests.web.admin_site import AdminBrowser, an_admin, signed_in
from tests.web.api import Client, token_of
from tests.web.conftest import browser
from tests.web.papers import add_papers, share_profile
from tests.web.reader_site import keywords, sign_in_reader
from tests.web.subscribers import add_subscriber

COSTLY = "cats\n" + "\n".join(f"th* NEAR/9 (in* OR w{n})" for n in range(600))
SAID = "would take too long to match, most of all for"


@pytest.fixture(autouse=True)
def _papers(request: pytest.FixtureRequest) -> None:
    if "app" in request.fixturenames:
        fill(request.getfixturevalue("app"))


def fill(app: App, *, seen_at: datetime = NOW) -> None:
    """Add thirty papers of three hundred words, two thirds of which begin with th or in."""
    made = (a_paper(f"Cats {n}", "this inner model " * 100, id=f"arxiv:2606.{n:05}") for n in range(30))
    add_papers(app, *made, seen_at=seen_at)


Door = Callable[[App, TestClient, str], tuple[int, str]]  # returns (status, page)


def _sign_up(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.post("/subscribe", data={"email": "new@example.org", "rules": rules})
    return answer.status_code, answer.text


def _preview(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.post("/preview", data={"rules": rules})
    assert answer.status_code == 200
    return 422 if "Some keywords have mistakes." in answer.text else 200, answer.text


def _search(_app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = site.get("/search", params={"q": rules})
    return answer.status_code, answer.text


def _settings(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = sign_in_reader(app, site, add_subscriber(app)).post("/settings", part="interests", rules=rules)
    assert keywords(app) == ("" if answer.status_code == 422 else rules)
    return answer.status_code, answer.text


def _editor(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = signed_in(app, site, Role.EDITOR).post("/admin/profiles/new", name="Cats", rules=rules)
    return answer.status_code, answer.text


def _editor_preview(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = signed_in(app, site, Role.EDITOR).post("/admin/profiles/preview", rules=rules)
    return 422 if 'aria-invalid="true"' in answer.text else answer.status_code, answer.text


def _subscriber(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    fields = {"email": "new@example.org", "send_at": "07:00", "timezone": "UTC", "day": "mon", "language": "en"}
    answer = signed_in(app, site).post(
        "/admin/subscribers/new", rules=rules, max_papers="25", announce="new", confirmed="1", **fields
    )
    return answer.status_code, answer.text


def _api(path: str) -> Door:
    def call(app: App, site: TestClient, rules: str) -> tuple[int, str]:
        body = {"name": "Cats", "rules": rules} if path == "/profiles" else {"rules": rules}
        if path == "/subscribers":
            body = {"email": "new@example.org", "keywords": rules}
        answer = Client(site, token_of(app, an_admin(app)))("POST", path, json=body)
        if answer.status_code == 422:
            assert [mistake["line"] > 1 for mistake in answer.json()["errors"]] == [True]
        return answer.status_code, answer.text

    return call


def _query(app: App, site: TestClient, rules: str) -> tuple[int, str]:
    answer = signed_in(app, site, Role.EDITOR).post("/admin/profiles/query", query="\n".join(rules.split("\n")[:800]))
    return 422 if 'aria-invalid="true"' in answer.text else answer.status_code, answer.text


DOORS = {
    "sign-up": _sign_up,
    "preview": _preview,
    "search": _search,
    "settings": _settings,
    "editor": _editor,
    "preview in the editor": _editor_preview,
    "subscriber": _subscriber,
    "API profiles": _api("/profiles"),
    "API preview": _api("/preview"),
    "API subscribers": _api("/subscribers"),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_refuses_costly_rules_with_the_reason_and_takes_others(app: App, site: TestClient, door: str) -> None:
    status, page = DOORS[door](app, site, COSTLY)
    assert (status, SAID in page) == (422, True), page
    assert "in*" in page.partition(SAID)[2][:40]


@pytest.mark.parametrize("door", [name for name in DOORS if name not in {"sign-up", "subscriber"}])
def test_a_door_takes_ordinary_rules(app: App, site: TestClient, door: str) -> None:
    status, page = DOORS[door](app, site, "cats\nth* NEAR/9 in*")
    assert (status in {200, 201, 303}, SAID in page) == (True, False), page


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "add", "Cats", "--rules", "-"),
        ("subscriber", "add", "reader@example.org", "--confirmed", "--keywords", "-"),
        ("match", "-", "--days", "30"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_refuses_costly_rules_with_the_reason(cli: Cli, command: tuple[str, ...]) -> None:
    with App.open(cli.folder / "config.toml") as app:
        fill(app, seen_at=datetime.now(UTC))
    ran = cli(*command, stdin=COSTLY)
    assert (ran.code, SAID in ran.err, ran.err.count("\n")) == (2, True, 1), ran.err


def _restore_on_the_page(_app: App, editor: AdminBrowser, profile_id: int) -> tuple[int, str]:
    answer = editor.post(f"/admin/profiles/{profile_id}/history/1")
    return answer.status_code, answer.text


def _restore_by_api(app: App, editor: AdminBrowser, profile_id: int) -> tuple[int, str]:
    call = Client(editor.client, token_of(app, an_admin(app)))
    answer = call("POST", f"/profiles/{profile_id}/restore", json={"version": 1})
    return answer.status_code, answer.text


@pytest.mark.parametrize("restore", [_restore_on_the_page, _restore_by_api])
def test_an_earlier_version_that_costs_too_much_is_not_restored(
    app: App, site: TestClient, restore: Callable[[App, AdminBrowser, int], tuple[int, str]]
) -> None:
    profile_id = share_versions(app)
    status, page = restore(app, signed_in(app, site, Role.EDITOR), profile_id)
    assert (status, SAID in page) == (422, True), page
    assert rules_of(app, profile_id) == "cats"


def test_the_command_does_not_restore_what_costs_too_much_either(cli: Cli) -> None:
    with App.open(cli.folder / "config.toml") as app:
        fill(app, seen_at=datetime.now(UTC))
        profile_id = share_versions(app)
        ran = cli("profile", "restore", "Cats", "1")
        assert (ran.code, SAID in ran.err, ran.err.count("\n")) == (2, True, 1), ran.err
        assert rules_of(app, profile_id) == "cats"


def share_versions(app: App) -> int:
    """Add a profile whose first version costs too much, as one may that was saved when there were fewer papers."""
    share_profile(app, "Cats", COSTLY)
    with app.store.write() as tx:
        return profiles.edit(tx, "Cats", rules=compile_rules("cats"), by="tests", now=NOW).id


def rules_of(app: App, profile_id: int) -> str:
    with app.store.read() as tx:
        return profiles.get_by_id(tx, profile_id).rules


def test_many_mutes_do_not_add_up_to_costly_rules(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    nearly = "\n".join(COSTLY.split("\n")[:120])
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules(nearly), now=NOW)
    browser = sign_in_reader(app, site, reader)
    wide = "(" + " OR ".join(f"th* NEAR/{n} in*" for n in range(1, 30)) + ")"
    answer = browser.post(f"/settings/mute?keyword={quote(wide)}")
    assert (answer.status_code, "would take too long to match" in answer.text) == (422, True)
    assert keywords(app) == nearly
    assert browser.post("/settings/mute?keyword=dogs").status_code == 303
    assert keywords(app) == f"{nearly}\n-dogs"


def test_a_costly_shared_profile_does_not_spoil_a_preview(app: App, site: TestClient) -> None:
    share_profile(app, "Costly", COSTLY)
    page = site.post("/preview", data={"rules": "cats", "profile": ["Costly"]}).text
    assert "30 papers in the last 7 days" in " ".join(page.split())


def test_a_reader_is_told_on_their_page_that_saved_rules_take_too_long(app: App, site: TestClient) -> None:
    reader = add_subscriber(app)
    with app.store.write() as tx:
        profiles.set_personal(tx, reader.id, compile_rules(COSTLY), now=NOW)
    page = sign_in_reader(app, site, reader).get("/settings")
    assert (page.status_code, SAID in page.text) == (200, True)


def test_publish_leaves_a_costly_profile_out_and_serves_all_others(app: App) -> None:
    costly, ordinary = add_subscriber(app), add_subscriber(app, "other@example.org")
    with app.store.write() as tx:
        for reader, text in ((costly, COSTLY), (ordinary, "cats\nth* NEAR/9 in*")):
            profiles.set_personal(tx, reader.id, compile_rules(text), now=NOW)
    report = app.publish(now=NOW + timedelta(hours=1), everyone=True)
    assert (report.digests, report.empty) == (1, 1)
    assert [(owner, SAID in reason) for owner, reason in report.invalid_rules] == [
        (f"the keywords of {costly.email}", True)
    ]


def test_at_most_two_costly_searches_of_a_network_run_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_and_preview, "_COSTLY", 0.0)
    entered, leave = threading.Semaphore(0), threading.Event()
    find = app.recent_papers.find_recent

    def wait(*given: object, **rest: object) -> object:
        entered.release()
        assert leave.wait(20)
        return find(*given, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(app.recent_papers, "find_recent", wait)
    with ThreadPoolExecutor(6) as pool:
        site, other = browser(app), browser(app, client="198.51.100.9")
        running = [pool.submit(site.get, "/search", params={"q": "th* NEAR/9 in*"}) for _ in range(2)]
        for _ in running:
            assert entered.acquire(timeout=20)
        refused = site.get("/search", params={"q": "th* NEAR/8 in*"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        leave.set()
        assert [answer.result().status_code for answer in running] == [200, 200]
        assert other.get("/search", params={"q": "th* NEAR/8 in*"}).status_code == 200

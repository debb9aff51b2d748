"""Two requests at once: in either order, nothing is done twice and unsubscribed readers stay unsubscribed."""

import threading
from collections.abc import Callable, Sequence

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from digest.app import App
from digest.models import MailKind
from digest.security import addresses
from digest.security.links import Scope
from digest.store import subscribers
from tests.builders import NOW
from tests.web.conftest import browser
from tests.web.reader_site import keywords, sign_in_reader, stored
from tests.web.subscribers import (
    add_subscriber,
    changed,
    confirm_path,
    finish_background,
    history,
    mute_path,
    path,
    pending,
    queued,
    state,
    unsubscribe_path,
)

ROUNDS = range(6)
INTERESTS = {"part": "interests", "rules": "cats"}


@pytest.fixture
def two(app: App) -> tuple[TestClient, TestClient]:
    """Two browsers."""
    return browser(app), browser(app, client="192.0.2.8")


def at_once(*asking: Callable[[], Response]) -> list[Response]:
    """The answers to requests that begin together. None of them is a fault."""
    together = threading.Barrier(len(asking))
    answers: list[Response | None] = [None] * len(asking)

    def ask(place: int) -> None:
        together.wait(20)
        answers[place] = asking[place]()

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(asking))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = [answer for answer in answers if answer is not None]
    assert len(found) == len(asking)
    assert all(answer.status_code < 500 for answer in found)
    return found


def emails() -> Sequence[str]:
    return [f"reader{number}@example.org" for number in ROUNDS]


def test_two_confirmations_at_once_queue_one_welcome_and_begin_one_session(
    app: App, two: tuple[TestClient, TestClient]
) -> None:
    for email in emails():
        link = confirm_path(app, pending(app, email=email))
        answers = at_once(lambda: two[0].post(link), lambda: two[1].post(link))  # noqa: B023  (they end in this round)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert sum("Set-Cookie" in answer.headers for answer in answers) == 1
        assert [event for event, _ in history(app, email)] == ["asked", "confirmed"]
    assert queued(app) == [MailKind.WELCOME] * len(ROUNDS)


@pytest.mark.parametrize("how", ["erase", "leave", "unsubscribe"])
def test_a_save_at_the_moment_of_leaving_does_not_bring_the_subscriber_back(
    app: App, two: tuple[TestClient, TestClient], how: str
) -> None:
    for email in emails():
        reader = add_subscriber(app, email)
        tabs = [sign_in_reader(app, client, reader) for client in two]
        link = unsubscribe_path(app, reader)
        ways: dict[str, Callable[[], Response]] = {
            "erase": lambda: tabs[0].post("/settings/data", sure="1"),  # noqa: B023
            "leave": lambda: tabs[0].post("/settings/leave"),  # noqa: B023
            "unsubscribe": lambda: two[0].post(link),  # noqa: B023
        }
        mute, stop = mute_path(app, reader, "dogs"), path(app, Scope.PAUSE, reader)
        at_once(
            ways[how],
            lambda: tabs[1].post("/settings", **INTERESTS),  # noqa: B023
            lambda: two[1].post(mute),  # noqa: B023
            lambda: two[1].post(stop),  # noqa: B023
        )
        for client in two:
            finish_background(client)
        with app.store.read() as tx:
            left = subscribers.find(tx, email)
        assert (left.state.value, left.epoch) == ("unsubscribed", 1) if left else how == "erase"
        assert [event for event, _ in history(app, email)][-1] in {"erased", "unsubscribed"}
        assert len(history(app, email)) == 2


def test_two_keywords_that_are_muted_at_once_are_both_muted(app: App, two: tuple[TestClient, TestClient]) -> None:
    for email in emails():
        reader = add_subscriber(app, email)
        links = [mute_path(app, reader, keyword) for keyword in ("cats", "dogs")]
        at_once(
            lambda: two[0].post(links[0]),  # noqa: B023
            lambda: two[1].post(links[1]),  # noqa: B023
        )
        assert sorted(keywords(app, email).split("\n")) == ["-cats", "-dogs"]


def test_one_of_two_changes_to_the_same_address_at_once_succeeds(app: App, two: tuple[TestClient, TestClient]) -> None:
    for number in ROUNDS:
        new = f"new{number}@example.org"
        links = []
        for name in ("one", "other"):
            reader = changed(app, add_subscriber(app, f"{name}{number}@example.org"), new_email=new)
            about = app.links.text_hash(addresses.key(new))
            links.append(f"/address/{app.links.token(Scope.ADDRESS, reader.id, 0, about=about, written_at=NOW)}")
        answers = at_once(lambda: two[0].post(links[0]), lambda: two[1].post(links[1]))  # noqa: B023
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        assert stored(app, new).epoch == 1


def test_two_requests_for_the_same_new_address_at_once_queue_one_mail(
    app: App, two: tuple[TestClient, TestClient]
) -> None:
    tabs = [sign_in_reader(app, two[n], add_subscriber(app, f"reader{n}@example.org")) for n in (0, 1)]
    at_once(*(lambda tab=tab: tab.post("/settings/address", email="new@example.org") for tab in tabs))
    for client in two:
        finish_background(client)
    assert [event for event, _ in history(app, "new@example.org")] == ["asked"]
    assert queued(app) == [MailKind.ADDRESS]
    assert state(app, "reader0@example.org") == "active"

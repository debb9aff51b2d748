"""A browser in which a reader is signed in, and their stored settings."""

from dataclasses import dataclass
from typing import Any, cast

from httpx2 import Response
from starlette.applications import Starlette
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Subscriber
from digest.store import profiles, subscribers
from digest.web.sessions import Sessions
from tests.builders import NOW
from tests.web.subscribers import EMAIL


@dataclass(frozen=True)
class ReaderBrowser:
    """Requests pages with a session's cookie, and posts forms with its CSRF token."""

    client: TestClient
    cookie: str
    csrf: str

    def get(self, path: str, **rest: Any) -> Response:
        return self.client.get(path, headers={"Cookie": self.cookie}, **rest)

    def post(self, path: str, *, csrf: str | None = None, **form: Any) -> Response:
        said = self.csrf if csrf is None else csrf
        return self.client.post(path, data={"csrf": said} | form, headers={"Cookie": self.cookie})


def sign_in_reader(app: App, client: TestClient, reader: Subscriber) -> ReaderBrowser:
    sessions: Sessions = cast(Starlette, client.app).state.services.sessions
    cookie = sessions.begin(reader, now=NOW).partition(";")[0]
    session = sessions.find(cookie.partition("=")[2], now=NOW)
    assert session is not None
    return ReaderBrowser(client, cookie, session.csrf)


def stored(app: App, email: str = EMAIL) -> Subscriber:
    with app.store.read() as tx:
        return subscribers.get(tx, email)


def keywords(app: App, email: str = EMAIL) -> str:
    with app.store.read() as tx:
        own = profiles.find_personal(tx, subscribers.get(tx, email).id)
    return own.rules if own else ""

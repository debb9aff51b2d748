"""What the tests of pages need."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient

from digest.app import App
from digest.web.app import create_app
from tests.builders import NOW

Opened = Callable[..., TestClient]


@pytest.fixture(scope="session", autouse=True)
def _one_event_loop() -> Iterator[None]:
    """All requests share a loop and its threads: a TestClient would start both again for each request."""
    with start_blocking_portal() as portal, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestClient, "portal", portal)
        yield


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Opened]:
    """The pages of a newsletter that a text configures, as a browser at 192.0.2.7 sees them."""
    opened: list[App] = []

    def open_one(toml: str, *, client: str = "192.0.2.7") -> TestClient:
        (tmp_path / "config.toml").write_text(toml, encoding="utf-8")
        opened.append(App.open(tmp_path / "config.toml"))
        return browser(opened[-1], client=client)

    yield open_one
    for installation in opened:
        installation.close()


@pytest.fixture
def site(app: App) -> TestClient:
    """The pages of that newsletter, as a browser at 192.0.2.7 sees them."""
    return browser(app)


def browser(app: App, *, client: str = "192.0.2.7", now: datetime = NOW) -> TestClient:
    """What asks for pages, once a second from `now` on. It follows no redirect."""
    seconds = count()
    asgi = create_app(app, clock=lambda: now + timedelta(seconds=next(seconds)), lag=0)
    return TestClient(asgi, client=(client, 50000), follow_redirects=False, raise_server_exceptions=False)

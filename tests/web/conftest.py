"""What the tests of pages need."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from digest.installation import Installation
from digest.web import create_app
from tests.builders import NOW

Opened = Callable[..., TestClient]


@pytest.fixture
def open_site(tmp_path: Path) -> Iterator[Opened]:
    """The pages of a newsletter that a text configures, as a browser at 192.0.2.7 sees them."""
    opened: list[Installation] = []

    def open_one(toml: str, *, client: str = "192.0.2.7") -> TestClient:
        (tmp_path / "config.toml").write_text(toml, encoding="utf-8")
        opened.append(Installation.open(tmp_path / "config.toml"))
        return browser(opened[-1], client=client)

    yield open_one
    for installation in opened:
        installation.close()


@pytest.fixture
def site(here: Installation) -> TestClient:
    """The pages of that newsletter, as a browser at 192.0.2.7 sees them."""
    return browser(here)


def browser(here: Installation, *, client: str = "192.0.2.7", now: datetime = NOW) -> TestClient:
    """What asks for pages, once a second from `now` on. It follows no redirect."""
    seconds = count()
    app = create_app(here, clock=lambda: now + timedelta(seconds=next(seconds)), lag=0)
    return TestClient(app, client=(client, 50000), follow_redirects=False, raise_server_exceptions=False)

"""`digest demo --serve` in a separate process, visitors in a browser, and the mails that arrive."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import launched
from tests.serving import IN_TIME, Serving


class Mailbox:
    """The mails that arrive for one address from now on."""

    def __init__(self, folder: Path, email: str) -> None:
        self._folder = folder
        self._email = email
        self._read = len(self._arrived())

    def next(self) -> Any:
        """Wait for the next mail and return it."""
        deadline = time.monotonic() + 2 * IN_TIME
        while self.is_empty():
            assert time.monotonic() < deadline, "no mail came"
            time.sleep(0.05)
        mail = message_from_bytes(self._arrived()[self._read].read_bytes(), policy=policy.default)
        self._read += 1
        return mail

    def is_empty(self) -> bool:
        """Whether all mails that arrived have been read."""
        return len(self._arrived()) <= self._read

    def _arrived(self) -> list[Path]:
        return sorted(self._folder.glob(f"*-{self._email}.eml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo."""

    url: str
    folder: Path  # with its config.toml, its database and the mails
    password: str  # of its admin
    serving: Serving

    def mailbox(self, email: str) -> Mailbox:
        """Returns the mailbox of an address."""
        return Mailbox(self.folder / "mail", email)


@contextmanager
def served_demo(folder: Path) -> Iterator[Demo]:
    """Serve the demo during the block and stop it afterwards."""
    serving = Serving(folder, "demo", "--serve")
    try:
        url = serving.wait_for(r"(?m)\Ahttp://\S+$")
        password = serving.wait_for(r"the password (\S+)")
        yield Demo(url=url, folder=folder / "digest-demo", password=password, serving=serving)
    finally:
        serving.stop()


@contextmanager
def browsing(*, scripts: bool, width: int, allowed_messages: str) -> Iterator[Any]:
    """Open a page in a browser in Lima's time zone. Fails on console messages not matched by `allowed_messages`."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as driver:
        browser = launched(driver)
        context = browser.new_context(
            java_script_enabled=scripts, viewport={"width": width, "height": 720}, timezone_id="America/Lima"
        )
        page = context.new_page()
        page.set_default_timeout(1000 * IN_TIME)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        yield page
        browser.close()
    assert [text for text in complaints if not re.search(allowed_messages, text)] == []


class Visitor:
    """A visitor with a browser. `scripts` says whether JavaScript runs in it."""

    def __init__(self, page: Any, url: str, *, scripts: bool) -> None:
        self.page = page
        self.scripts = scripts
        self._url = url

    def open(self, path: str) -> None:
        """Open a page by its path, or a link by its whole address."""
        self.page.goto(path if path.startswith("http") else f"{self._url}{path}")

    def press(self, button: str) -> None:
        """Press the first button of that name."""
        self.page.get_by_role("button", name=button).first.click()

    def follow(self, link: str) -> None:
        """Follow the first link of that name."""
        self.page.get_by_role("link", name=link).first.click()

    def sees(self, heading: str) -> None:
        """Wait for the page with that heading."""
        self.page.get_by_role("heading", name=heading).wait_for()

    def reads(self, text: str) -> None:
        """Wait for a text on the page."""
        self.page.get_by_text(text).first.wait_for()

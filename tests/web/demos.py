"""`digest demo --serve` in a process of its own, whoever visits its pages in a browser, and the mails that arrive."""

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
    """The mails that really arrive for one address from now on."""

    def __init__(self, folder: Path, email: str) -> None:
        self._folder = folder
        self._email = email
        self._read = len(self._arrived())

    def next(self) -> Any:
        """The mail that comes next, waited for."""
        deadline = time.monotonic() + 2 * IN_TIME
        while self.is_empty():
            assert time.monotonic() < deadline, "no mail came"
            time.sleep(0.05)
        mail = message_from_bytes(self._arrived()[self._read].read_bytes(), policy=policy.default)
        self._read += 1
        return mail

    def is_empty(self) -> bool:
        """Whether all that arrived is read."""
        return len(self._arrived()) <= self._read

    def _arrived(self) -> list[Path]:
        return sorted(self._folder.glob(f"*-{self._email}.eml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The demo that is served."""

    url: str
    folder: Path  # with its config.toml, its database and the mails
    password: str  # of its admin
    serving: Serving

    def mailbox(self, email: str) -> Mailbox:
        """Where mails to an address arrive."""
        return Mailbox(self.folder / "mail", email)


@contextmanager
def served_demo(folder: Path) -> Iterator[Demo]:
    """It ends well."""
    serving = Serving(folder, "demo", "--serve")
    try:
        url = serving.wait_for(r"(?m)\Ahttp://\S+$")
        password = serving.wait_for(r"the password (\S+)")
        yield Demo(url=url, folder=folder / "digest-demo", password=password, serving=serving)
    finally:
        serving.stop()


@contextmanager
def browsing(*, scripts: bool, width: int, complains_of: str) -> Iterator[Any]:
    """A page of a browser in Lima. Its console complains of nothing but `complains_of`, a regular expression."""
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
    assert [text for text in complaints if not re.search(complains_of, text)] == []


class Visitor:
    """Somebody at a browser. `scripts` run in it or do not."""

    def __init__(self, page: Any, url: str, *, scripts: bool) -> None:
        self.page = page
        self.scripts = scripts
        self._url = url

    def open(self, path: str) -> None:
        """A page by its path, or a link by its whole address."""
        self.page.goto(path if path.startswith("http") else f"{self._url}{path}")

    def press(self, button: str) -> None:
        """The first button of that name."""
        self.page.get_by_role("button", name=button).first.click()

    def follow(self, link: str) -> None:
        """The first link of that name."""
        self.page.get_by_role("link", name=link).first.click()

    def sees(self, heading: str) -> None:
        """The page of that heading, as soon as it is there."""
        self.page.get_by_role("heading", name=heading).wait_for()

    def reads(self, text: str) -> None:
        """A text, as soon as it is there."""
        self.page.get_by_text(text).first.wait_for()

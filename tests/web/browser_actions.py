"""The state of a page, and the actions in a browser that lead to it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from digest.app import App
from digest.models import Subscriber
from tests.builders import a_paper
from tests.web.subscribers import add_subscriber

LONG_NAME = "Donaudampfschifffahrtsforschungsgesellschaftsneuigkeiten"
CROWD = a_paper(
    LONG_NAME, "On speech.", id="test:crowd", authors=tuple(f"Author {n} of Many" for n in range(300)),
    categories=("cs.LG", "stat.ML"), url="https://example.org/1", pdf_url="https://example.org/1.pdf",
)  # fmt: skip

Action = Callable[[Any], None]
PathMaker = Callable[[App], str]

numbers = count(1)  # for unique names


@dataclass(frozen=True, slots=True)
class State:
    """A page, and what to do on it. `does` gets the browser's page."""

    template: str  # "settings": settings.html.j2
    where: str | PathMaker  # its path
    does: Action | None = None
    reader: Callable[[App], Subscriber] | None = None  # who is signed in
    bare: bool = False  # on a site that has nothing yet
    admin: bool = False  # an admin is signed in


def reader(app: App, **rest: Any) -> Subscriber:
    """Add a subscriber."""
    return add_subscriber(app, f"reader-{next(numbers)}@example.org", **rest)


def press(name: str, number: int = 0) -> Action:
    return lambda page: page.get_by_role("button", name=name).nth(number).click()


def follow(name: str) -> Action:
    return lambda page: page.get_by_role("link", name=name).first.click()


def fill_and_press(button: str, number: int = 0, **typed: str) -> Action:
    """Fill in fields by their ids, and press a button, without the browser's own validation."""

    def does(page: Any) -> None:
        page.evaluate("for (const form of document.forms) form.noValidate = true")
        for field, text in typed.items():
            page.fill(f"#{field}", text)
        page.get_by_role("button", name=button).nth(number).click()

    return does

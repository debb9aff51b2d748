"""What states of pages are made of."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from digest.app import App
from digest.models import Subscriber
from tests.builders import a_paper
from tests.web.people import enrolled

LONG_NAME = "Donaudampfschifffahrtsforschungsgesellschaftsneuigkeiten"
CROWD = a_paper(
    LONG_NAME, "On speech.", id="test:crowd", authors=tuple(f"Author {n} of Many" for n in range(300)),
    categories=("cs.LG", "stat.ML"), url="https://example.org/1", pdf_url="https://example.org/1.pdf",
)  # fmt: skip

Doing = Callable[[Any], None]
Where = Callable[[App], str]

numbers = count(1)  # of what has to have a name that nothing else has


@dataclass(frozen=True, slots=True)
class State:
    """A page as it is when something was done there. `does` is told the browser's page."""

    template: str  # "settings": the one that it is written with
    where: str | Where  # its path
    does: Doing | None = None
    reader: Callable[[App], Subscriber] | None = None  # who is signed in
    bare: bool = False  # on a site that has nothing yet
    admin: bool = False  # an admin is signed in


def reader(app: App, **rest: Any) -> Subscriber:
    """Somebody new."""
    return enrolled(app, f"reader-{next(numbers)}@example.org", **rest)


def press(name: str, number: int = 0) -> Doing:
    return lambda page: page.get_by_role("button", name=name).nth(number).click()


def follow(name: str) -> Doing:
    return lambda page: page.get_by_role("link", name=name).first.click()


def filled(button: str, number: int = 0, **typed: str) -> Doing:
    """Fields by their ids, and a button. What browsers refuse themselves is sent, too."""

    def does(page: Any) -> None:
        page.evaluate("for (const form of document.forms) form.noValidate = true")
        for field, text in typed.items():
            page.fill(f"#{field}", text)
        page.get_by_role("button", name=button).nth(number).click()

    return does

"""The pages in a browser: phone and desktop, light and dark, by keyboard alone, with JavaScript and without."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.installation import Installation
from digest.links import Scope
from digest.matching import compile_rules
from digest.models import SubscriberState
from digest.store import profiles, subscribers
from digest.web import create_app, listen, serving, url_of
from tests.browsing import LOWEST_CONTRAST, needs_chromium, serious_faults
from tests.builders import NOW
from tests.mta import wait_until
from tests.web.papers import printed
from tests.web.people import changed, enrolled, path, removed, state, way_in, way_out

pytestmark = needs_chromium

PAGES = ["front", "leave", "german", "arabic", "left", "already left", "absent", "yes", "in", "too old", "lost"]
PAGES += ["search", "found", "mistaken", "no such period", "propose"]
PAGES += ["subscribe", "marked", "mailbox", "sign in", "enter"]
LONG_NAME = "Donaudampfschifffahrtsforschungsgesellschaftsneuigkeiten"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A newsletter that is really served."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "mine" / "locale").mkdir(parents=True)
    (folder / "mine" / "locale" / "ar.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        'msgid "Unsubscribe"\nmsgstr "إلغاء الاشتراك"\n'
        'msgid "Leave %(newsletter)s?"\nmsgstr "هل تريد مغادرة %(newsletter)s؟"\n',
        encoding="utf-8",
    )
    listener = listen("127.0.0.1", 0)
    newsletter = f'[newsletter]\nbase_url = "{url_of(listener)}"\n[signup]\nhourly_per_client = 1000\n'
    (folder / "config.toml").write_text(f"{newsletter}[templates]\npath = 'mine'\n", encoding="utf-8")
    with (
        Installation.open(folder / "config.toml") as opened,
        serving(create_app(opened, clock=lambda: NOW), listener, on_loss=lambda: None),
    ):
        yield opened


@pytest.fixture(scope="module")
def links(here: Installation) -> dict[str, str]:
    """Where each page is, with who it is for."""
    base = here.config.newsletter.base_url
    leaving, left = enrolled(here, "leaving@example.org"), enrolled(here, "left@example.org")
    german = changed(here, enrolled(here, "deutsch@example.org"), language="de")
    arabic = changed(here, enrolled(here, "arabic@example.org"), language="ar")
    coming = enrolled(here, "coming@example.org", state=SubscriberState.PENDING)
    gone = enrolled(here, "gone@example.org")
    with here.store.write() as tx:
        profiles.add(tx, LONG_NAME, compile_rules(f"{LONG_NAME}\nspeech"), now=NOW)
    removed(here, gone)
    printed(here, *(f"{LONG_NAME}, number {n}" for n in range(45)))
    ways = {
        "front": "/",
        "leave": way_out(here, leaving),
        "german": way_out(here, german),
        "arabic": way_out(here, arabic),
        "left": way_out(here, left),
        "already left": way_out(here, left),
        "absent": way_out(here, gone),
        "yes": way_in(here, coming),
        "in": way_in(here, enrolled(here, "in@example.org")),
        "too old": way_in(here, gone),
        "lost": "/nowhere",
        "search": "/search",
        "found": f"/search?q={LONG_NAME}+OR+speech&page=2&in=2026-06",
        "mistaken": "/search?q=speech+AND",
        "no such period": "/search?q=speech&in=yesterday",
        "propose": "/propose",
        "subscribe": "/subscribe",
        "marked": "/subscribe",
        "mailbox": "/subscribe",
        "sign in": "/sign-in",
        "enter": path(here, Scope.SIGN_IN, arabic),
    }
    return {name: base + way for name, way in ways.items()}


Opening = Callable[..., Any]


@pytest.fixture
def look(browser: Any, links: dict[str, str]) -> Iterator[Opening]:
    """Opens a page by its name, in a window of a width, in a colour scheme. It has no complaints."""
    opened: list[Any] = []
    complaints: list[str] = []

    def open_page(name: str, width: int = 375, scheme: str = "light", *, scripts: bool = True) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 720}, color_scheme=scheme, java_script_enabled=scripts
        )
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(links[name])
        if name == "left" and page.locator("button").count():
            page.locator("button").click()
        if name in {"marked", "mailbox"}:
            page.fill("#email", "new@example.org")
            page.fill("#rules", "a AND" if name == "marked" else "cats")
            page.fill("#timezone", "Moon" if name == "marked" else "UTC")
            page.locator("button").first.click()
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [text for text in complaints if not any(status in text for status in ("404", "410", "422"))] == []


def to_the_button(page: Any) -> None:
    """With the keyboard alone."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "BUTTON":
            return
    raise AssertionError("no button has the focus")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_leave_on_a_phone(
    look: Opening, here: Installation, links: dict[str, str], scripts: bool
) -> None:
    email = f"keyboard-{scripts}@example.org".lower()
    links["keyboard"] = here.config.newsletter.base_url + way_out(here, enrolled(here, email))
    page = look("keyboard", scripts=scripts)
    assert page.get_by_role("heading", name="Leave Daily Papers?").is_visible()
    page.wait_for_load_state("networkidle")
    assert state(here, email) == "active"
    to_the_button(page)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You have left Daily Papers").wait_for()
    assert state(here, email) == "unsubscribed"
    page.reload()  # posts again
    assert page.get_by_role("heading", name="You have left Daily Papers").is_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_subscribe(look: Opening, here: Installation, scripts: bool) -> None:
    page = look("subscribe", scripts=scripts)
    email = f"typed-{scripts}@example.org".lower()
    while page.evaluate("document.activeElement.id") != "email":
        page.keyboard.press("Tab")
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the profile
    while page.evaluate("document.activeElement.id") != "timezone":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # subscribes, and does not try the keywords
    page.get_by_role("heading", name="Look into your mailbox").wait_for()
    wait_until(lambda: known(here, email), "a new subscriber")


def known(here: Installation, email: str) -> bool:
    with here.store.read() as tx:
        return subscribers.find(tx, email) is not None


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_its_window_and_every_text_stands_out(look: Opening, name: str, scheme: str) -> None:
    page = look(name, 320, scheme)
    for width in (320, 375, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    contrast, text = page.evaluate(LOWEST_CONTRAST)
    assert contrast >= 4.5, text


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(look: Opening, name: str, scheme: str) -> None:
    assert serious_faults(look(name, 375, scheme)) == []


def test_what_has_the_focus_is_seen(look: Opening) -> None:
    page = look("leave")
    to_the_button(page)
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    assert page.evaluate(outline) == "solid"


def test_the_button_is_large_enough_for_a_thumb(look: Opening) -> None:
    box = look("leave").locator("button").bounding_box()
    assert box["height"] >= 44
    assert box["width"] >= 300


def test_a_page_from_right_to_left_begins_at_the_right(look: Opening) -> None:
    begins = "document.querySelector('button').getBoundingClientRect().right"
    edge = "document.querySelector('h1').getBoundingClientRect().right"
    page = look("arabic", 1280)
    assert page.evaluate(begins) == page.evaluate(edge)


def test_a_page_asks_nobody_else_for_anything(look: Opening, here: Installation) -> None:
    page = look("leave")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    assert len(asked) >= 2
    assert all(url.startswith(here.config.newsletter.base_url) for url in asked)


def test_a_long_word_widens_no_window(browser: Any, tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    (tmp_path / "config.toml").write_text(f"[newsletter]\nname = '{LONG_NAME}'\n", encoding="utf-8")
    with (
        Installation.open(tmp_path / "config.toml") as here,
        serving(create_app(here, clock=lambda: NOW), listener, on_loss=lambda: None),
    ):
        page = browser.new_page(viewport={"width": 320, "height": 720})
        page.goto(url_of(listener) + way_out(here, enrolled(here)))
        width = page.evaluate("document.documentElement.scrollWidth")
        page.close()
    assert width == 320

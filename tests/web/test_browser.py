"""The pages in a browser: phone and desktop, light and dark, by keyboard alone, with JavaScript and without."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.app import App
from digest.mail.templates import shipped_folder
from digest.store import subscribers
from digest.web.app import create_app
from digest.web.rendering import Renderer
from digest.web.server import listen, serving, url_of
from tests.browsing import LOWEST_CONTRAST, needs_chromium, serious_faults
from tests.builders import NOW
from tests.mta import wait_until
from tests.serving import IN_TIME
from tests.web.admin_page_states import admin_cookie
from tests.web.browser_actions import LONG_NAME, State
from tests.web.html import faults_of
from tests.web.page_states import STATES, cookie, full_site, served
from tests.web.subscribers import add_subscriber, state, unsubscribe_path

pytestmark = needs_chromium

FOLDER = shipped_folder() / "web"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with full_site(tmp_path_factory.mktemp("full")) as opened:
        yield opened


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A newsletter without papers, whose sign-up is closed."""
    with served(tmp_path_factory.mktemp("bare"), "[signup]\npolicy = 'closed'\n") as opened:
        yield opened


@pytest.fixture(scope="module")
def written() -> Iterator[list[str]]:
    """The templates that pages were written with."""
    names: list[str] = []
    text = Renderer.text

    def noted(renderer: Renderer, template: str, page: object, **rest: Any) -> str:
        names.append(template.removesuffix(".html.j2"))
        return text(renderer, template, page, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Renderer, "text", noted)
        yield names


Opening = Callable[..., Any]


@pytest.fixture(scope="module")
def windows(browser: Any) -> Iterator[dict[bool, Any]]:
    """One with JavaScript, one without: every new window would cost a new process."""
    with browser.new_context() as context, browser.new_context(java_script_enabled=False) as plain:
        yield {True: context.new_page(), False: plain.new_page()}


@pytest.fixture
def look(windows: dict[bool, Any], written: list[str], app: App, bare: App) -> Iterator[Opening]:
    """Opens a page by its name, in a window of a width, with no cookie but its own.

    It has no complaints, and its `answers` are the pages that came.
    """
    opened: list[Any] = []
    complaints: list[str] = []

    def complain(message: Any) -> None:
        complaints.append(message.text)

    def open_page(name: str | State, width: int = 375, *, scripts: bool = True) -> Any:
        state = STATES[name] if isinstance(name, str) else name
        site = bare if state.bare else app
        page = windows[scripts]
        opened.append(page)
        page.set_viewport_size({"width": width, "height": 720})
        page.set_default_timeout(1000 * IN_TIME)
        page.answers = []
        page.on("console", complain)
        page.on("response", note_answer)
        if state.reader is not None:
            page.context.add_cookies([cookie(site, state.reader(site))])
        if state.admin:
            page.context.add_cookies([admin_cookie(site)])
        where = state.where if isinstance(state.where, str) else state.where(site)
        page.goto(site.config.newsletter.base_url + where)
        if state.does is not None:
            state.does(page)
            page.wait_for_load_state()
        return page

    yield open_page
    for page in opened:
        page.goto("about:blank")
        page.context.clear_cookies()
        page.emulate_media(color_scheme="light")
        page.remove_listener("console", complain)
        page.remove_listener("response", note_answer)
    # A frame where nothing may run says so when a test looks into it; axe asks such frames, too, and our scripts none.
    expected = r"40[349]|410|422|429|^Blocked script execution in '[^']*/admin/templates/|^Framing '"
    expected += (
        r"|^Failed to execute 'postMessage' on 'DOMWindow': .* does not match the recipient window's origin \('null'\)"
    )
    assert [text for text in complaints if not re.search(expected, text)] == []


def note_answer(answer: Any) -> None:
    """Add what is a page, of a window or of a frame in it, to those that came."""
    if answer.request.is_navigation_request() and answer.status != 303:
        answer.frame.page.answers.append(answer)


@pytest.mark.parametrize("name", STATES)
def test_a_page_fits_has_contrast_is_valid_and_passes_axe(look: Opening, written: list[str], name: str) -> None:
    written.clear()
    page = look(name, 1280)  # wide, because the admin pages have their navigation in a menu on phones
    assert STATES[name].template in written
    assert faults_of(page.answers[-1].text()) == []
    for width in (1280, 320, 375):
        page.set_viewport_size({"width": width, "height": 720})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrast, text = page.evaluate(LOWEST_CONTRAST)
        assert contrast >= 4.5, (scheme, text)
        assert serious_faults(page, *([] if scheme == "light" else ["color-contrast"])) == []  # all else is the same


def test_no_page_is_forgotten() -> None:
    texts = {file.name.removesuffix(".html.j2"): file.read_text(encoding="utf-8") for file in FOLDER.glob("*.html.j2")}
    extended = {name: re.search(r'{% extends "web/(.+)\.html\.j2" %}', text) for name, text in texts.items()}
    frames = {found[1] for found in extended.values() if found}
    pages = {name for name, found in extended.items() if found} - frames
    assert {state.template for state in STATES.values()} == pages


def to_the_button(page: Any) -> None:
    """With the keyboard alone."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "BUTTON":
            return
    raise AssertionError("no button has the focus")


def tab_to(page: Any, field: str) -> None:
    """With the keyboard alone, to the field of an id."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == field:
            return
    raise AssertionError(f"{field} never has the focus")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_leave_on_a_phone(look: Opening, app: App, scripts: bool) -> None:
    email = f"keyboard-{scripts}@example.org".lower()
    page = look(State("unsubscribe", unsubscribe_path(app, add_subscriber(app, email))), scripts=scripts)
    page.get_by_role("heading", name="Unsubscribe from Daily Papers?").wait_for()
    page.wait_for_load_state("networkidle")
    assert state(app, email) == "active"
    to_the_button(page)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You have unsubscribed from Daily Papers").wait_for()
    assert state(app, email) == "unsubscribed"
    page.reload()  # posts again
    page.get_by_role("heading", name="You have unsubscribed from Daily Papers").wait_for()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_subscribe(look: Opening, app: App, scripts: bool) -> None:
    page = look("subscribe", scripts=scripts)
    email = f"typed-{scripts}@example.org".lower()
    tab_to(page, "email")
    page.keyboard.type(email)
    tab_to(page, "timezone")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the profile
    tab_to(page, "rules")
    page.keyboard.type("cats")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # subscribes, and does not try the keywords
    page.get_by_role("heading", name="Check your inbox").wait_for()
    wait_until(lambda: known(app, email), "a new subscriber")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_choose(look: Opening, scripts: bool) -> None:
    page = look("settings", scripts=scripts)
    tab_to(page, "rules")
    page.keyboard.type("cats")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Saved.").wait_for()
    tab_to(page, "max_papers")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    page.get_by_text("Saved.").wait_for()
    assert page.locator("#rules").input_value() == "cats"
    assert page.locator("#max_papers").input_value() == "7"


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_pause(look: Opening, scripts: bool) -> None:
    page = look("pause", scripts=scripts)
    tab_to(page, "until")
    page.keyboard.type("06102026")
    to_the_button(page)
    page.keyboard.press("Enter")
    page.get_by_text("until Wednesday, June 10, 2026").wait_for()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_keyboard_alone_is_enough_to_propose_a_paper(look: Opening, scripts: bool) -> None:
    page = look("propose", scripts=scripts)
    tab_to(page, "paper")
    page.keyboard.type("10.1101/2026.06.01.123456")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()


def known(app: App, email: str) -> bool:
    with app.store.read() as tx:
        return subscribers.find(tx, email) is not None


def test_the_focus_is_visible(look: Opening) -> None:
    page = look("unsubscribe")
    to_the_button(page)
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    assert page.evaluate(outline) == "solid"


def test_the_button_is_large_enough_for_a_thumb(look: Opening) -> None:
    box = look("unsubscribe").locator("button").bounding_box()
    assert box["height"] >= 44
    assert box["width"] >= 300


def test_a_page_from_right_to_left_begins_at_the_right(look: Opening) -> None:
    begins = "document.querySelector('button').getBoundingClientRect().right"
    edge = "document.querySelector('h1').getBoundingClientRect().right"
    page = look("unsubscribe in Arabic", 1280)
    assert page.evaluate(begins) == page.evaluate(edge)


def test_a_page_makes_no_third_party_requests(look: Opening, app: App) -> None:
    page = look("unsubscribe")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    assert len(asked) >= 2
    assert all(url.startswith(app.config.newsletter.base_url) for url in asked)


def test_a_mail_is_shown_in_its_frame_and_cannot_leave_it(look: Opening) -> None:
    page = look("admin mail", 1280)
    mail = page.frame_locator("iframe.mail")
    mail.get_by_role("heading", name="8 new papers for you").wait_for()
    assert "sans-serif" in mail.get_by_role("heading").first.evaluate("each => getComputedStyle(each).fontFamily")
    where = page.url
    mail.get_by_role("link", name="Unsubscribe").click()
    assert page.url == where
    assert len(page.context.pages) == 1


def test_a_long_word_widens_no_window(browser: Any, tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    (tmp_path / "config.toml").write_text(f"[newsletter]\nname = '{LONG_NAME}'\n", encoding="utf-8")
    with (
        App.open(tmp_path / "config.toml") as app,
        serving(create_app(app, clock=lambda: NOW), listener, on_loss=lambda: None),
    ):
        page = browser.new_page(viewport={"width": 320, "height": 720})
        page.goto(url_of(listener) + unsubscribe_path(app, add_subscriber(app)))
        width = page.evaluate("document.documentElement.scrollWidth")
        page.close()
    assert width == 320


@pytest.mark.parametrize("scripts", [True, False])
def test_admin_pages_have_a_menu_on_phones(look: Opening, scripts: bool) -> None:
    page = look("today", 1280, scripts=scripts)
    entry = page.get_by_role("navigation", name="Admin").get_by_role("link", name="Bounces")
    entry.wait_for()
    page.set_viewport_size({"width": 375, "height": 720})
    entry.wait_for(state="hidden")
    page.get_by_text("Menu", exact=True).click()
    entry.click()
    page.get_by_role("heading", name="Bounces").wait_for()

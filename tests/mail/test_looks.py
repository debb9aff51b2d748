"""How mails look in a browser: phone and desktop, light and dark, in German and from right to left."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from digest.mail import template_check
from digest.models import MailKind
from tests.browsing import LOWEST_CONTRAST, needs_chromium, serious_faults
from tests.builders import a_delivery, a_digest, a_subscriber
from tests.mail.samples import composer, two_papers

pytestmark = needs_chromium

MAILS = ["digest", "german", "arabic", "welcome", "nothing yet", "confirmation", "sign-in", "address", "goodbye"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each kind of mail as a file."""
    folder = tmp_path_factory.mktemp("mails")
    (folder / "locale").mkdir()
    (folder / "locale" / "ar.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        'msgid "Unsubscribe"\nmsgstr "إلغاء الاشتراك"\nmsgid "Why:"\nmsgstr "لماذا:"\n',
        encoding="utf-8",
    )
    made = composer(folder)
    welcome = MailKind.WELCOME
    deliveries = {
        "digest": a_delivery(two_papers()),
        "german": a_delivery(template_check.full_digest(a_subscriber(id=7, language="de"))),
        "arabic": a_delivery(template_check.full_digest(a_subscriber(id=7, language="ar"))),
        "welcome": a_delivery(template_check.full_digest(a_subscriber(id=7)), kind=welcome),
        "nothing yet": a_delivery(a_digest([]), kind=welcome),
        **{kind: a_delivery(kind=MailKind(kind)) for kind in MAILS[-4:]},
    }
    for name, delivery in deliveries.items():
        (folder / f"{name}.html").write_text(made.render(delivery).readable_html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in MAILS}


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """The window of all tests."""
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def look(page: Any, pages: dict[str, Path]) -> Callable[..., Any]:
    """Opens a mail by its name, in a window of a width, in a colour scheme."""

    def open_mail(name: str, width: int = 600, scheme: str = "light") -> Any:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(pages[name].as_uri())
        return page

    return open_mail


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_fits_its_window_and_every_text_has_contrast(look: Any, name: str) -> None:
    page = look(name)
    for width in (320, 375, 600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert_every_text_has_contrast(page)


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_readable_where_its_style_sheet_is_dropped(look: Any, name: str) -> None:
    page = look(name, 375)
    page.evaluate("document.querySelectorAll('style').forEach((style) => style.remove())")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert_every_text_has_contrast(page)


def assert_every_text_has_contrast(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrast, text = page.evaluate(LOWEST_CONTRAST)
        assert contrast >= 4.5, (scheme, text)


@pytest.mark.parametrize("name", MAILS)
def test_axe_finds_nothing_serious(look: Any, name: str) -> None:
    page = look(name)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious_faults(page) == [], scheme


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_loads_nothing_from_the_network(page: Any, pages: dict[str, Path], name: str) -> None:
    asked: list[str] = []

    def note(request: Any) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.goto(pages[name].as_uri(), wait_until="networkidle")
    page.remove_listener("request", note)
    assert asked == [pages[name].as_uri()]


def test_a_mail_from_right_to_left_begins_at_the_right(look: Any) -> None:
    begins = "document.querySelector('h1').getBoundingClientRect().right - (() => {"
    begins += "const range = document.createRange(); range.selectNodeContents(document.querySelector('h1'));"
    begins += "return range.getBoundingClientRect().right; })()"
    assert look("arabic").evaluate(begins) < 1
    assert look("german").evaluate(begins) > 50


def test_a_long_word_widens_no_window(browser: Any, tmp_path: Path) -> None:
    digest = template_check.full_digest(a_subscriber(id=7))
    paper = replace(digest.items[0].paper, title="x" * 250, abstract="y" * 5000)
    item = replace(digest.items[0], paper=paper, evidence=(), profile="z" * 80)
    (tmp_path / "mail.html").write_text(
        composer().render(a_delivery(replace(digest, items=(item,)))).readable_html, encoding="utf-8"
    )
    page = browser.new_page(viewport={"width": 375, "height": 900})
    page.goto((tmp_path / "mail.html").as_uri())
    width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert width == 375

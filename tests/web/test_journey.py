"""A reader's way through the pages and mails, in a browser, on the served demo."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest.security.links import Scope
from tests.browsing import needs_chromium
from tests.web.demos import Demo, Visitor, browsing, served_demo

pytestmark = needs_chromium


def link(mail: Any, scope: Scope) -> str:
    """Where the first link of a kind in a mail leads."""
    found = re.search(rf"http://\S+/{scope.value}/\S+", mail.get_body(("plain",)).get_content())
    assert found is not None
    return found.group()


def first_mute(mail: Any) -> tuple[str, str]:
    """(where the first mute link of a mail leads, its keyword)."""
    html = mail.get_body(("html",)).get_content().replace("\r\n", "\n").replace("\n", " ")
    found = re.search(r'href="(http://[^"]+/mute/[^"]+\?keyword=([^"]+))"', html)
    assert found is not None
    return found[1], found[2].replace("+", " ")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with served_demo(tmp_path_factory.mktemp("demo")) as served:
        yield served


class Reader(Visitor):
    """A reader on a phone, and their mailbox."""

    def __init__(self, page: Any, demo: Demo, *, scripts: bool) -> None:
        super().__init__(page, demo.url, scripts=scripts)
        self.email = f"new-reader-{'with' if scripts else 'without'}@example.org"
        self.mailbox = demo.mailbox(self.email)

    @property
    def keywords(self) -> Any:
        """The field for them."""
        return self.page.get_by_role("textbox", name="Keywords")


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def reader(request: pytest.FixtureRequest, demo: Demo) -> Iterator[Reader]:
    """Their browser complains of nothing but forms with mistakes."""
    with browsing(scripts=request.param, width=375, allowed_messages="422") as page:
        yield Reader(page, demo, scripts=request.param)


def test_a_new_reader_joins_chooses_pauses_and_leaves(reader: Reader) -> None:
    fills_in_the_form(reader)
    welcome = says_yes(reader)
    changes_keywords(reader, welcome)
    mutes_one_from_the_mail(reader, welcome)
    pauses_and_resumes(reader, welcome)
    leaves_by_the_button(reader, welcome)


def fills_in_the_form(reader: Reader) -> None:
    page = reader.page
    reader.open("/")
    page.get_by_role("link", name="Subscribe").first.click()
    page.get_by_label("Email address").fill(reader.email)
    page.get_by_label("Language models").check()
    reader.keywords.fill("Ricci flow\n(")
    if reader.scripts:
        page.locator("#preview").get_by_text("Line 2, column").wait_for()
    reader.press("Subscribe")
    page.locator("#rules-mistakes").get_by_text("Line 2, column").wait_for()
    reader.keywords.fill("Ricci flow")
    if reader.scripts:
        page.locator("#preview mark").first.wait_for()
    else:
        reader.press("Try these keywords")
        page.locator("mark").first.wait_for()
        reader.press("Back to the form")
    assert page.get_by_label("Email address").input_value() == reader.email
    assert page.get_by_label("Language models").is_checked()
    assert page.get_by_label("Time zone").input_value() == ("America/Lima" if reader.scripts else "UTC")
    reader.press("Subscribe")
    reader.sees("Check your inbox")


def says_yes(reader: Reader) -> Any:
    """The welcome that comes then."""
    asked = reader.mailbox.next()
    assert asked["Subject"] == "Please confirm your subscription to Daily Papers"
    reader.open(link(asked, Scope.CONFIRM))
    reader.press("Confirm subscription")
    reader.sees("You’re subscribed")
    welcome = reader.mailbox.next()
    assert "The entropy formula for the Ricci flow" in welcome.get_body(("plain",)).get_content()
    return welcome


def changes_keywords(reader: Reader, welcome: Any) -> None:
    reader.open(link(welcome, Scope.PREFERENCES))
    reader.sees("My digest")
    reader.keywords.fill("Ricci flow\nblack hole")
    reader.press("Save")
    reader.page.get_by_text("Saved.").wait_for()
    assert reader.keywords.input_value() == "Ricci flow\nblack hole"


def mutes_one_from_the_mail(reader: Reader, welcome: Any) -> None:
    where, keyword = first_mute(welcome)
    reader.open(where)
    reader.press("Mute")
    reader.sees(f"“{keyword}” is muted")
    reader.open("/settings")
    assert reader.keywords.input_value().split("\n") == ["Ricci flow", "black hole", f"-{keyword}"]


def pauses_and_resumes(reader: Reader, welcome: Any) -> None:
    reader.open(link(welcome, Scope.PAUSE))
    reader.page.get_by_label("Until").fill((datetime.now(UTC) + timedelta(days=7)).date().isoformat())
    reader.press("Pause")
    reader.page.get_by_text("We won’t send any digests to").wait_for()
    reader.open("/settings")
    reader.page.get_by_text("Your digest is paused until").wait_for()
    reader.open(link(welcome, Scope.PAUSE))
    reader.press("Resume")
    reader.page.get_by_text("We send digests to").wait_for()
    reader.open("/settings")
    reader.page.get_by_text("Your next digest is due on").wait_for()


def leaves_by_the_button(reader: Reader, welcome: Any) -> None:
    reader.open(link(welcome, Scope.UNSUBSCRIBE))
    reader.press("Unsubscribe")
    reader.sees("You have unsubscribed from Daily Papers")
    assert reader.mailbox.next()["Subject"] == "You have unsubscribed from Daily Papers"

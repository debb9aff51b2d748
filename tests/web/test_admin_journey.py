"""A day of an admin and an editor, in a browser, on the served demo."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from digest.demo import ADMIN
from digest.models import MailKind
from digest.store import Store, outbox, subscribers
from tests.browsing import needs_chromium
from tests.mta import wait_until
from tests.serving import IN_TIME
from tests.web.demos import Demo, Visitor, browsing, served_demo

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with served_demo(tmp_path_factory.mktemp("demo")) as served:
        yield served


class AdminVisitor(Visitor):
    """An admin or editor of the demo, on a desktop. The names of what they create contain how they browse."""

    def __init__(self, page: Any, demo: Demo, *, scripts: bool) -> None:
        super().__init__(page, demo.url, scripts=scripts)
        self.demo = demo
        self.way = "with" if scripts else "without"
        self.profile = f"Geometry {self.way} scripts"

    @property
    def rules(self) -> Any:
        """The editor's field for them."""
        return self.page.get_by_label("Rules", exact=True)

    def goes_to(self, entry: str) -> None:
        """Open a page by the navigation."""
        self.page.get_by_role("navigation", name="Admin").get_by_role("link", name=entry, exact=True).click()
        self.page.get_by_role("heading", level=1, name=entry, exact=True).wait_for()

    def signs_in(self, email: str, password: str) -> None:
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.press("Sign in")

    def types(self, rules: str) -> None:
        """Rules into the editor, which says what they would find."""
        self.rules.fill(rules)
        if not self.scripts:
            self.press("Preview without saving")


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def visitor(request: pytest.FixtureRequest, demo: Demo) -> Iterator[AdminVisitor]:
    """Their browser complains of nothing but what is refused."""
    with browsing(scripts=request.param, width=1280, allowed_messages=r"\b(403|422)\b") as page:
        yield AdminVisitor(page, demo, scripts=request.param)


def test_an_admins_day(visitor: AdminVisitor) -> None:
    signs_in_at_the_second_try(visitor)
    writes_a_profile_and_mends_its_mistake(visitor)
    changes_a_rule(visitor)
    restores_the_version_before(visitor)
    gets_a_test_mail(visitor)
    imports_people_and_learns_who_is_wrong(visitor)
    puts_a_proposed_paper_into_the_edition(visitor)
    holds_sending_and_releases_it(visitor)
    tries_a_failed_mail_again(visitor)
    finds_all_of_it_in_the_log(visitor)
    signs_out(visitor)


def test_an_editor_sees_to_profiles_and_to_nothing_else(visitor: AdminVisitor) -> None:
    is_made_an_editor(visitor)
    sees_only_their_navigation(visitor)
    edits_a_profile(visitor)
    is_refused_everything_else(visitor)
    signs_out(visitor)


def signs_in_at_the_second_try(admin: AdminVisitor) -> None:
    admin.open("/admin")
    admin.signs_in(ADMIN, "not the password")
    admin.reads("Wrong address or password.")
    admin.signs_in(ADMIN, admin.demo.password)
    admin.sees("Today")


def writes_a_profile_and_mends_its_mistake(admin: AdminVisitor) -> None:
    page = admin.page
    admin.goes_to("Profiles")
    admin.follow("New profile")
    admin.sees("New profile")
    admin.page.get_by_label("Name").fill(admin.profile)
    admin.types("Ricci flow\nblack hole)")
    page.locator("#mistakes").get_by_text("Line 2, column").wait_for()
    assert page.locator("#marked mark").inner_text() == ")"
    assert admin.rules.get_attribute("aria-invalid") == "true"
    admin.reads("1 of 4")
    admin.types("Ricci flow\nblack hole")
    admin.reads("3 of 4")
    assert page.locator("#mistakes li").count() == page.locator("#marked mark").count() == 0
    admin.press("Save")
    admin.reads("Profile added. Readers can follow it now.")


def changes_a_rule(admin: AdminVisitor) -> None:
    admin.types("Ricci flow\nlanguage model")
    admin.page.locator("#changed").get_by_text("removed").wait_for()
    admin.press("Save")
    admin.reads("Saved. The next digests use these rules.")


def restores_the_version_before(admin: AdminVisitor) -> None:
    admin.follow("History")
    admin.follow("Version 1")
    admin.page.locator("pre").last.get_by_text("black hole").wait_for()
    admin.press("Restore this version")
    admin.reads("Restored. The next digests use these rules.")
    assert admin.rules.input_value() == "Ricci flow\nblack hole"


def gets_a_test_mail(admin: AdminVisitor) -> None:
    mailbox = admin.demo.mailbox(ADMIN)
    admin.press("Send me a test email")
    admin.reads("The test email is on its way.")
    mail = mailbox.next()
    assert mail["To"] == ADMIN
    assert "The entropy formula for the Ricci flow" in mail.get_body(("plain",)).get_content()


def imports_people_and_learns_who_is_wrong(admin: AdminVisitor) -> None:
    page, good = admin.page, f"imported-{admin.way}@example.org"
    table = f"email,timezone\n{good},Europe/Berlin\nno address,UTC\nlost-{admin.way}@example.org,Atlantis\n"
    table += "engineer@example.org,UTC\n"
    fates = {
        "Rows with mistakes": ["no address", "Atlantis"],
        "Already subscribed": ["engineer@example.org"],
        "Added": [good],
    }
    admin.goes_to("Subscribers")
    admin.follow("Import subscribers")
    page.get_by_label("File").set_input_files({"name": "people.csv", "mimeType": "text/csv", "buffer": table.encode()})
    page.get_by_label("They have already agreed").check()
    admin.press("Check the file")
    admin.sees("Preview of the import")
    for fate, rows in fates.items():
        page.get_by_role("heading", name=fate).wait_for()
        for row in rows:
            page.get_by_role("row").get_by_text(row).first.wait_for()
    with Store.open(admin.demo.folder / "digest.db").read() as tx:
        assert subscribers.find(tx, good) is None
    admin.press("Import 1 row")
    admin.sees("Import finished")
    admin.goes_to("Subscribers")
    page.get_by_role("searchbox").fill(admin.way + "@")
    admin.press("Search")
    admin.reads("1 subscriber")
    page.get_by_role("rowheader", name=good).wait_for()


def puts_a_proposed_paper_into_the_edition(admin: AdminVisitor) -> None:
    page, title = admin.page, f"On maps, drawn {admin.way} scripts"
    address = f"https://maps.example.org/{admin.way}"

    def is_listed() -> bool:
        admin.open("/admin/submissions")
        return bool(page.get_by_role("link", name=address).count())

    admin.open("/propose")
    page.get_by_label("Web address").fill(address)
    admin.press("Suggest")
    admin.sees("Thank you")
    wait_until(is_listed, "the proposed paper")  # it is written down beside the answer
    admin.follow(address)
    page.get_by_label("Title").fill(title)
    page.get_by_label("Abstract").fill("We draw maps by hand.")
    admin.press("Add to today’s edition")
    admin.reads("The paper is now in today’s edition")
    admin.open("/papers")
    admin.sees(title)


def holds_sending_and_releases_it(admin: AdminVisitor) -> None:
    page, email, reason = admin.page, f"asked-{admin.way}@example.org", f"a look at the mail, {admin.way} scripts"
    mailbox = admin.demo.mailbox(email)
    admin.open("/admin")
    page.get_by_label("Reason").fill(reason)
    admin.press("Hold all sending")
    admin.reads("On hold since")
    admin.goes_to("Subscribers")
    admin.follow("Add a subscriber")
    page.get_by_label("Email address").fill(email)
    admin.press("Add")
    admin.reads("Subscriber added.")
    admin.demo.serving.wait_for(rf"sending is on hold.*{re.escape(reason)}")
    assert mailbox.is_empty()
    admin.goes_to("Deliveries")
    page.get_by_role("row").filter(has_text=email).get_by_text("waiting").wait_for()
    admin.goes_to("Today")
    admin.press("Release and send waiting emails")
    assert mailbox.next()["Subject"] == "Please confirm your subscription to Daily Papers"


def tries_a_failed_mail_again(admin: AdminVisitor) -> None:
    page, email = admin.page, f"asked-{admin.way}@example.org"
    mailbox = admin.demo.mailbox(email)
    fails_to_send(admin.demo, email, f"lost-{admin.way}@example.org")
    admin.goes_to("Today")
    admin.reads("Some emails were permanently rejected.")
    admin.follow("View them")
    row = page.get_by_role("row").filter(has_text=email)
    row.get_by_text("the cable was cut").wait_for()
    row.get_by_role("checkbox").check()
    admin.press("Retry now")
    admin.reads("Retrying 1 email now.")
    assert mailbox.next()["Message-ID"] == f"<lost-{admin.way}@example.org>"


def fails_to_send(demo: Demo, email: str, message_id: str) -> None:
    """An operator's accident, outside the pages."""
    with Store.open(demo.folder / "digest.db").write() as tx:
        whom = subscribers.get(tx, email)
        outbox.queue_mail(
            tx,
            MailKind.CONFIRMATION,
            whom,
            message_id=message_id,
            now=datetime.now(UTC),
            failure="the cable was cut",
        )


def finds_all_of_it_in_the_log(admin: AdminVisitor) -> None:
    page = admin.page
    admin.goes_to("Log")
    page.get_by_label("Who").fill(ADMIN)
    admin.press("Search")
    page.wait_for_url("**/admin/log?who=*")
    done = [row.inner_text() for row in page.locator("tbody tr").all()]
    assert all(ADMIN in line for line in done)
    for line in [
        "sign in",
        f"profile add: {admin.profile}",
        f"profile edit: {admin.profile}",
        f"profile restore: {admin.profile}, version 1",
        f"profile test: {admin.profile}",
        "subscriber import: 1 new",
        "submission approve",
        f"outbox hold: a look at the mail, {admin.way} scripts",
        "subscriber add",
        "outbox release",
        "outbox retry",
    ]:
        assert any(line in text for text in done), line


def signs_out(visitor: AdminVisitor) -> None:
    visitor.press("Sign out")
    visitor.sees("Admin sign-in")
    visitor.open("/admin/profiles")
    visitor.sees("Admin sign-in")


def is_made_an_editor(editor: AdminVisitor) -> None:
    """By who runs the demo, at a terminal."""
    email = f"editor-{editor.way}@example.org"
    command = ["admin", "add", email, "--role", "editor", "--config", str(editor.demo.folder / "config.toml")]
    subprocess.run(
        [sys.executable, "-m", "digest", *command], input="a password of mine\n", text=True, timeout=IN_TIME, check=True
    )
    editor.open("/admin")
    editor.signs_in(email, "a password of mine")
    editor.sees("Profiles")


def sees_only_their_navigation(editor: AdminVisitor) -> None:
    entries = editor.page.get_by_role("navigation", name="Admin").get_by_role("link")
    assert entries.all_inner_texts() == ["Profiles", "Tokens"]


def edits_a_profile(editor: AdminVisitor) -> None:
    editor.follow("Quantum computing" if editor.scripts else "Vision and graphics")
    editor.types(f"{editor.rules.input_value()}\nRicci flow")
    editor.page.locator("#changed").get_by_text("1 paper added").wait_for()
    editor.press("Save")
    editor.reads("Saved. The next digests use these rules.")


def is_refused_everything_else(editor: AdminVisitor) -> None:
    for path in [
        "/next", "/subscribers", "/subscribers/1", "/suppressions", "/deliveries", "/deliveries/1", "/bounces",
        "/sources", "/submissions", "/templates", "/log",
    ]:  # fmt: skip
        editor.open(f"/admin{path}")
        editor.sees("Admins only")
    editor.open("/admin")
    editor.sees("Profiles")

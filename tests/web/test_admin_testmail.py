"""A test mail with a profile's digest, sent to the admin or editor who asks for it."""

import asyncio
import re
import socket
import threading
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.testclient import TestClient

from digest.app import App
from digest.models import Role, SuppressionReason
from digest.store import deliveries, outbox
from digest.transport.smtp_server import SmtpServer
from tests.builders import NOW, a_paper
from tests.serving import IN_TIME
from tests.smtp import Postbox
from tests.web.admin_site import EDITOR_EMAIL, AdminBrowser, signed_in
from tests.web.conftest import browser
from tests.web.papers import publish_papers, share_profile
from tests.web.test_admin_profiles import log, plain

PAGE = "/admin/profiles/1/test"


@pytest.fixture
def editor(app: App, site: TestClient) -> AdminBrowser:
    share_profile(app, "Cats", "cats")
    publish_papers(app, a_paper("A study of cats"), a_paper("Dogs"), a_paper("More cats", "and dogs"))
    return signed_in(app, site, Role.EDITOR)


def sends(app: App, port: int) -> App:
    """The same newsletter, by SMTP."""
    delivery = app.config.delivery
    smtp = delivery.smtp.model_copy(update={"host": "127.0.0.1", "port": port})
    return App(
        app.config.model_copy(update={"delivery": delivery.model_copy(update={"transport": "smtp", "smtp": smtp})}),
        app.store,
    )


def by_smtp(app: App, port: int, editor: AdminBrowser) -> AdminBrowser:
    return replace(editor, client=browser(sends(app, port)))


def mail_of(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.default)


def test_recipient_and_content_are_shown_before_sending(app: App, editor: AdminBrowser) -> None:
    said = plain(editor.read(PAGE))
    assert f"To {EDITOR_EMAIL}" in said
    assert "the best papers from the last 7 days" in said
    assert "A study of cats" in said
    assert "Dogs" not in said
    assert "Send it to me" in said
    assert log(app) == []


def test_a_real_server_gets_a_whole_digest_for_the_editor_alone_whose_links_open_nothing(
    app: App, editor: AdminBrowser
) -> None:
    postbox = Postbox()
    with SmtpServer(postbox) as server:
        answer = by_smtp(app, server.port, editor).post(PAGE, email="somebody@else.org", to="somebody@else.org")
    assert answer.headers["Location"] == f"{PAGE}?done=sent"
    ((recipient, content),) = postbox.mails
    mail = mail_of(content)
    assert (recipient, mail["To"]) == (EDITOR_EMAIL, EDITOR_EMAIL)
    assert "/unsubscribe/0.0." in mail["List-Unsubscribe"]
    for form in ("html", "plain"):
        body = mail.get_body((form,))
        assert body is not None
        text = body.get_content()
        assert "A study of" in text
        assert set(re.findall(r"org/(?:unsubscribe|read|mute|pause|preferences)/(\d+)\.", text)) == {"0"}
    assert log(app) == [(EDITOR_EMAIL, "profile test", "Cats")]
    with app.store.read() as tx:
        assert deliveries.list_newest(tx) == []
    assert "The test email is on its way." in editor.read(answer.headers["Location"])


def test_rules_that_are_not_saved_are_tested_and_kept(app: App, editor: AdminBrowser) -> None:
    postbox = Postbox()
    with SmtpServer(postbox) as server:
        answer = by_smtp(app, server.port, editor).post(PAGE, rules="title:dogs\r\n# <b>", name="Cats")
    assert answer.status_code == 200
    ((_, content),) = postbox.mails
    body = mail_of(content).get_body(("plain",))
    assert body is not None
    assert ("Dogs" in body.get_content(), "cats" in body.get_content()) == (True, False)
    assert 'name="rules" value="title:dogs # &lt;b&gt;">' in " ".join(answer.text.split())
    assert "title:dogs\n# &lt;b&gt;" in answer.text
    assert "These rules aren’t saved yet." in answer.text


def test_rules_that_are_those_saved_are_no_others(app: App, editor: AdminBrowser) -> None:
    assert editor.post(PAGE, rules="cats\r\n", name="Cats").headers["Location"] == f"{PAGE}?done=left"


def test_rules_that_cannot_be_read_are_not_sent(app: App, editor: AdminBrowser) -> None:
    answer = editor.post(PAGE, rules="cats AND")
    assert answer.status_code == 422
    assert "Not sent: the rules contain a mistake." in answer.text
    assert "Line 1, column 9:" in answer.text
    assert log(app) == []


def test_the_servers_refusal_is_shown_as_text(app: App, editor: AdminBrowser) -> None:
    postbox = Postbox(at_rcpt={EDITOR_EMAIL: "550 5.1.1 <script>alert(1)</script> nobody"})
    with SmtpServer(postbox) as server:
        answer = by_smtp(app, server.port, editor).post(PAGE)
    assert answer.status_code == 422
    assert f"not sent to {EDITOR_EMAIL}: 550 5.1.1 &lt;script&gt;alert(1)&lt;/script&gt; nobody" in answer.text
    with SmtpServer(postbox) as gone:
        pass
    answer = by_smtp(app, gone.port, editor).post(PAGE)
    assert (answer.status_code, "The mail server rejected the test email:" in answer.text) == (422, True)
    assert log(app) == []


def test_a_server_that_never_answers_is_waited_for_a_while_only(
    app: App, editor: AdminBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.admin.profiles.test_mail._TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = by_smtp(app, mute.getsockname()[1], editor).post(PAGE)
    assert answer.status_code == 422
    assert "The mail server rejected the test email:" in answer.text
    assert "timed out" in answer.text


def test_without_a_server_it_says_in_which_folder_the_mail_lies(app: App, editor: AdminBrowser) -> None:
    answer = editor.post(PAGE)
    assert answer.headers["Location"] == f"{PAGE}?done=left"
    (file,) = (app.config.folder / "outbox" / "new").iterdir()
    assert mail_of(file.read_bytes())["To"] == EDITOR_EMAIL
    assert f"<bdi>{app.config.folder / 'outbox'}</bdi>" in editor.read(answer.headers["Location"])


def test_while_sending_is_on_hold_nothing_goes(app: App, editor: AdminBrowser) -> None:
    with app.store.write() as tx:
        outbox.start_hold(tx, "wrong list <b>", now=NOW)
    answer = editor.post(PAGE)
    assert answer.status_code == 422
    assert "Sending is on hold, including test emails. <bdi>wrong list &lt;b&gt;</bdi>" in answer.text
    assert "Send it to me" not in editor.read(PAGE)
    assert log(app) == []


def test_a_suppressed_address_gets_none(app: App, editor: AdminBrowser) -> None:
    with app.store.write() as tx:
        app.membership.suppress(tx, EDITOR_EMAIL, SuppressionReason.ADMIN, "", now=NOW)
    answer = editor.post(PAGE)
    assert answer.status_code == 422
    assert "Your own address is suppressed: <bdi>suppressed since 2026-06-03 (admin)</bdi>" in answer.text


def test_a_profile_that_finds_nothing_has_no_mail(app: App, editor: AdminBrowser) -> None:
    share_profile(app, "Zebras", "zebra")
    answer = editor.post("/admin/profiles/2/test")
    assert answer.status_code == 422
    assert "Nothing to send: no paper from the last 7 days matches." in answer.text
    assert not (app.config.folder / "outbox").exists()


def test_at_most_twenty_five_papers_are_in_it_and_the_others_are_counted(app: App, editor: AdminBrowser) -> None:
    publish_papers(app, *(a_paper(f"On cats, number {n}") for n in range(28)))
    said = plain(editor.read(PAGE))
    assert "25, 5 more didn’t fit" in said
    editor.post(PAGE)
    (file,) = (app.config.folder / "outbox" / "new").iterdir()
    body = mail_of(file.read_bytes()).get_body(("plain",))
    assert body is not None
    assert "5 more" in body.get_content()


class Slow(Postbox):
    """Takes a mail when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.begun.set()
        await asyncio.to_thread(self.go_on.wait, IN_TIME)
        return await super().handle_DATA(server, session, envelope)


def test_while_one_is_being_sent_other_pages_answer_and_another_test_is_put_off(app: App, editor: AdminBrowser) -> None:
    postbox, answers = Slow(), list[int]()
    with SmtpServer(postbox) as server:
        slow = by_smtp(app, server.port, editor)
        csrf = slow.csrf

        def send() -> None:
            answer = slow.client.post(PAGE, data={"csrf": csrf}, headers={"Cookie": slow.cookie})
            answers.append(answer.status_code)

        first = threading.Thread(target=send)
        first.start()
        assert postbox.begun.wait(IN_TIME)
        assert slow.get("/admin/profiles").status_code == 200
        other = slow.post(PAGE)
        assert (other.status_code, "Another test email is being sent." in other.text) == (422, True)
        assert answers == []
        postbox.go_on.set()
        first.join()
    assert answers == [303]
    assert len(postbox.mails) == 1

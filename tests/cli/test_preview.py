"""digest preview: shows or sends what a subscriber would get, and records nothing."""

import re
from email import message_from_bytes, message_from_string, policy

import pytest

from digest.transport.smtp_server import FolderHandler, SmtpServer
from tests.commandline import Cli
from tests.mail.samples import overriding

MORNING = "2026-06-03T07:00:00Z"


@pytest.fixture
def cats(cli: Cli) -> Cli:
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("ingest", "--now", MORNING)
    return cli


def preview(cli: Cli, form: str, now: str = MORNING) -> str:
    return cli.ok("preview", "reader@example.org", "--format", form, "--now", now).out


def test_a_preview_is_the_mail_that_is_sent(cats: Cli) -> None:
    shown = preview(cats, "eml")
    assert message_from_string(shown, policy=policy.default)["To"] == "reader@example.org"
    cats.ok("run", "--now", MORNING)
    (file,) = (cats.folder / "outbox" / "new").iterdir()
    assert file.read_bytes() == shown.encode("ascii")


def test_html_and_text_show_the_paper(cats: Cli) -> None:
    html, text = preview(cats, "html"), preview(cats, "text")
    assert html.startswith("<!doctype html>")
    assert '<b\nclass="hit"' in html
    assert "A study of cats" in text
    assert "<" not in text


def test_nothing_is_recorded(cats: Cli) -> None:
    assert preview(cats, "text") == preview(cats, "text")
    assert cats.ok("outbox", "list", "--json").records == []
    assert cats.ok("publish", "--now", MORNING, "--json").record["publish"]["digests"] == 1


def test_no_mail_says_why(cats: Cli) -> None:
    cats.ok("run", "--now", MORNING)
    ran = cats.ok("preview", "reader@example.org", "--now", "2026-06-04T07:00:00Z")
    assert (ran.out, ran.err) == ("", "no email for reader@example.org: no new papers (--last shows the one before)\n")


def test_an_unknown_address_is_refused_with_the_nearest(cats: Cli) -> None:
    ran = cats("preview", "raeder@example.org")
    assert ran.code == 2
    assert "no subscriber 'raeder@example.org'; did you mean 'reader@example.org'?" in ran.err


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("welcome", "Welcome to Daily Papers"),
        ("confirmation", "Confirm your subscription to Daily Papers"),
        ("sign-in", "Sign in to Daily Papers"),
        ("goodbye", "You have unsubscribed from Daily Papers"),
    ],
)
def test_every_kind_of_mail_can_be_previewed(cats: Cli, kind: str, says: str) -> None:
    assert says in cats.ok("preview", "reader@example.org", "--kind", kind, "--now", MORNING).out


def test_a_preview_is_sent_to_another_address(cats: Cli) -> None:
    ran = cats.ok("preview", "reader@example.org", "--send-to", "editor@example.org", "--now", MORNING)
    assert ran.out == ""
    assert ran.err.endswith("outbox: the transport maildir sends nothing\n")
    (file,) = (cats.folder / "outbox" / "new").iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["To"] == "editor@example.org"
    assert "/unsubscribe/0.0." in mail["List-Unsubscribe"]  # of no subscriber: the reader stays subscribed
    for body in (mail.get_body(("html",)), mail.get_body(("plain",))):
        assert body is not None
        text = body.get_content()
        assert set(re.findall(r"org/[a-z-]+/(\d+)\.\d", text)) == {"0"}
        assert "reader@example.org" not in text
    assert cats.ok("outbox", "list", "--json").records == []


def test_a_server_that_refuses_the_preview_is_an_error(cats: Cli) -> None:
    class Refusing(FolderHandler):
        async def handle_RCPT(self, *_: object) -> str:  # noqa: N802  (aiosmtpd's name)
            return "550 5.1.1 nobody of that name"

    with SmtpServer(Refusing(cats.folder)) as server:
        cats.configure(f'[delivery]\ntransport = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = {server.port}\n')
        ran = cats("preview", "reader@example.org", "--send-to", "editor@example.org", "--now", MORNING)
    assert ran.code == 1
    assert "not sent to editor@example.org: 550 5.1.1 nobody of that name" in ran.err


def test_it_uses_custom_templates_and_reports_slow_ones(cats: Cli) -> None:
    overriding(cats.folder, "digest.subject.txt.j2", "{{ mail.newsletter.name }} {{ mail.top_title | upper }}")
    cats.configure('[templates]\npath = "."\n')
    ran = cats.ok("preview", "reader@example.org", "--format", "eml", "--now", MORNING)
    assert "Subject: Daily Papers A STUDY OF CATS\n" in ran.out.replace("\r\n", "\n")
    assert ran.err.startswith("warning: ")
    assert "digest.subject.txt.j2: works, but is slow, because it is rendered again" in ran.err
    overriding(cats.folder, "cards.html.j2", "x")
    ran = cats.ok("preview", "reader@example.org", "--now", MORNING)
    assert "email/cards.html.j2 replaces nothing; did you mean email/card.html.j2?" in ran.err


def test_a_faulty_template_is_reported_with_file_and_line(cats: Cli) -> None:
    overriding(cats.folder, "digest.txt.j2", "\n{{ mial }}")
    cats.configure('[templates]\npath = "."\n')
    for command, done in ((["preview", "reader@example.org"], []), (["run"], ["ingest", "publish"])):
        ran = cats(*command, "--now", MORNING)
        assert (ran.code, [line.partition(":")[0] for line in ran.out.splitlines()]) == (2, done)
        assert "digest.txt.j2:2: 'mial' is undefined" in ran.err
    assert not (cats.folder / "outbox" / "new").exists() or not list((cats.folder / "outbox" / "new").iterdir())


def test_the_last_digest_can_be_previewed(cats: Cli) -> None:
    ran = cats("preview", "reader@example.org", "--last")
    assert ran.code == 2
    assert "reader@example.org has no digest yet" in ran.err
    ran = cats("preview", "reader@example.org", "--last", "--kind", "goodbye")
    assert (ran.code, "--last shows a digest" in ran.err) == (2, True)
    cats.ok("run", "--now", MORNING)
    cats.ok("run", "--now", "2026-06-04T07:00:00Z")  # nothing new
    shown = cats.ok("preview", "reader@example.org", "--last", "--format", "eml").out
    (file,) = (cats.folder / "outbox" / "new").iterdir()
    assert shown.encode("ascii") == file.read_bytes()


def test_a_preview_is_sent_to_the_configured_server(cats: Cli) -> None:
    with SmtpServer(FolderHandler(cats.folder)) as server:
        cats.configure(f'[delivery]\ntransport = "smtp"\n[delivery.smtp]\nhost = "127.0.0.1"\nport = {server.port}\n')
        ran = cats.ok("preview", "reader@example.org", "--send-to", "editor@example.org", "--now", MORNING)
    assert ran.err == "sent to editor@example.org\n"

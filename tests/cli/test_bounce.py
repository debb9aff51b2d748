"""digest bounce, digest suppression: returned mail, and the addresses that it suppresses."""

from pathlib import Path

import pytest

from digest.models import Bounce
from digest.transport import bounces
from tests.commandline import Cli
from tests.pipeline.test_bounces import a_report

BOUNCES = '[bounces]\ndomain = "bounces.example.org"\n'


@pytest.fixture
def sent(cli: Cli) -> Cli:
    """A reader's digest, sent to a Maildir with a return path."""
    cli.configure(BOUNCES)
    cli.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    cli.ok("run", "--everyone")
    return cli


def put_bounce(cli: Cli, to: str = "") -> Path:
    """A report of the mail in the outbox, in a file."""
    (mail,) = (cli.folder / "outbox" / "new").iterdir()
    file = cli.folder / "bounce.eml"
    file.write_bytes(a_report(to or "digest@example.org", returned=b"" if to else mail.read_bytes()))
    return file


def test_a_bounce_in_a_file_suppresses_its_address_once(sent: Cli) -> None:
    file = put_bounce(sent)
    ran = sent.ok("bounce", str(file))
    assert ran.out == (
        "bounce: 1 read, 1 hard, 0 soft, 0 complaint, 0 auto reply, 0 other,"
        " 0 unreadable, 0 unproven, 1 suppressed, 0 unsubscribed\n"
    )
    assert "reader@example.org is suppressed since " in ran.err
    assert sent.ok("bounce", str(file), "--json").record["bounce"]["suppressed"] == 0
    assert "hard-bounce: 550 5.1.1 no such user here" in sent.ok("subscriber", "show", "reader@example.org").out


def test_a_bounce_without_proof_is_reported_and_suppresses_nothing(sent: Cli) -> None:
    ran = sent.ok("bounce", str(put_bounce(sent, "bounce-1-aaaaaaaaaaaaaaaa@bounces.example.org")))
    assert "bounce.eml: not counted, as it does not prove that it is about our email: hard 550 5.1.1" in ran.err
    assert sent.ok("suppression", "list").err == "no suppressed addresses\n"


def test_a_dry_run_shows_what_each_mail_is_taken_for_and_records_nothing(sent: Cli) -> None:
    proven = put_bounce(sent)
    others = {
        "away.eml": "From: a@example.net\nAuto-Submitted: auto-replied\n\nI am away\n",
        "leave.eml": "From: a@example.net\nX-Apple-Unsubscribe: true\n\nNo more\n",
        "two.eml": "From: mailer-daemon@mx.example\nX-Failed-Recipients: a@example.net, b@example.net\n\n"
        "  a@example.net\n    550 5.1.1 no such user\n  b@example.net\n    552 5.2.2 mailbox full\n",
    }
    for name, text in others.items():
        (sent.folder / name).write_text(text)
    files = [str(proven), *(str(sent.folder / name) for name in others)]
    records = sent.ok("bounce", *files, "--dry-run", "--json").records
    assert [(Path(r["file"]).name, r["kind"], r["recipient"], r["status"], r["proven"]) for r in records] == [
        ("bounce.eml", "hard", "reader@example.org", "5.1.1", True),
        ("away.eml", "auto-reply", "a@example.net", "", False),
        ("leave.eml", "unsubscribe", "a@example.net", "", False),
        ("two.eml", "hard", "a@example.net", "5.1.1", False),
        ("two.eml", "soft", "b@example.net", "5.2.2", False),
    ]
    assert "unsubscribe" in sent.ok("bounce", *files, "--dry-run").out
    assert sent.ok("suppression", "list").err == "no suppressed addresses\n"
    assert sent.ok("bounce", str(proven), "--json").record["bounce"]["suppressed"] == 1


def test_a_dry_run_goes_on_after_a_mail_that_causes_an_error_and_says_so(
    sent: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = put_bounce(sent)
    (sent.folder / "a-mail.eml").write_text("odd")
    read = bounces.parse

    def read_one(content: bytes) -> tuple[Bounce, ...]:
        if content == b"odd":
            raise RecursionError("too deep")
        return read(content)

    monkeypatch.setattr(bounces, "parse", read_one)
    ran = sent("bounce", "a-mail.eml", str(good), "--dry-run", "--json")
    assert (ran.code, [r["kind"] for r in ran.records]) == (1, ["hard"])
    assert "a-mail.eml: cannot be read; please report this: RecursionError: too deep" in ran.err
    assert "Traceback" not in ran.err


def test_a_dry_run_leaves_the_mailbox_unread(sent: Cli) -> None:
    new = sent.folder / "in" / "new"
    new.mkdir(parents=True)
    (new / "1").write_bytes(put_bounce(sent).read_bytes())
    file = sent.folder / "config.toml"
    file.write_text(file.read_text().replace(BOUNCES, f'{BOUNCES}maildir = "in"\n'))
    assert [r["kind"] for r in sent.ok("bounce", "--dry-run", "--json").records] == ["hard"]
    assert [file.name for file in new.iterdir()] == ["1"]


def test_without_files_or_a_mailbox_there_is_nothing_to_read(sent: Cli) -> None:
    ran = sent("bounce")
    assert (ran.code, "no mailbox is configured under [bounces]; name the files to read" in ran.err) == (2, True)
    assert sent("bounce", "nowhere.eml").code == 2


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[bounces]\nmaildir = "in"\n', "domain is missing"),
        ('[bounces]\ndomain = "b.example"\nmaildir = "in"\nimap.host = "h"\n', "set either maildir or imap, not both"),
        ('[bounces]\ndomain = "b example"\n', "'b example' is not made of ASCII letters"),
        ("[delivery.smtp]\nrate = 0.001\n", "0.001 emails a second is too slow"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_fix(cli: Cli, toml: str, message: str) -> None:
    cli.configure(toml)
    ran = cli("bounce")
    assert (ran.code, message in ran.err) == (2, True), ran.err


def test_a_mailbox_that_cannot_be_reached_is_an_error_of_its_own(cli: Cli) -> None:
    cli.configure(BOUNCES + '[bounces.imap]\nhost = "127.0.0.1"\nport = 1\nusername = "u"\n')
    ran = cli("bounce")
    assert (ran.code, ran.err) == (
        1,
        "error: the mailbox 127.0.0.1:1 cannot be reached: [Errno 111] Connection refused\n",
    )


def test_an_address_suppressed_by_an_admin_cannot_be_added(cli: Cli) -> None:
    ran = cli.ok("suppression", "add", "Never@example.org", "--reason", "asked by telephone")
    assert "Never@example.org is suppressed since " in ran.err
    listed = cli.ok("suppression", "list", "--json").record
    assert (listed["email"], listed["reason"], listed["evidence"]) == ("", "admin", "asked by telephone")
    for options in (["--confirmed"], []):
        refused = cli("subscriber", "add", "never@example.org", *options)
        assert (refused.code, "`digest suppression lift` lifts that" in refused.err) == (2, True)


def test_an_address_that_bounced_is_asked_when_it_is_added_but_not_by_an_import(sent: Cli) -> None:
    sent.ok("bounce", str(put_bounce(sent)))
    sent.ok("subscriber", "remove", "reader@example.org")
    (sent.folder / "people.csv").write_text("email\nreader@example.org\n")
    ran = sent("subscriber", "import", "people.csv")
    assert (ran.code, "an import cannot lift that" in ran.err) == (1, True)
    sent.ok("subscriber", "add", "reader@example.org")
    assert [r["state"] for r in sent.ok("outbox", "list", "--json").records] == ["queued"]


def test_a_suppressed_address_gets_no_mail_when_failed_mails_are_retried(cli: Cli) -> None:
    cli.ok("subscriber", "add", "reader@example.org")
    cli.ok("suppression", "add", "reader@example.org")
    cli.ok("outbox", "retry", "--all")
    assert cli.ok("deliver", "--json").record["deliver"]["sent"] == 0


def test_a_preview_is_not_sent_to_a_suppressed_address_or_during_a_hold(sent: Cli) -> None:
    sent.ok("suppression", "add", "never@example.org")
    ran = sent("preview", "reader@example.org", "--last", "--send-to", "never@example.org")
    assert (ran.code, "send it to another address" in ran.err) == (2, True)
    sent.ok("outbox", "hold")
    ran = sent("preview", "reader@example.org", "--last", "--send-to", "me@example.org")
    assert (ran.code, "sending is on hold" in ran.err) == (2, True)


def test_no_file_is_read_if_one_of_several_is_missing(sent: Cli) -> None:
    ran = sent("bounce", str(put_bounce(sent)), "nowhere.eml")
    assert (ran.code, ran.err) == (2, "error: nowhere.eml: no such file or folder; nothing was read\n")
    assert sent.ok("suppression", "list").err == "no suppressed addresses\n"


def test_a_suppressed_row_is_reported_and_the_others_are_imported(cli: Cli) -> None:
    cli.ok("suppression", "add", "never@example.org")
    (cli.folder / "people.csv").write_text("email\nnever@example.org\nnew@example.org\n")
    ran = cli("subscriber", "import", "people.csv", "--confirmed")
    assert (ran.code, "warning: line 2: never@example.org is suppressed since " in ran.err) == (1, True)
    assert ran.err.endswith("added 1, 0 already subscribed, 1 bad rows\n")

"""A real Postfix takes the mails, returns those it cannot deliver, and the bounces suppress the addresses."""

import smtplib
from email import message_from_bytes, policy

from tests.commandline import Cli
from tests.mta import Postfix, needs_postfix, wait_until

pytestmark = needs_postfix

CONFIG = """
[delivery]
transport = "smtp"
[delivery.smtp]
host = "127.0.0.1"
port = {postfix.port}
[bounces]
domain = "{postfix.bounce_domain}"
maildir = "{postfix.bounces}"
"""
GONE = "gone@example.org"


def states(cli: Cli) -> dict[str, str]:
    return {r["email"]: r["state"] for r in cli.ok("subscriber", "list", "--json").records}


def test_a_mail_that_a_real_server_gives_up_on_comes_back_and_suppresses_its_address(cli: Cli) -> None:
    with Postfix() as postfix:
        cli.configure(CONFIG.format(postfix=postfix))
        for email in (postfix.reader, postfix.full, GONE):
            cli.ok("subscriber", "add", email, "--keywords", "cat", "--confirmed")
        sent = cli.ok("run", "--everyone", "--json").record["deliver"]
        assert sent == {"sent": 3, "deferred": 0, "failed": 0}  # it takes all of them at first

        wait_until(lambda: len(list((postfix.bounces / "new").iterdir())) == 2, "two bounces")
        ran = cli.ok("bounce", "--json")
        assert ran.record["bounce"] == {
            "read": 2,
            "hard": 1,
            "soft": 1,
            "complaint": 0,
            "auto_reply": 0,
            "other": 0,
            "unreadable": 0,
            "unproven": 0,
            "suppressed": 1,
            "unsubscribed": 0,
        }
        assert f"{GONE} is suppressed since " in ran.err
        assert states(cli) == {postfix.reader: "active", postfix.full: "active", GONE: "suppressed"}
        assert cli.ok("bounce", "--json").record["bounce"]["read"] == 0

        cli.write_papers("Another study of cats")
        assert cli.ok("run", "--everyone", "--json").record["deliver"]["sent"] == 2
        refused = cli("subscriber", "add", GONE.upper(), "--confirmed")
        assert (refused.code, "(hard-bounce: " in refused.err) == (2, True)

        wait_until(lambda: len(list((postfix.inbox / "new").iterdir())) == 2, "two digests")
        first = min((postfix.inbox / "new").iterdir())
        mail = message_from_bytes(first.read_bytes(), policy=policy.default)
        assert mail["Return-Path"].startswith("<bounce-")
        assert "mailto:leave-" in mail["List-Unsubscribe"]


def test_a_mail_to_the_unsubscribe_address_over_a_real_server_unsubscribes(cli: Cli) -> None:
    with Postfix() as postfix:
        cli.configure(CONFIG.format(postfix=postfix))
        cli.ok("subscriber", "add", postfix.reader, "--keywords", "cat", "--confirmed")
        cli.ok("run", "--everyone")
        wait_until(lambda: list((postfix.inbox / "new").iterdir()), "a digest")
        (file,) = (postfix.inbox / "new").iterdir()
        ways_out = str(message_from_bytes(file.read_bytes(), policy=policy.default)["List-Unsubscribe"])
        to = ways_out.partition("mailto:")[2].partition("?")[0]
        with smtplib.SMTP("127.0.0.1", postfix.port, "localhost") as readers_own:
            readers_own.sendmail(postfix.reader, [to], f"To: {to}\r\nSubject: unsubscribe\r\n\r\n")
        wait_until(lambda: list((postfix.bounces / "new").iterdir()), "the wish to leave")
        assert cli.ok("bounce").err == f"{postfix.reader} unsubscribed by email\n"
        assert states(cli) == {postfix.reader: "unsubscribed"}
        cli.write_papers("Another study of cats")
        assert cli.ok("run", "--everyone", "--json").record["publish"]["digests"] == 0

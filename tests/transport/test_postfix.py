"""Through a real Postfix and back: an accepted mail may still return later as a bounce."""

import errno
import os
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from digest.models import Message, Outcome, Receipt
from digest.transport.inbound import InboundMail, MaildirInbox
from digest.transport.smtp import SmtpTransport
from tests.mta import Postfix, needs_postfix, wait_until

pytestmark = needs_postfix

BOUNCE = "bounce-17-abcdefghijklmnop@bounces.example.org"
CONTENT = b"\r\n".join(
    [
        b"From: Digest <digest@example.org>",
        b"To: reader@example.org",
        b"Subject: =?utf-8?q?Caf=C3=A9?=",
        b"Date: Wed, 03 Jun 2026 07:00:00 +0000",
        b"Message-ID: <1@example.org>",
        b"X-Folded: one",
        b"\ttwo",
        b"",
        b".",
        b"..dots",
        b"From the line's beginning",
        b"x" * 998,
        b"trailing space ",
        b"",
        b"end",
        b"",
    ]
)


def send(postfix: Postfix, *recipients: str, sender: str = BOUNCE) -> list[Receipt]:
    messages = (
        Message(delivery_id=i, sender=sender.replace("17", str(i)), recipient=recipient, content=CONTENT)
        for i, recipient in enumerate(recipients, 17)
    )
    with SmtpTransport("127.0.0.1", postfix.port, timeout=20) as transport:
        return list(transport.send(messages))


def arrivals(maildir: Path, count: int = 1) -> list[InboundMail]:
    wait_until(lambda: len(list((maildir / "new").iterdir())) >= count, f"{count} mails in {maildir}")
    return list(MaildirInbox(maildir).unread())


def report(inbound: InboundMail) -> Iterator[tuple[str, str]]:
    """The fields of a delivery status notification."""
    mail = message_from_bytes(inbound.content, policy=policy.default)
    assert mail.get_content_type() == "multipart/report"
    (status,) = (part for part in mail.walk() if part.get_content_type() == "message/delivery-status")
    for block in status.iter_parts():
        yield from block.items()


def test_a_mail_arrives_as_it_was_written_below_what_the_server_adds(postfix: Postfix) -> None:
    (receipt,) = send(postfix, postfix.reader)
    (arrived,) = arrivals(postfix.inbox)
    added, found, _ = arrived.content.partition(CONTENT.replace(b"\r\n", b"\n"))
    assert receipt.outcome is Outcome.SENT
    assert found
    assert arrived.content == added + found
    assert added.startswith(b"Return-Path: <" + BOUNCE.encode() + b">\n")


@pytest.mark.parametrize(("recipient", "status"), [("nobody-here@example.org", "5.1.1"), (Postfix.full, "5.2.2")])
def test_a_mail_that_was_taken_comes_back_to_its_envelope_sender(postfix: Postfix, recipient: str, status: str) -> None:
    (receipt,) = send(postfix, recipient)
    (bounce,) = arrivals(postfix.bounces)
    assert receipt.outcome is Outcome.SENT
    assert message_from_bytes(bounce.content)["To"] == BOUNCE
    assert {("Status", status), ("Action", "failed"), ("Final-Recipient", f"rfc822; {recipient}")} <= set(
        report(bounce)
    )


def test_every_mail_comes_back_to_an_address_of_its_own(postfix: Postfix) -> None:
    send(postfix, *(f"gone{i}@example.org" for i in range(20)), postfix.reader)
    bounces = arrivals(postfix.bounces, 20)
    came = {(message_from_bytes(b.content)["To"], dict(report(b))["Final-Recipient"]) for b in bounces}
    assert came == {(BOUNCE.replace("17", str(17 + i)), f"rfc822; gone{i}@example.org") for i in range(20)}


def test_mail_that_was_read_is_moved_and_not_read_again(postfix: Postfix) -> None:
    send(postfix, "gone@example.org", "gone-too@example.org")
    inbox = MaildirInbox(postfix.bounces)
    assert len(arrivals(postfix.bounces, 2)) == 2
    first, second = inbox.unread()
    inbox.mark_read([first.name])
    assert list(inbox.unread()) == [second]
    (seen,) = (postfix.bounces / "cur").iterdir()
    assert seen.name == f"{Path(first.name).name}:2,S"
    assert seen.read_bytes() == first.content


def test_a_bounce_is_never_bounced(postfix: Postfix) -> None:
    send(postfix, "gone@example.org", sender="")
    send(postfix, "gone@example.org")
    assert [message_from_bytes(b.content)["To"] for b in arrivals(postfix.bounces)] == [BOUNCE]


def test_the_test_server_sends_nothing_elsewhere(postfix: Postfix) -> None:
    (receipt,) = send(postfix, "somebody@example.com")
    assert receipt.outcome is Outcome.FAILED
    assert "Relay access denied" in receipt.reply


def test_the_test_server_leaves_nothing_behind() -> None:
    with Postfix() as postfix:
        send(postfix, "gone@example.org")
        assert processes_of(postfix.folder)
    wait_until(lambda: not processes_of(postfix.folder), "Postfix is still running")
    assert not postfix.folder.exists()
    # A socket may outlive its process for a moment.
    wait_until(lambda: refuses(postfix.port), "something still listens on Postfix's port")


def refuses(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def processes_of(folder: Path) -> list[str]:
    """Those whose working directory is there: Postfix's daemons work in its queue."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [str(process)] if os.readlink(process).startswith(str(folder)) else []
        except OSError:  # it has ended
            continue
    return found

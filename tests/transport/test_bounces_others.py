"""Complaints, automatic replies, bounces in prose, and mails that are none of these."""

import pytest

from digest.models import Bounce, BounceKind
from digest.transport.bounces import parse

DAEMON = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nTo: bounces@example.com\nSubject: failure notice\n\n"
PERSON = "Return-Path: <ann@example.org>\nFrom: Ann <ann@example.org>\nTo: news@example.com\nSubject: Re: Papers\n"
COPY = "\n--- Below this line is a copy of the message.\n\nTo: ann@example.org\nMessage-ID: <one@example.com>\n"


def a_complaint(report: str, returned: str = "To: ann@example.org\nMessage-ID: <one@example.com>") -> bytes:
    return (
        "From: feedback@provider.example\nSubject: complaint\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nA complaint.\n"
        f"--b\nContent-Type: message/feedback-report\n\n{report}\n"
        f"--b\nContent-Type: message/rfc822\n\n{returned}\n\nHello\n--b--\n"
    ).encode()


def the_bounce(message: str) -> Bounce:
    (bounce,) = parse(message.encode())
    return bounce


@pytest.mark.parametrize("kind", ["abuse", "Fraud", "opt-out"])
def test_feedback_that_asks_for_no_more_mail_is_a_complaint(kind: str) -> None:
    (bounce,) = parse(a_complaint(f"Feedback-Type: {kind}\nVersion: 1"))
    assert (bounce.kind, bounce.recipient) == (BounceKind.COMPLAINT, "ann@example.org")
    assert bounce.message_id == "one@example.com"


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc", "virus"])
def test_other_feedback_is_no_complaint(kind: str) -> None:
    assert parse(a_complaint(f"Feedback-Type: {kind}"))[0].kind is BounceKind.OTHER


@pytest.mark.parametrize("field", ["Original-Rcpt-To", "Removal-Recipient"])
def test_a_complaint_names_its_reader_where_the_mail_does_not(field: str) -> None:
    report = f"Feedback-Type: abuse\n{field}: <bob@example.org>"
    assert parse(a_complaint(report, "To: undisclosed"))[0].recipient == "bob@example.org"


def test_a_complaint_may_have_no_recipient() -> None:
    assert parse(a_complaint("Feedback-Type: abuse", "To: undisclosed"))[0].recipient == ""


def test_a_returned_mail_with_microsofts_mark_is_a_complaint() -> None:
    message = "From: staff@hotmail.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    message += "Content-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: bob@example.org\nTo: b\n\nHello\n--b--\n"
    bounce = the_bounce(message)
    assert (bounce.kind, bounce.recipient) == (BounceKind.COMPLAINT, "bob@example.org")


@pytest.mark.parametrize(
    "mark",
    [
        "Auto-Submitted: auto-replied (vacation)",
        "X-Autoreply: yes",
        "X-Autorespond: holidays",
        "Precedence: auto_reply",
        "Subject: Automatic reply: Papers",
        "Subject: Abwesenheitsnotiz: Papers",
        "Subject: =?utf-8?Q?R=C3=A9ponse_automatique_:_Papers?=",
    ],
)
def test_an_automatic_reply_is_no_bounce(mark: str) -> None:
    text = "I am away. ann@example.org: 550 5.1.1 user unknown, mailbox disabled"
    bounce = the_bounce(f"{mark}\n{PERSON}In-Reply-To: <one@example.com>\n\n{text}")
    assert (bounce.kind, bounce.recipient) == (BounceKind.AUTO_REPLY, "ann@example.org")
    assert bounce.message_id == "one@example.com"


def test_an_automatic_reply_from_the_null_sender_is_no_bounce() -> None:
    message = PERSON.replace("<ann@example.org>\nFrom", "<>\nFrom")
    assert the_bounce(f"{message}X-Auto-Response-Suppress: All\n\nUser unknown").kind is BounceKind.AUTO_REPLY


@pytest.mark.parametrize("mark", ["Auto-Submitted: no", "Precedence: bulk", "X-Auto-Response-Suppress: All"])
def test_list_headers_do_not_make_a_mail_automatic(mark: str) -> None:
    assert the_bounce(f"{mark}\n{PERSON}\nThank you").kind is BounceKind.OTHER


def test_a_reply_that_quotes_a_bounce_is_no_bounce() -> None:
    quoted = "Hi. This is the qmail-send program.\n\n<bob@example.org>:\nRemote host said: 550 5.1.1 user unknown\n"
    report = "Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1\n"
    assert the_bounce(f"{PERSON}\nLook at what I got:\n\n{quoted}\n{report}") == Bounce(kind=BounceKind.OTHER)


def test_a_bounce_in_prose_is_read_and_the_copy_below_it_is_not() -> None:
    bounce = the_bounce(
        f"{DAEMON}Hi. This is the mail program at mx.example.\n\n<ann@example.org>:\n"
        f"192.0.2.1 does not like recipient.\nRemote host said: 552 5.2.2 full\n{COPY}\n550 5.1.1 no"
    )
    assert (bounce.kind, bounce.recipient, bounce.status) == (BounceKind.SOFT, "ann@example.org", "5.2.2")
    assert (bounce.reply, bounce.message_id) == ("552 5.2.2 full", "one@example.com")


def test_each_recipient_in_prose_has_its_own_reply() -> None:
    head = DAEMON.replace("\n\n", "\nX-Failed-Recipients: ann@example.org,\n bob@example.org\n\n")
    text = "failed:\n\n  ann@example.org\n    mx: 550 user unknown\n  bob@example.org\n    mx: 552 mailbox full\n"
    assert [(b.kind, b.recipient, b.status, b.reply) for b in parse(f"{head}{text}".encode())] == [
        (BounceKind.HARD, "ann@example.org", "5.1.1", "550 user unknown"),
        (BounceKind.SOFT, "bob@example.org", "5.2.2", "552 mailbox full"),
    ]


def test_a_bounce_of_unknown_format_is_soft() -> None:
    bounce = the_bounce(f"{DAEMON}Your mail to ann@example.org could not be delivered. Pity.\n")
    assert (bounce.kind, bounce.recipient, bounce.status) == (BounceKind.SOFT, "ann@example.org", "")


def test_a_bounce_is_read_in_its_own_charset() -> None:
    text = "ディレクトリのリストにありません\nann@example.org\n".encode("iso-2022-jp")
    head = DAEMON.replace("\n\n", "\nContent-Type: text/plain; charset=iso-2022-jp\n\n").encode()
    assert parse(head + text)[0].kind is BounceKind.HARD


@pytest.mark.parametrize("text", ["This is just a warning.", "It has not yet been delivered.", "It will be retried."])
def test_a_delay_is_no_bounce(text: str) -> None:
    bounce = the_bounce(f"{DAEMON}ann@example.org: 450 try later. {text}\n{COPY}")
    assert (bounce.kind, bounce.recipient) == (BounceKind.OTHER, "ann@example.org")

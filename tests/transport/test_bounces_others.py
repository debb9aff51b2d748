"""Complaints, automatic replies, bounces in prose, and mails that are none of these."""

import json
from collections.abc import Mapping

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


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Domain does not exist", BounceKind.HARD),
        ("Destination seem to reject all mails", BounceKind.HARD),
        ("550 5.1.1 Invalid recipient", BounceKind.HARD),
        ("Network error on destination MXs", BounceKind.SOFT),
        ("Loop detected", BounceKind.SOFT),
    ],
)
def test_opensmtpd_names_each_recipient_on_a_line_with_or_without_a_code(words: str, kind: BounceKind) -> None:
    text = "An error has occurred while attempting to deliver a message for\nthe following list of recipients:\n\n"
    message = f"{DAEMON.replace('failure notice', 'Delivery status notification: error')}{text}"
    message += (
        f"ann@example.org: {words}\nbob@example.org: 552 5.2.2 full\n\n    Below is a copy of the original message:\n\n"
    )
    assert [(b.kind, b.recipient) for b in parse(f"{message}To: ann@example.org\n".encode())] == [
        (kind, "ann@example.org"),
        (BounceKind.SOFT, "bob@example.org"),
    ]


@pytest.mark.parametrize("subject", ["warning", "success"])
def test_other_notices_of_opensmtpd_are_no_bounces(subject: str) -> None:
    head = DAEMON.replace("failure notice", f"Delivery status notification: {subject}")
    text = "the following list of recipients:\n\nann@example.org: Domain does not exist\n"
    assert the_bounce(f"{head}{text}").kind is BounceKind.OTHER


@pytest.mark.parametrize("author", ["post_master@mx.example", "Post Master <p@mx.example>", "post-master@mx.example"])
def test_a_mail_system_may_spell_postmaster_otherwise(author: str) -> None:
    text = "Error message below:\n550 - no such user here\n\nMessage details:\n  RCPT TO: ann@example.org\n"
    message = f"From: {author}\nTo: bounces@example.com\nSubject: Re: Papers\n\n{text}"
    assert (the_bounce(message).kind, the_bounce(message).recipient) == (BounceKind.HARD, "ann@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "** Address not found **\n\nYour message wasn't delivered to ann@example.org because the address couldn't be"
        " found, or is unable to receive mail. Check for typos or unnecessary spaces and try again.",
        "Adresse nicht gefunden. Die Nachricht an ann@example.org wurde nicht zugestellt.",
        "Adresse introuvable : ann@example.org",
        "ann@example.org: アドレス不明",
    ],
)
def test_gmails_address_not_found_is_hard(text: str) -> None:
    message = f"{DAEMON}The mail to ann@example.org could not be delivered.\n\n{text}\n"
    assert the_bounce(message).kind is BounceKind.HARD


@pytest.mark.parametrize(
    "text",
    [
        "Unzustellbar: Ihre Nachricht an ann@example.org. Der Empfänger ist unbekannt.",
        "Votre message n'a pas pu être remis à ann@example.org : utilisateur inconnu",
        "No se pudo entregar el mensaje a ann@example.org: user unknown",
    ],
)
def test_mail_systems_of_other_languages_report_failures(text: str) -> None:
    bounce = the_bounce(DAEMON.replace("failure notice", "Papers") + text + "\n")
    assert (bounce.kind, bounce.recipient) == (BounceKind.HARD, "ann@example.org")


INNER = (
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; boundary=i\n\n--i\n\nSorry.\n"
    "--i\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@example.org\nAction: failed\n"
    "Status: 5.1.1\n--i--\n"
)
PROSE = f"{DAEMON}<ann@example.org>:\n550 5.1.1 user unknown\n"


def forwarding(inner: str, *, head: str = PERSON, report: str = "") -> bytes:
    parts = f"--o\n\nSee below.\n{report}--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
    return f"{head.rstrip()}\nContent-Type: multipart/mixed; boundary=o\n\n{parts}".encode()


@pytest.mark.parametrize("inner", [INNER, PROSE, forwarding(INNER).decode()], ids=["report", "prose", "twice"])
def test_a_bounce_that_is_forwarded_whole_is_read(inner: str) -> None:
    assert [(b.kind, b.recipient) for b in parse(forwarding(inner))] == [(BounceKind.HARD, "ann@example.org")]


def test_a_bounce_that_could_not_be_delivered_itself_tells_of_the_mail_that_bounced_first() -> None:
    report = "--o\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; bounce-1-x@bounces.example.com\n"
    report += "Action: failed\nStatus: 5.2.2\n\n"
    told = parse(forwarding(INNER, head=DAEMON, report=report))
    assert [(b.kind, b.recipient) for b in told] == [(BounceKind.HARD, "ann@example.org")]


def test_our_own_mail_that_a_report_returns_is_no_bounce_whatever_it_says() -> None:
    ours = (
        "From: Postmaster <postmaster@example.com>\nTo: ann@example.org\n\nCould not be delivered: 550 user unknown\n"
    )
    report = "--o\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@example.org\n"
    report += "Action: failed\nStatus: 5.2.2\n\n"
    assert [(b.kind, b.status) for b in parse(forwarding(ours, head=DAEMON, report=report))] == [
        (BounceKind.SOFT, "5.2.2")
    ]


def amazon(kind: str, report: Mapping[str, object], *, in_sns: bool = False) -> bytes:
    said = json.dumps({"notificationType": kind, kind.lower(): report, "mail": {"source": "bounce-1-x@example.com"}})
    body = json.dumps({"Type": "Notification", "Message": said}) if in_sns else said
    return (
        "From: AWS Notifications <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message\n\n"
        f"{body}\n\n--\nIf you wish to stop receiving notifications from this topic, please visit the link below\n"
    ).encode()


def a_ses_bounce(*recipients: dict[str, str], kind: str = "Permanent", subtype: str = "General") -> dict[str, object]:
    return {"bounceType": kind, "bounceSubType": subtype, "bouncedRecipients": list(recipients)}


@pytest.mark.parametrize("in_sns", [False, True], ids=["raw", "in SNS's JSON"])
def test_amazon_ses_reports_bounces_as_json(in_sns: bool) -> None:
    gone = {"emailAddress": "ann@example.org", "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
    full = {"emailAddress": "bob@example.org", "status": "5.2.2", "diagnosticCode": "smtp; 552 5.2.2 mailbox full"}
    told = parse(amazon("Bounce", a_ses_bounce(gone, full), in_sns=in_sns))
    assert [(b.kind, b.recipient, b.status) for b in told] == [
        (BounceKind.HARD, "ann@example.org", "5.1.1"),
        (BounceKind.SOFT, "bob@example.org", "5.2.2"),
    ]


@pytest.mark.parametrize(
    ("kind", "subtype", "reply", "expected"),
    [
        ("Permanent", "General", "", (BounceKind.HARD, True)),
        ("Permanent", "Suppressed", "Amazon SES has suppressed sending to this address", (BounceKind.HARD, True)),
        ("Permanent", "General", "smtp; 550 5.7.1 blocked", (BounceKind.SOFT, False)),
        ("Permanent", "General", "smtp; 550 5.1.1 <bounce-1-x@example.com>: unknown user", (BounceKind.OTHER, False)),
        ("Transient", "General", "smtp; 550 5.1.1 user unknown", (BounceKind.SOFT, True)),
        ("Transient", "MailboxFull", "", (BounceKind.SOFT, True)),
        ("Undetermined", "Undetermined", "", (BounceKind.SOFT, True)),
        ("Transient", "MessageTooLarge", "", (BounceKind.SOFT, False)),
        ("Transient", "ContentRejected", "", (BounceKind.SOFT, False)),
        ("Transient", "AttachmentRejected", "", (BounceKind.SOFT, False)),
    ],
)
def test_amazon_ses_says_what_kind_of_bounce_it_is(
    kind: str, subtype: str, reply: str, expected: tuple[BounceKind, bool]
) -> None:
    recipient = {"emailAddress": "ann@example.org"} | ({"diagnosticCode": reply} if reply else {})
    (bounce,) = parse(amazon("Bounce", a_ses_bounce(recipient, kind=kind, subtype=subtype)))
    assert (bounce.kind, bounce.about_reader) == expected


def test_amazon_ses_reports_complaints() -> None:
    report = {"complainedRecipients": [{"emailAddress": "ann@example.org"}], "complaintFeedbackType": "abuse"}
    (bounce,) = parse(amazon("Complaint", report))
    assert (bounce.kind, bounce.recipient) == (BounceKind.COMPLAINT, "ann@example.org")


@pytest.mark.parametrize(
    "body",
    [
        '{"notificationType": "Delivery", "delivery": {"recipients": ["ann@example.org"]}}',
        '{"notificationType": "Bounce"}',
        '{"notificationType": "Bounce", "bounce": []}',
        '{"notificationType": "Bounce", "bounce": {"bouncedRecipients": [1, {"emailAddress": 2}, {}, null]}}',
        '{"notificationType": ["Bounce"], "Message": 7}',
        '{"Message": "{"}',
        "[" * 60_000,
        '{"a":' * 10_000,
    ],
)
def test_json_that_reports_no_bounce_of_a_recipient_is_no_bounce_of_one(body: str) -> None:
    assert {bounce.recipient for bounce in parse(f"From: a@b.example\nSubject: x\n\n{body}\n".encode())} == {""}


@pytest.mark.parametrize(
    "mark", ["Subject: x\nX-Apple-Unsubscribe: true\nAuto-Submitted: auto-replied", "Subject: Unsubscribe"]
)
def test_a_mail_programs_request_to_unsubscribe_is_one_though_it_is_automatic(mark: str) -> None:
    bounce = the_bounce(f"{mark}\nFrom: Ann <ann@example.org>\nTo: leave-1-0-x@bounces.example.com\n\nText\n")
    assert (bounce.kind, bounce.recipient) == (BounceKind.UNSUBSCRIBE, "ann@example.org")


SEVERAL = {
    "qmail": "Hi. This is the qmail-send program at mx.\n\n<ann@example.org>:\n192.0.2.1 does not like recipient.\n"
    "Remote host said: 550 5.1.1 no such user\n\n<bob@example.org>:\n192.0.2.2 does not like recipient.\n"
    "Remote host said: 552 5.2.2 mailbox full\n",
    "Postfix": "<ann@example.org>: host mx.example[192.0.2.1] said: 550 5.1.1\n    <ann@example.org>: User unknown (in"
    " reply to RCPT TO command)\n\n<bob@example.org>: host mx.example[192.0.2.2] said: 552 5.2.2 full\n",
    "Exim": "The following address(es) failed:\n\n  ann@example.org\n    host mx.example [192.0.2.7]\n"
    "    550 5.1.1 no such user\n  bob@example.org\n    mailbox is full\n",
    "Exchange": "The following recipient(s) could not be reached:\n\n      ann@example.org on 6/3/2026 7:01 AM\n"
    "            The e-mail account does not exist.\n            <mx.example #5.1.1>\n\n"
    "      bob@example.org on 6/3/2026 7:01 AM\n            The mailbox is full.\n            <mx.example #5.2.2>\n",
    "Outlook": "Delivery has failed to these recipients or groups:\n\nann@example.org\nThe email address you entered"
    " couldn't be found. Please try to resend the message.\n\nbob@example.org\nThe recipient's mailbox is full.\n",
}


@pytest.mark.parametrize("system", SEVERAL)
def test_each_of_several_recipients_in_one_text_is_a_bounce(system: str) -> None:
    assert [(b.kind, b.recipient) for b in parse(f"{DAEMON}{SEVERAL[system]}{COPY}".encode())] == [
        (BounceKind.HARD, "ann@example.org"),
        (BounceKind.SOFT, "bob@example.org"),
    ]

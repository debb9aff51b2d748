"""A refusal about us is not about the reader: what a rejection is about, in a session and in reports alike."""

from pathlib import Path

import pytest

from digest.models import BounceKind, SmtpStage
from digest.transport.bounces import parse
from digest.transport.bounces.classification import About, judge
from digest.transport.retry import bounce_from_reply
from tests.builders import RECORDINGS

FAULTS = RECORDINGS.parent / "faults"
needs_faults = pytest.mark.skipif(not FAULTS.is_dir(), reason=f"the small inputs are not at {FAULTS}")

BEFORE_RECIPIENT = [stage for stage in SmtpStage if stage.is_before_recipient]
EXIM = """Return-path: <>
From: Mail Delivery System <Mailer-Daemon@mx.example>
Subject: Mail delivery failed: returning message to sender
X-Failed-Recipients: {recipients}

This message was created automatically by mail delivery software. The following address(es) failed:

{failures}
------ This is a copy of the message, including all the headers. ------

To: ann@example.net
"""


@pytest.mark.parametrize("stage", BEFORE_RECIPIENT)
@pytest.mark.parametrize("reply", ["550 5.1.1 user unknown", "550 no such user", "553 5.1.2 Host unknown", "554 no"])
def test_whatever_answers_a_command_before_the_recipient_is_about_us(reply: str, stage: SmtpStage) -> None:
    assert judge(reply, stage=stage).about is About.US
    assert judge(reply, stage=stage).kind is not BounceKind.HARD
    assert bounce_from_reply(reply, stage) is None


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.7 bad sender's mailbox",
        "550 5.1.8 access denied, bad outbound sender",
        "550 5.1.90 Your message can't be sent because you've reached your daily limit",
        "550 5.1.99 odd",
        "550 5.4.5 Daily user sending limit exceeded",
        "550 5.4.6 routing loop detected",
        "550 5.7.1 no",
        "554 5.7.26 unauthenticated",
        "550-5.7.1 in two 550 5.7.1 lines",
        "550 Daily sending quota exceeded for this account",
        "552 Outgoing message quota exceeded",
        "550 Maximum credits exceeded",
        "550 The limit on the number of allowed outgoing messages was exceeded",
        "550 You have sent 500 messages per day",
        "554 Message rejected: Email address is not verified. The following identities failed the check",
        "550 Unverified sender domain",
        "553 <news@example.com>: Sender address rejected: not owned by user news",
        "550 Blocked by our blocklist",
        "550 see https://check.spamhaus.org/query/ip/192.0.2.7",
        "550 5.1.1 https://www.barracudacentral.org/reputation?r=1&ip=192.0.2.7",
        "550 5.1.2 listed at http://bl.spamcop.net/",
        "550 5.2.1 https://rbl.example.net/?192.0.2.7",
        "550 5.1.1 https://mx.example.net/blacklisted?ip=192.0.2.7",
        "550 5.1.2 refused: http://psbl.example/listing?192.0.2.7",
        "550 5.1.1 https://help.example.net/why/?ip=192.0.2.7",
        "550 Your account has been suspended",
        "550 Domain example.com has exceeded the max emails per hour (200/200 (100%)) allowed",
        "550 5.1.1 <ann@example.net> - 192.0.2.7 has sent to too many recipients this hour",
        "550 5.1.1 rate limited",
        "550 5.1.1 slow down",
        "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
        "550 5.1.1 https://sendersupport.olc.protection.outlook.com/pm/",
        "550 5.1.1 Sending IP listed",
        "550 Host unknown: your hostname mx.example.com",
        "550 5.1.1 The domain of the sender does not exist",
        "550 Sender account disabled",
        "550 Invalid user: sender must log in",
        "550 Absender abgelehnt: Benutzer unbekannt",
        "550 5.1.1 Absender unbekannt",
        "550 Adresse expéditeur inconnue",
        "550 5.1.1 remitente rechazado",
        "550 送信者アドレスが存在しません。宛先のメールアドレスが存在しません",
        "501 5.1.0 Emails are not accepted from news@example.com",
        "550 Callout verification failed: 550 5.1.1 user unknown",
        "550 5.1.1 must issue STARTTLS first",
        "550 invalid address: dynamic IPs are refused",
        "550 5.1.1 unauthorised",
        "550 5.1.1 Payment required: account suspended",
        "550 5.1.1 phishing detected",
    ],
)
def test_words_and_statuses_about_the_sender_are_about_us_at_any_step(reply: str) -> None:
    for stage in (None, SmtpStage.RCPT, SmtpStage.DATA):
        verdict = judge(reply, stage=stage)
        assert (verdict.about, verdict.kind is BounceKind.HARD) == (About.US, False)
        assert bounce_from_reply(reply, stage) is None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("550 5.1.1 no such user", BounceKind.HARD),
        ("550 5.1.351 Remote server returned unknown recipient", BounceKind.HARD),
        ("550 5.4.310 DNS domain gone.example does not exist", BounceKind.HARD),
        ("550 5.1.1 <spam@blocked.example>: User unknown, see https://help.example/spam", BounceKind.HARD),
        ("No MX record found for gone.example", BounceKind.HARD),
        ("an MX or SRV record indicated no SMTP service", BounceKind.HARD),
        ("550 5.0.350 Remote server returned an error -> 550 5.1.1 user unknown", BounceKind.HARD),
        ("550 Postfach existiert nicht", BounceKind.HARD),
        ("550 5.1.1 Utilisateur inconnu", BounceKind.HARD),
        ("550 5.7.1 no such recipient", BounceKind.HARD),
        ("550 5.1.1 user unknown, returned to sender", BounceKind.HARD),
        ("550 5.0.1 no such user", BounceKind.HARD),
        ("550 5.0.0 RESOLVER.ADR.RecipientNotFound", BounceKind.HARD),
        ("550 5.0.0 STOREDRV.Deliver.Exception:QuotaExceededException", BounceKind.SOFT),
        ("550 5.4.1 All recipient addresses rejected : Access denied", BounceKind.SOFT),
        ("550 5.1.1 the words of a server that no one has seen before", BounceKind.SOFT),
        ("550 5.1.1 the mailbox of a server that no one has seen before", BounceKind.HARD),
        ("550 5.4.1 Recipient address rejected: Access denied.", BounceKind.SOFT),
        ("450 4.1.1 <ann@example.net>: Recipient address rejected: unverified address: no answer", BounceKind.SOFT),
        ("552 5.2.2 mailbox over quota", BounceKind.SOFT),
        ("550 Quota exceeded", BounceKind.SOFT),
        ("550 Requested action not taken: mailbox unavailable https://postmaster.example/case?c=hi", BounceKind.SOFT),
    ],
)
def test_words_about_the_recipient_are_about_the_reader(reply: str, kind: BounceKind) -> None:
    assert (judge(reply).about, judge(reply).kind) == (About.READER, kind)


@pytest.mark.parametrize(
    "reply", ["552 5.3.4 too big", "554 transaction failed", "550 5.6.1 media not supported", "550 5.1.1 server busy"]
)
def test_a_refusal_of_one_mail_does_not_count(reply: str) -> None:
    assert judge(reply).about is About.MAIL
    assert bounce_from_reply(reply, SmtpStage.DATA) is None


def exim(*failures: tuple[str, str, str]) -> bytes:
    """What Exim writes about (address, step, reply)."""
    text = "".join(
        f"  {address}\n    host mx.example [192.0.2.7]\n"
        f"    SMTP error from remote mail server after {step}:\n    {reply}\n"
        for address, step, reply in failures
    )
    return EXIM.format(recipients=",\n ".join(address for address, _, _ in failures), failures=text).encode()


def postfix(reply: str, command: str, *, status: str = "5.1.1") -> bytes:
    return (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; boundary=b\n\n"
        f"--b\n\n<ann@example.net>: host mx.example.net[192.0.2.7] said: {reply} (in reply\n    to {command} command)\n"
        "--b\nContent-Type: message/delivery-status\n\n"
        f"Final-Recipient: rfc822; ann@example.net\nAction: failed\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; {reply}\n--b--\n"
    ).encode()


def qmail(words: str, reply: str) -> bytes:
    return (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at mx.example.\n\n"
        f"<ann@example.net>:\n{words}\nRemote host said: {reply}\n"
    ).encode()


def sendmail(command: str, reply: str) -> bytes:
    return (
        "Return-Path: <>\nFrom: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\nSubject: Returned mail\n\n"
        "   ----- The following addresses had permanent fatal errors -----\n<ann@example.net>\n\n"
        "   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n"
        f">>> {command}\n<<< {reply}\n"
    ).encode()


ABOUT_US = {
    "exim": exim(("ann@example.net", "MAIL FROM:<b@example.com>", "550 5.1.1 unknown user")),
    "exim pipelined": exim(("ann@example.net", "pipelined MAIL FROM:<b@example.com> SIZE=1", "550 no such user")),
    "exim ehlo": exim(("ann@example.net", "EHLO mx.example", "550 host unknown")),
    "exim banner": exim(("ann@example.net", "initial connection", "554 no such user")),
    "postfix": postfix("550 5.1.1 user unknown", "MAIL FROM"),
    "postfix helo": postfix("550 5.1.2 host unknown", "HELO", status="5.1.2"),
    "postfix auth": postfix("535 5.1.1 user unknown", "AUTH"),
    "qmail": qmail("Connected to 192.0.2.7 but sender was rejected.", "550 5.1.1 user unknown"),
    "qmail helo": qmail("Connected to 192.0.2.7 but my name was rejected.", "550 host unknown"),
    "qmail banner": qmail("Connected to 192.0.2.7 but greeting failed.", "550 5.1.1 no"),
    "sendmail": sendmail("MAIL From:<b@example.com> SIZE=1", "553 5.1.2 unknown host"),
}


@pytest.mark.parametrize("name", ABOUT_US)
def test_a_report_of_a_refusal_before_the_recipient_is_not_about_the_reader(name: str) -> None:
    (bounce,) = parse(ABOUT_US[name])
    assert (bounce.recipient, bounce.about_reader) == ("ann@example.net", False)
    assert bounce.kind is not BounceKind.HARD


@pytest.mark.parametrize(
    "message",
    [
        exim(("ann@example.net", "RCPT TO:<ann@example.net>", "550 5.1.1 unknown user")),
        postfix("550 5.1.1 user unknown", "RCPT TO"),
        postfix("550 5.1.1 user unknown", "end of DATA"),
        qmail("192.0.2.7 does not like recipient.", "550 5.1.1 user unknown"),
        sendmail("RCPT To:<ann@example.net>", "550 5.1.1 user unknown"),
        sendmail("MAIL From:<b@example.com>\n<<< 250 ok\n>>> RCPT To:<ann@example.net>", "550 5.1.1 user unknown"),
    ],
)
def test_a_report_of_a_refusal_of_the_recipient_is(message: bytes) -> None:
    (bounce,) = parse(message)
    assert (bounce.kind, bounce.recipient, bounce.about_reader) == (BounceKind.HARD, "ann@example.net", True)


def test_each_recipient_of_a_report_was_refused_at_a_step_of_its_own() -> None:
    told = parse(
        exim(
            ("ann@example.net", "MAIL FROM:<b@example.com>", "550 5.1.1 unknown user"),
            ("bob@example.org", "RCPT TO:<bob@example.org>", "550 5.1.1 unknown user"),
        )
    )
    assert [(b.recipient, b.kind, b.about_reader) for b in told] == [
        ("ann@example.net", BounceKind.OTHER, False),
        ("bob@example.org", BounceKind.HARD, True),
    ]


RULE = "550 5.1.0 Rule imposed mailbox access for {} refused: user invalid"


@pytest.mark.parametrize(
    ("named", "about_reader"),
    [
        ("bounce-1-x@bounces.example.com", False),
        ("<News@Example.com>", False),
        ("ann@example.net", True),
        ("forwarded@example.org", True),
        ("ann@example.net from news@example.com", True),
    ],
)
def test_a_refusal_that_names_only_our_address_is_about_us_at_any_step(named: str, about_reader: bool) -> None:
    report = postfix(RULE.format(named), "RCPT TO").replace(b"From:", b"To: bounce-1-x@bounces.example.com\nFrom:", 1)
    returned = (
        b"--b\nContent-Type: message/rfc822\n\nFrom: News <news@example.com>\nTo: ann@example.net\n\nHello\n--b--\n"
    )
    (bounce,) = parse(report.replace(b"--b--\n", returned))
    assert (bounce.about_reader, bounce.kind is BounceKind.HARD) == (about_reader, about_reader)


EXPECTED = {
    "bounce-apple-unsubscribe": ("unsubscribe", True),
    "bounce-exim-mail-from-refused": ("other", False),
    "bounce-exim-mail-from-refused-2": ("other", False),
    "bounce-postfix-mail-from-refused": ("other", False),
    "bounce-dsn-blocklist-link-5.1.1": ("other", False),
    "bounce-dsn-blocklist-link-5.1.2": ("other", False),
    "bounce-gmail-address-not-found": ("hard", True),
    "bounce-exchange-5.1.351": ("hard", True),
    "bounce-dsn-no-mx": ("hard", True),
    "bounce-opensmtpd-no-code": ("hard", True),
    "bounce-post_master": ("hard", True),
    "bounce-exim-initial": ("soft", False),
    "bounce-exim-rcpt-control": ("hard", True),
    "bounce-hotmail-5.5.0": ("soft", True),
    "bounce-o365-5.4.1": ("soft", True),
    "bounce-dsn-name-service": ("hard", True),
    "bounce-dsn-temporary-dns": ("soft", True),
    "bounce-postfix-helo-refused": ("soft", False),
}


@needs_faults
@pytest.mark.parametrize("name", EXPECTED)
def test_small_bounces_that_went_wrong_are_read_right(name: str) -> None:
    (bounce,) = parse(Path(FAULTS, f"{name}.eml").read_bytes())
    assert (bounce.kind.value, bounce.about_reader) == EXPECTED[name]
    assert bounce.recipient in {"reader@example.net", "reader@icloud.example"}

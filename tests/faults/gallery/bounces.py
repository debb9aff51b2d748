"""Returned mail: what mail systems write about refusals at each step, with other words, and mutations of it.

A refusal before the recipient is never a bounce of the reader; one of the recipient that names an unknown user is.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

from digest.models import BounceKind, SmtpStage
from digest.transport.bounces import parse
from tests.faults.gallery import Attack, mutated

READER = "reader@example.net"
_DAEMON = b"Return-Path: <>\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example>\nTo: bounce-1-x@b.example.org\n"

_REPLIES = (
    "550 5.1.1 user unknown",
    "550 no such user here",
    "551 5.1.6 recipient no longer here",
    "550 5.2.1 mailbox disabled",
    "550-5.1.1 The address\n    550-5.1.1 does not exist\n    550 5.1.1 user unknown",
    "550 #5.1.1 unknown recipient",
)
_SPELLED = {
    SmtpStage.GREETING: ("initial connection", "", "but greeting failed"),
    SmtpStage.EHLO: ("EHLO mx.example", "EHLO", "but my name was rejected"),
    SmtpStage.MAIL: ("MAIL FROM:<bounce-1-x@b.example.org> SIZE=1022", "MAIL FROM", "but sender was rejected"),
    SmtpStage.RCPT: (f"RCPT TO:<{READER}>", "RCPT TO", "does not like recipient"),
}


def exim(stage: SmtpStage, reply: str) -> bytes:
    """What Exim writes."""
    step = _SPELLED[stage][0]
    text = f"  {READER}\n    host mx.example.net [192.0.2.7]\n    SMTP error from remote mail server after {step}:\n"
    return _DAEMON + f"X-Failed-Recipients: {READER}\n\nThis failed:\n\n{text}    {reply}\n".encode()


def postfix(stage: SmtpStage, reply: str) -> bytes:
    """What Postfix writes, with a report for programs."""
    command, one_line = _SPELLED[stage][1], " ".join(reply.split())
    said = f"said: {one_line} (in reply to {command} command)" if command else f"refused to talk to me: {one_line}"
    return (
        _DAEMON
        + (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
            f"--b\n\n<{READER}>: host mx.example.net[192.0.2.7] {said}\n\n"
            f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
            f"Final-Recipient: rfc822; {READER}\nAction: failed\nStatus: 5.1.1\n"
            f"Diagnostic-Code: smtp; {one_line}\n--b--\n"
        ).encode()
    )


def qmail(stage: SmtpStage, reply: str) -> bytes:
    """What qmail writes."""
    host = "192.0.2.7" if stage is SmtpStage.RCPT else "Connected to 192.0.2.7"
    words = f"Hi. This is the qmail-send program.\n\n<{READER}>:\n{host} {_SPELLED[stage][2]}.\n"
    return _DAEMON + f"Subject: failure notice\n\n{words}Remote host said: {reply}\n".encode()


def sendmail(stage: SmtpStage, reply: str) -> bytes:
    """What Sendmail writes; it quotes no command where the greeting was refused."""
    command = _SPELLED[stage][1] or "EHLO"
    failed = f"   ----- The following addresses had permanent fatal errors -----\n<{READER}>\n\n"
    said = f"... while talking to mx.example.net.:\n>>> {command}:<x>\n<<< {reply}\n"
    return _DAEMON + f"\n{failed}   ----- Transcript of session follows -----\n{said}".encode()


SYSTEMS = (exim, postfix, qmail, sendmail)


def _check(message: bytes, stage: SmtpStage) -> None:
    (bounce,) = parse(message)
    hard = stage is SmtpStage.RCPT
    found = (bounce.recipient, bounce.kind is BounceKind.HARD, bounce.about_reader)
    if found != (READER, hard, hard):
        raise AssertionError(f"taken for {bounce}")


def attacks(random: Random, count: int, _folder: Path) -> Iterator[Attack]:
    """Every system, step and reply; then `count` mutations, which have to be read as something."""
    samples = []
    for system in SYSTEMS:
        for stage in _SPELLED:
            for number, reply in enumerate(_REPLIES):
                message = system(stage, reply)
                samples.append(message)
                name = f"{system.__name__}, {stage.value}, reply {number}"
                yield Attack(name, partial(_check, message, stage), seconds=1.0)
    for number in range(count):
        message = mutated(random, random.choice(samples), changes=20)
        yield Attack(f"mutation {number}", partial(parse, message), seconds=1.0)

"""What comes back: delivery reports, complaints, automatic replies and the odd bounce. Pure: bytes in, records out."""

from dataclasses import replace

from digest.models import Bounce, BounceKind
from digest.transport.bounces import answers, complaints, prose, reports
from digest.transport.bounces.meaning import classify
from digest.transport.bounces.parts import Mail, fields, header_of, taken_apart

__all__ = ["classify", "header_recipients", "parse"]

_RECIPIENTS = ("delivered-to", "x-original-to", "envelope-to", "to", "cc")


def parse(message: bytes) -> tuple[Bounce, ...]:
    """What a mail that came back says: one bounce a failed recipient, and always at least one.

    AUTO_REPLY and OTHER come alone. Raises nothing, whatever the bytes; only the first megabyte is looked at. Nothing
    here proves that the mail is genuine: anybody can write a bounce.
    """
    mail = taken_apart(message)
    message_id = _message_id(mail)
    return tuple(b if b.message_id else replace(b, message_id=message_id) for b in _read(mail))


def header_recipients(message: bytes) -> str:
    """What the header says of whom a mail was for; what is quoted in its body is no recipient."""
    head = header_of(message)
    return " ".join(head.get(name, "") for name in _RECIPIENTS)


def _read(mail: Mail) -> tuple[Bounce, ...]:
    """What is surest first. A person who quotes a bounce in a mail of their own has not bounced."""
    if found := reports.read(mail) or complaints.read(mail):
        return found
    automatic = answers.is_automatic(mail)
    bounced = answers.is_daemon(mail) or (answers.is_nobody(mail) and not automatic)
    if bounced and (found := reports.read_text(mail) or prose.read(mail)):
        return found
    if automatic:
        return (Bounce(kind=BounceKind.AUTO_REPLY, recipient=answers.author(mail)),)
    return (Bounce(kind=BounceKind.OTHER),)


def _message_id(mail: Mail) -> str:
    """Of the mail that came back: from its header, or from a text that lists it, or from what this one answers."""
    for header in (mail.returned, fields(mail.prose), mail.fields):
        name = "in-reply-to" if header is mail.fields else "message-id"
        if told := header.get(name, "").split():
            return told[0].strip("<>")[:998]
    return ""

"""Reads returned mail: delivery reports, complaints, automatic replies and informal bounces."""

import re
from contextlib import suppress
from dataclasses import replace
from email.errors import MessageError
from email.header import decode_header, make_header
from itertools import islice

from digest.models import Bounce, BounceKind
from digest.transport.bounces.parsing import ReturnedMail, decoded_body, parse_fields, parse_header, parse_mail
from digest.transport.bounces.reports import (
    has_delivery_report,
    parse_plain_text,
    parse_report_in_text,
    parse_reports,
)

__all__ = ["decoded_text", "header_recipients", "parse"]

_RECIPIENTS = ("delivered-to", "x-original-to", "envelope-to", "to", "cc")
_MAIL_SYSTEM = re.compile(
    r"mailer.?daemon|\bmdaemon\b|\bpost[ _.-]?master\b|mail deliver\w* (?:sub)?system|mail\.delivery\.system|^\W*$|<>",
    re.IGNORECASE,
)
_AUTO_REPLY_FIELDS = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-autoreply-from")
# Prefixes of Outlook and others. A person may write such a subject, too, but no bounce is lost then. After "Re:" it is
# a person's answer to an automatic reply.
_AUTO_REPLY_SUBJECT = re.compile(
    r"(?:automatic reply|auto(?:matic|mated)?[ -]?(?:reply|response|responder)|out of (?:the )?office|vacation"
    r"|automatische antwort|abwesenheit\w*|réponse automatique|respuesta automática|risposta automatica|自動応答)\b",
    re.IGNORECASE,
)

_MAX_NESTING = 3  # a bounce of a bounce, that a provider forwards
_MAX_NESTED = 5  # mails in one mail
_BOUNCES = {BounceKind.HARD, BounceKind.SOFT, BounceKind.COMPLAINT}


def parse(message: bytes) -> tuple[Bounce, ...]:
    """Return what a returned mail says: one bounce for each failed recipient, and always at least one.

    AUTO_REPLY, UNSUBSCRIBE and OTHER of a mail that is no bounce come alone. Never raises; reads only the first
    megabyte. Anyone can write a bounce: the result is not authenticated.
    """
    return _parse(parse_mail(message))


def _parse(mail: ReturnedMail, nesting: int = 0) -> tuple[Bounce, ...]:
    message_id = ""
    for header, name in (
        (mail.returned, "message-id"),
        (parse_fields(mail.explanation), "message-id"),
        (mail.fields, "in-reply-to"),
    ):
        if not message_id and (value := header.get(name, "").split()):
            message_id = value[0].strip("<>")[:998]
    # The most reliable evidence comes first. A person who quotes a bounce in a mail has not bounced.
    found = _parse_nested(mail, nesting) or parse_reports(mail)
    if not found:
        automatic = _is_automatic(mail)
        if _is_from_mail_system(mail) or (_has_null_sender(mail) and not automatic):
            found = parse_report_in_text(mail) or parse_plain_text(mail)
        if not found and _asks_to_unsubscribe(mail):
            found = (Bounce(kind=BounceKind.UNSUBSCRIBE, recipient=mail.author),)
        elif not found and automatic:
            found = (Bounce(kind=BounceKind.AUTO_REPLY, recipient=mail.author),)
    found = found or (Bounce(kind=BounceKind.OTHER),)
    return tuple(b if b.message_id else replace(b, message_id=message_id) for b in found)


def _parse_nested(mail: ReturnedMail, nesting: int) -> tuple[Bounce, ...]:
    """Return what the bounces say that this mail forwards, or that could not be delivered themselves.

    In a delivery report only another report is taken for a bounce: what it returns may well be our own mail.
    """
    if nesting == _MAX_NESTING:
        return ()
    has_report = has_delivery_report(mail)
    for part in islice(mail.of_type("message/rfc822", "message/global"), _MAX_NESTED):
        inner = parse_mail(decoded_body(part))
        is_prose = not has_report and inner.fields.get("from", "") and _is_from_mail_system(inner)
        if is_prose or has_delivery_report(inner):
            found = _parse(inner, nesting + 1)
            if any(bounce.kind in _BOUNCES or not bounce.about_reader for bounce in found):
                return found
    return ()


def decoded_text(message: bytes) -> bytes:
    """Return the texts of a mail, decoded: an address may be broken by the encoding of its part."""
    return "\n".join(part.text for part in parse_mail(message).parts).encode()


def header_recipients(message: bytes) -> str:
    """Return the fields of a mail's own header that name its recipients."""
    header = parse_header(message)
    return " ".join(header.get(name, "") for name in _RECIPIENTS)


def _is_from_mail_system(mail: ReturnedMail) -> bool:
    return "x-failed-recipients" in mail.fields or bool(_MAIL_SYSTEM.search(mail.fields.get("from", "")))


def _has_null_sender(mail: ReturnedMail) -> bool:
    """Return whether the mail expects no answer (RFC 5321, 4.5.5), as bounces and most automatic replies."""
    return mail.fields.get("return-path", "").strip().lower() in {"<>", "<mailer-daemon>"}


def _is_automatic(mail: ReturnedMail) -> bool:
    """Return whether the mail declares itself an automatic reply (RFC 3834). Bounces do, too: check for those first."""
    fields = mail.fields
    return (
        fields.get("auto-submitted", "").lower().startswith("auto-replied")
        or any(name in fields for name in _AUTO_REPLY_FIELDS)
        or fields.get("precedence", "").lower() in {"auto_reply", "auto-reply"}
        # Newsletters use this field to suppress automatic replies; with a null sender, the mail is one itself.
        or ("x-auto-response-suppress" in fields and _has_null_sender(mail))
        or bool(_AUTO_REPLY_SUBJECT.match(_subject(mail)))
        or any(mail.of_type("message/disposition-notification"))  # a read receipt (RFC 8098)
    )


def _asks_to_unsubscribe(mail: ReturnedMail) -> bool:
    """Return True for what mail programs write to the address in List-Unsubscribe (RFC 2369).

    Apple Mail declares such a mail an automatic reply.
    """
    by_apple = mail.fields.get("x-apple-unsubscribe", "").strip().lower() == "true"
    return by_apple or _subject(mail).strip().lower() == "unsubscribe"


def _subject(mail: ReturnedMail) -> str:
    subject = mail.fields.get("subject", "")[:998]
    with suppress(MessageError, LookupError, ValueError):  # not decodable: taken as it is
        return str(make_header(decode_header(subject)))
    return subject

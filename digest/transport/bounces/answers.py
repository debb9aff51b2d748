"""Who wrote the mail that came back: a mail system, somebody's machine on their behalf (RFC 3834), or a person."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header

from digest.transport.bounces.addresses import bare
from digest.transport.bounces.parts import Mail

_DAEMON = re.compile(
    r"mailer.?daemon|\bmdaemon\b|\bpostmaster\b|mail deliver\w* (?:sub)?system|mail\.delivery\.system|^\W*$|<>",
    re.IGNORECASE,
)
_OWN_MARKS = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-autoreply-from")
# What Outlook and others put before a subject. Somebody may well write such a subject with their own hands, but then
# nothing bounced either. After "Re:" it is a person's answer to a machine.
_SUBJECT = re.compile(
    r"(?:automatic reply|auto(?:matic|mated)?[ -]?(?:reply|response|responder)|out of (?:the )?office|vacation"
    r"|automatische antwort|abwesenheit\w*|réponse automatique|respuesta automática|risposta automatica|自動応答)\b",
    re.IGNORECASE,
)


def is_daemon(mail: Mail) -> bool:
    """A mail system wrote it, by the name that it gives itself."""
    return "x-failed-recipients" in mail.fields or bool(_DAEMON.search(mail.fields.get("from", "")))


def is_nobody(mail: Mail) -> bool:
    """It wants no answer: the null sender (RFC 5321, 4.5.5), of bounces and of much that answers by itself."""
    return mail.fields.get("return-path", "").strip().lower() in {"<>", "<mailer-daemon>"}


def is_automatic(mail: Mail) -> bool:
    """A machine says that it answers by itself. Bounces do so, too: ask for those first."""
    marks = mail.fields
    return (
        marks.get("auto-submitted", "").lower().startswith("auto-replied")
        or any(mark in marks for mark in _OWN_MARKS)
        or marks.get("precedence", "").lower() in {"auto_reply", "auto-reply"}
        # Newsletters ask so for no automatic replies; from nobody, it is one.
        or ("x-auto-response-suppress" in marks and is_nobody(mail))
        or bool(_SUBJECT.match(_decoded(marks.get("subject", ""))))
        or any(mail.of_type("message/disposition-notification"))  # "your mail was displayed" (RFC 8098)
    )


def author(mail: Mail) -> str:
    """The bare address in From, or ""."""
    return bare(mail.fields.get("from", ""))


def _decoded(field: str) -> str:
    """A field as it is shown (RFC 2047), or as it is where that fails."""
    try:
        return str(make_header(decode_header(field[:998])))
    except (MessageError, LookupError, ValueError):
        return field

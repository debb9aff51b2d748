"""Mails as mail programs read them."""

import email
import html
import re
from email import policy
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from functools import lru_cache

from digest.models import Message

LIST_HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Auto-Submitted", "MIME-Version", "Content-Type",
}  # fmt: skip

# The standard library parses a header again each time that its value is asked for.
_POLICY = policy.default.clone(header_factory=lru_cache(100)(HeaderRegistry()))


def parsed(message: Message) -> EmailMessage:
    """The message as the standard library reads it, checked to be without defects."""
    mail = email.message_from_bytes(message.content, policy=_POLICY)
    assert isinstance(mail, EmailMessage)
    for part in mail.walk():
        assert part.defects == []
        assert all(value.defects == () for value in part.values() if hasattr(value, "defects"))
    return mail


def body(mail: EmailMessage, kind: str) -> str:
    """The "html" or "plain" body, decoded, with LF line ends."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def visible(markup: str) -> str:
    """What a reader sees of HTML, on one line."""
    without_head = re.sub(r"<head>.*?</head>|<!--.*?-->|<style.*?</style>|<wbr\s*>", "", markup, flags=re.DOTALL)
    in_blocks = re.sub(r"</?(?:p|h\d|div|t[dr]|table|br)\b[^>]*>", " ", without_head)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", in_blocks)).split())


def check_wire(message: Message) -> None:
    """7-bit, CRLF line ends only, no line longer than SMTP takes."""
    assert message.content.isascii()
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", message.content) is None
    assert max(map(len, message.content.split(b"\r\n"))) <= 998

"""Bodies and headers -> the bytes of a message (RFC 5322, 2045, 2046), with what lists owe their readers."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from functools import lru_cache

from digest.errors import AddressError
from digest.mail import headers
from digest.mail.dkim import Signer
from digest.mail.encoding import fits_smtp, quoted_printable
from digest.mail.mail_renderer import RenderedMail
from digest.models import Message, Subscriber
from digest.security import addresses
from digest.security.return_paths import ReturnPaths

_7BIT = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
_QUOTED_PRINTABLE = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """What every mail says of its sender."""

    name: str
    sender: str  # "Daily Papers <digest@example.org>"
    postal_address: str
    reply_to: str = ""  # "Editors <editors@example.org>"; "": answers go to the sender

    @property
    def mailbox(self) -> str:
        """The sender's bare address, for envelope and header. Raises AddressError."""
        return addresses.normalize(parseaddr(self.sender)[1] or self.sender)

    @property
    def domain(self) -> str:
        """The domain that the mails come from. Raises AddressError."""
        return self.mailbox.rpartition("@")[2]

    @property
    def list_id(self) -> str:
        """RFC 2919: a name in the sender's own domain. Raises AddressError."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "digest"
        return f"{slug}.{self.domain}"


class MessageBuilder:
    """Puts the mails of one newsletter together."""

    def __init__(
        self, newsletter: Newsletter, secret: bytes, *, signer: Signer | None, return_paths: ReturnPaths | None
    ) -> None:
        """`secret` keeps boundaries from being guessed; without `return_paths` mail comes back to the sender.

        Raises AddressError, HeaderError.
        """
        self._return_paths = return_paths
        self._signer = signer
        self._sender = newsletter.mailbox
        self._secret = secret
        self._from = headers.address("From", parseaddr(newsletter.sender)[0] or newsletter.name, self._sender)
        if newsletter.reply_to:
            name, mailbox = parseaddr(newsletter.reply_to)
            self._from += headers.address("Reply-To", name, addresses.normalize(mailbox or newsletter.reply_to))
        self._list_id = headers.structured("List-Id", f"<{newsletter.list_id}>")

    def build(
        self,
        rendered: RenderedMail,
        subscriber: Subscriber,
        *,
        message_id: str,
        dated_at: datetime,
        unsubscribe: Sequence[str] = (),
        delivery_id: int = 0,
    ) -> Message:
        """The message to one subscriber; with links to `unsubscribe` it is a list's. Raises HeaderError, AddressError.

        A list's mail says so and how to leave it (RFC 2369, 2919, 8058), and every mail that no answering machine
        should answer (RFC 3834).
        """
        recipient = _ascii(subscriber.email)
        boundary = self._boundary(message_id)
        head = [
            self._from,
            headers.address("To", subscriber.name, recipient),
            headers.unstructured("Subject", rendered.subject),
            _date(dated_at),
            headers.structured("Message-ID", f"<{message_id}>"),
        ]
        if unsubscribe:
            head += (
                self._list_id,
                headers.structured("List-Unsubscribe", ", ".join(f"<{link}>" for link in unsubscribe)),
                b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            )
        content = b"".join(
            (
                *head,
                b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
                b'Content-Type: multipart/alternative; boundary="%s"\r\n\r\n--%s\r\n' % (boundary, boundary),
                _QUOTED_PRINTABLE % b"plain",
                rendered.text,
                b"\r\n--%s\r\n" % boundary,
                *_html_part(rendered.html),
                b"\r\n--%s--\r\n" % boundary,
            )
        )
        if self._signer is not None:
            content = self._signer.sign(content, signed_at=dated_at)
        sender = self._return_paths.for_delivery(delivery_id, message_id) if self._return_paths else self._sender
        return Message(delivery_id=delivery_id, sender=sender, recipient=recipient, content=content)

    def _boundary(self, message_id: str) -> bytes:
        """A boundary that no paper can hold: it cannot be guessed. The same for the same message."""
        mac = hmac.digest(self._secret, f"boundary\0{message_id}".encode(), hashlib.sha256)
        return b"=_%s" % mac.hex()[:32].encode()


def _html_part(html: bytes) -> tuple[bytes, bytes]:
    """HTML as it is; only what some template made too long for a line is encoded once more."""
    if fits_smtp(html):
        return _7BIT % b"html", html
    return _QUOTED_PRINTABLE % b"html", quoted_printable(html.decode().replace("\r\n", "\n"))


@lru_cache(maxsize=256)
def _date(at: datetime) -> bytes:
    return headers.structured("Date", format_datetime(at.astimezone(UTC)))


def _ascii(email: str) -> str:
    if not email.isascii():
        raise AddressError(email, "its letters before the @ are not ASCII, which mail servers may refuse")
    return email

"""Puts a subject, its bodies and headers together as the bytes of a message (RFC 5322, 2045, 2046)."""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from digest.mail import headers
from digest.mail.dkim import Signer
from digest.mail.encoding import fits_smtp, quoted_printable
from digest.mail.mail_renderer import RenderedMail
from digest.models import Message, Subscriber
from digest.security import addresses
from digest.security.links import ReturnPaths

# The parts of a message with their own headers.
_7BIT = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
_QUOTED_PRINTABLE = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"

_MAX_SLUG = 63  # characters of a newsletter's name in its List-Id, which may have 255 in all (RFC 2919, 2)

# RFC 3834: tells out-of-office and other automatic responders not to answer.
_AUTO_SUBMITTED = b"Auto-Submitted: auto-generated\r\n"

# RFC 8058: mail programs may unsubscribe with one POST, without showing a page.
_ONE_CLICK = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """The sender of all mails."""

    name: str
    sender: str  # "Daily Papers <digest@example.org>"
    postal_address: str
    reply_to: str = ""  # "Editors <editors@example.org>"; "": answers go to the sender

    @property
    def mailbox(self) -> str:
        """The sender's bare address, for envelope and header. Raises AddressError."""
        return addresses.parse_mailbox(self.sender)[1]

    @property
    def domain(self) -> str:
        """The domain of the sender's address. Raises AddressError."""
        return self.mailbox.rpartition("@")[2]

    @property
    def list_id(self) -> str:
        """The List-Id: a name in the sender's domain (RFC 2919). Raises AddressError.

        Two names have the same one only if they differ in nothing but case. A name that its ASCII letters and digits do
        not tell apart from others is followed by a hash.
        """
        name = unicodedata.normalize("NFC", self.name).lower()
        slug = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:_MAX_SLUG].rstrip("-") or "digest"
        if slug.replace("-", " ") != name:
            slug += f".{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        return f"{slug}.{self.domain}"


class MessageBuilder:
    """Builds the messages of one newsletter."""

    def __init__(
        self, newsletter: Newsletter, secret: bytes, *, signer: Signer | None, return_paths: ReturnPaths | None
    ) -> None:
        """`secret` makes boundaries unguessable. Without `return_paths`, bounces go to the sender's address.

        Raises AddressError, HeaderError.
        """
        self._return_paths = return_paths
        self._signer = signer
        self._sender = newsletter.mailbox
        self._secret = secret
        self._from = headers.address(
            "From", addresses.parse_mailbox(newsletter.sender)[0] or newsletter.name, self._sender
        )
        if newsletter.reply_to:
            self._from += headers.address("Reply-To", *addresses.parse_mailbox(newsletter.reply_to))
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
        """Build the message to one subscriber. Raises HeaderError, AddressError.

        With links to `unsubscribe` it gets the headers of a mailing list (RFC 2369, 2919, 8058).
        """
        # The boundary is a MAC, so no paper's text can contain it, and the same message has the same boundary.
        mac = hmac.digest(self._secret, f"boundary\0{message_id}".encode(), hashlib.sha256)
        boundary = b"=_%s" % mac.hex()[:32].encode()
        lines = [
            self._from,
            headers.address("To", subscriber.name, subscriber.email),
            headers.unstructured("Subject", rendered.subject),
            _date(dated_at),
            headers.structured("Message-ID", f"<{message_id}>"),
        ]
        if unsubscribe:
            links = ", ".join(f"<{link}>" for link in unsubscribe)
            lines += (self._list_id, headers.structured("List-Unsubscribe", links), _ONE_CLICK)
        html = rendered.html
        as_7bit = fits_smtp(html)  # not if a template of the admin's writes very long lines
        content = b"".join(
            (
                *lines,
                _AUTO_SUBMITTED,
                b"MIME-Version: 1.0\r\n",
                b'Content-Type: multipart/alternative; boundary="%s"\r\n\r\n--%s\r\n' % (boundary, boundary),
                _QUOTED_PRINTABLE % b"plain",
                rendered.text,
                b"\r\n--%s\r\n" % boundary,
                (_7BIT if as_7bit else _QUOTED_PRINTABLE) % b"html",
                html if as_7bit else quoted_printable(rendered.readable_html),
                b"\r\n--%s--\r\n" % boundary,
            )
        )
        if self._signer is not None:
            content = self._signer.sign(content, signed_at=dated_at)
        sender = self._return_paths.for_delivery(delivery_id, message_id) if self._return_paths else self._sender
        return Message(delivery_id=delivery_id, sender=sender, recipient=subscriber.email, content=content)


@lru_cache(maxsize=256)
def _date(at: datetime) -> bytes:
    return headers.structured("Date", format_datetime(at.astimezone(UTC)))

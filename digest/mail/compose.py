"""Digest -> Message: the same digest always gives the same bytes.

multipart/alternative of text and HTML, quoted-printable, CRLF, 7-bit clean. The HTML is kept below the size at which
Gmail clips a mail (102 KB): abstracts are shortened first, then the last papers become "more".
"""

import binascii
import hashlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import format_datetime, parseaddr

from digest import addresses
from digest.errors import AddressError, HeaderError
from digest.links import Links, Scope
from digest.mail import headers
from digest.mail.cards import Section, sections, shortened
from digest.mail.templates import Templates
from digest.models import Delivery, Digest, DigestItem, MailKind, Message, Subscriber

MAX_HTML_BYTES = 95_000

_ABSTRACT_LENGTHS = (4000, 1600, 1000, 600, 300, 120)  # characters; the first that fits the budget is taken
_PREHEADER = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """What every mail says of its sender."""

    name: str
    sender: str  # "Daily Papers <digest@example.org>"
    postal_address: str

    @property
    def mailbox(self) -> str:
        """The sender's bare address: envelope and header."""
        return parseaddr(self.sender)[1]

    @property
    def list_id(self) -> str:
        """RFC 2919: a name in the sender's own domain."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "digest"
        return f"{slug}.{self.mailbox.rpartition('@')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestMail:
    """All that a digest's templates see, as `mail`."""

    newsletter: Newsletter
    subscriber: Subscriber
    dated_on: date
    sections: tuple[Section, ...]
    count: int  # papers shown
    more: int  # papers that matched and are not shown
    top_title: str
    preheader: str
    unsubscribe_url: str
    preferences_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationMail:
    """All that the confirmation's templates see, as `mail`."""

    newsletter: Newsletter
    subscriber: Subscriber
    confirm_url: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's three texts."""

    subject: str
    html: str
    text: str


class Composer:
    """Writes the mails of one newsletter."""

    def __init__(self, newsletter: Newsletter, templates: Templates, links: Links) -> None:
        """Raises AddressError if the newsletter's sender is not an address."""
        addresses.checked(newsletter.mailbox or newsletter.sender)
        self._newsletter = newsletter
        self._templates = templates
        self._links = links
        templates.add_filter("wrap", _wrap)

    def check(self) -> None:
        """Raise now, as a TemplateError, what would stop every mail."""
        self._templates.check()

    def message(self, delivery: Delivery) -> Message:
        """The mail of one delivery. Raises TemplateError, HeaderError, AddressError."""
        match delivery.kind:
            case MailKind.DIGEST if delivery.digest is not None:
                return self.digest(delivery.digest, delivery_id=delivery.id)
            case _:
                return self.confirmation(
                    delivery.subscriber,
                    message_id=delivery.message_id,
                    created_at=delivery.queued_at,
                    delivery_id=delivery.id,
                )

    def digest(self, digest: Digest, *, delivery_id: int = 0) -> Message:
        """A digest's mail, with the headers that lists owe their readers (RFC 2369, 2919, 3834, 8058)."""
        unsubscribe = self._url(Scope.UNSUBSCRIBE, digest.subscriber)
        extra = (
            headers.structured("List-Id", f"<{self._newsletter.list_id}>"),
            headers.structured("List-Unsubscribe", f"<{unsubscribe}>"),
            headers.structured("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        )
        return self._message(
            self.render(digest), digest.subscriber, digest.message_id, digest.created_at, extra, delivery_id
        )

    def confirmation(
        self, subscriber: Subscriber, *, message_id: str, created_at: datetime, delivery_id: int = 0
    ) -> Message:
        """The mail that asks a new subscriber whether it was they who subscribed."""
        mail = ConfirmationMail(
            newsletter=self._newsletter, subscriber=subscriber, confirm_url=self._url(Scope.CONFIRM, subscriber)
        )
        return self._message(self._rendered("confirmation", mail), subscriber, message_id, created_at, (), delivery_id)

    def render(self, digest: Digest) -> Rendered:
        """A digest's subject, HTML (below MAX_HTML_BYTES) and text, with the same papers in the same order."""
        for shown, max_abstract in _fits(digest.items):
            mail = self._digest_mail(digest, shown, max_abstract)
            rendered = self._rendered("digest", mail)
            if len(rendered.html.encode()) <= MAX_HTML_BYTES:
                return rendered
        raise HeaderError("Content", f"not even an empty digest stays below {MAX_HTML_BYTES} bytes")

    def _digest_mail(self, digest: Digest, shown: tuple[DigestItem, ...], max_abstract: int) -> DigestMail:
        best = sorted(shown, key=lambda item: -item.score)
        titles = " · ".join(item.paper.title for item in best[1:])
        return DigestMail(
            newsletter=self._newsletter,
            subscriber=digest.subscriber,
            dated_on=digest.dated_on,
            sections=sections(shown, max_abstract=max_abstract),
            count=len(shown),
            more=len(digest.more) + len(digest.items) - len(shown),
            top_title=shortened(best[0].paper.title, 80) if best else "",
            preheader=shortened(titles, _PREHEADER),
            unsubscribe_url=self._url(Scope.UNSUBSCRIBE, digest.subscriber),
            preferences_url=self._url(Scope.PREFERENCES, digest.subscriber),
        )

    def _rendered(self, name: str, mail: DigestMail | ConfirmationMail) -> Rendered:
        subject, text, html = (
            self._templates.render(f"email/{name}.{part}.j2", mail=mail) for part in ("subject.txt", "txt", "mjml")
        )
        return Rendered(" ".join(subject.split()), html, text)

    def _message(
        self,
        rendered: Rendered,
        subscriber: Subscriber,
        message_id: str,
        created_at: datetime,
        extra: tuple[bytes, ...],
        delivery_id: int,
    ) -> Message:
        recipient = _ascii(subscriber.email)
        sender_name = parseaddr(self._newsletter.sender)[0] or self._newsletter.name
        boundary = "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]  # "=_" never stands in quoted-printable
        head = (
            headers.address("From", sender_name, self._newsletter.mailbox),
            headers.address("To", subscriber.name, recipient),
            headers.unstructured("Subject", rendered.subject),
            headers.structured("Date", format_datetime(created_at)),
            headers.structured("Message-ID", f"<{message_id}>"),
            *extra,
            headers.structured("Auto-Submitted", "auto-generated"),
            headers.structured("MIME-Version", "1.0"),
            headers.structured("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
        )
        parts = (_part("plain", rendered.text), _part("html", rendered.html))
        body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
        content = b"".join(head) + b"\r\n" + body + b"--%s--\r\n" % boundary.encode()
        return Message(delivery_id=delivery_id, sender=self._newsletter.mailbox, recipient=recipient, content=content)

    def _url(self, scope: Scope, subscriber: Subscriber) -> str:
        return self._links.url(scope, subscriber.id, subscriber.epoch)


def _fits(items: tuple[DigestItem, ...]) -> Iterator[tuple[tuple[DigestItem, ...], int]]:
    """Ever smaller ways to show the items: shorter abstracts, then fewer papers, the lowest scores going first."""
    for most in _ABSTRACT_LENGTHS:
        yield items, most
    best = sorted(items, key=lambda item: -item.score)
    for count in range(len(items) - 1, -1, -1):
        kept = {item.paper.id for item in best[:count]}
        yield tuple(item for item in items if item.paper.id in kept), _ABSTRACT_LENGTHS[-1]


def _part(subtype: str, text: str) -> bytes:
    """One MIME part, quoted-printable (RFC 2045, 6.7): lines of at most 76 bytes, all of them ASCII."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    encoded = binascii.b2a_qp(lines, quotetabs=False, istext=True).replace(b"\n", b"\r\n")
    return b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s" % (
        subtype.encode(),
        encoded,
    )


def _ascii(email: str) -> str:
    try:
        email.encode("ascii")
    except UnicodeEncodeError:
        raise AddressError(email, "its letters before the @ are not ASCII, which mail servers may refuse") from None
    return email


def _wrap(text: str, indent: str = "") -> str:
    """Text at 72 columns; long words, such as links, stay whole."""
    return textwrap.fill(
        text, 72, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )

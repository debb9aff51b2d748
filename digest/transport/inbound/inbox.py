"""What came back, and the places that are looked into again and again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

# Of each mail no more is read: what a report says stands first, and the mail that it returns, however long, last
# (RFC 6522, 3; RFC 5965, 2).
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """One mail as it was found."""

    name: str  # where, as one line: a path, "path:17" in an mbox, an IMAP URL
    content: bytes  # untouched, with whatever line ends; cut after MAX_BYTES


class Inbox(Protocol):
    """A place where mail arrives. Used from one thread at a time."""

    def unread(self) -> Iterator[InboundMail]:
        """Each mail that is there now and was not done with, oldest first; looking changes nothing.

        Raises TransportError when the place cannot be read (any further).
        """
        ...

    def mark_read(self, names: Iterable[str]) -> None:
        """Mark the mails of these names as read, once what they said is safely kept. No mail is ever deleted.

        Names that unread() of this very object did not give are passed over. Raises TransportError; what was not marked
        then is unread again the next time.
        """
        ...

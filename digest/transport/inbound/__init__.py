"""Where returned mail is read from: files, a Maildir on this machine, or an IMAP mailbox."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

# The rest of a mail is not read: a report comes first, and the mail that it returns last (RFC 6522, 3; RFC 5965, 2).
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMail:
    """One received mail."""

    name: str  # where it was found, in one line: a path, "path:17" in an mbox, an IMAP URL
    content: bytes  # unchanged, with any line ends; cut after MAX_BYTES


class Inbox(Protocol):
    """A place where mail arrives. Used from one thread at a time."""

    def unread(self) -> Iterator[InboundMail]:
        """Yield each mail that is not marked as read, oldest first, without changing anything.

        Raises TransportError when the inbox cannot be read (any further).
        """
        ...

    def mark_read(self, names: Iterable[str]) -> None:
        """Mark the mails of these names as read, once their content is processed. No mail is ever deleted.

        Ignores names that unread() of this object did not yield. Raises TransportError; mails that were not marked are
        unread again the next time.
        """
        ...

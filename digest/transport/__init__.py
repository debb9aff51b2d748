"""Transports hand mails over for delivery. A new one implements Transport and is opened in App.transport.

smtp shares mails among connections (smtp_connection), each of which talks SMTP in smtp_session. retry says what a reply
means: try again and when, slow down (421), or a bounce; rate_limiter sets the pace. inbound reads a mailbox of returned
mails, and bounces says what each of them reports. smtp_server receives mails in the demo and in tests.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from digest.models import Message, Receipt


class Transport(Protocol):
    """Sends mail. Used from one thread at a time."""

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """Send each message and yield a receipt for each, in any order.

        Takes messages when it needs them, in the calling thread. A rejected message does not stop the others. Raises
        TransportError when no more can be sent; messages without a receipt were not sent.
        """
        ...

"""A real SMTP server on loopback whose answers a test can script."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Postbox:
    """An aiosmtpd handler: keeps what it takes, and answers for some recipients as it was told.

    `at_rcpt` and `at_data` map an address to what is answered instead of 250; "drop" hangs up instead. `at_mail` is
    answered to every MAIL FROM, if set.
    """

    at_mail: str = ""
    at_rcpt: dict[str, str] = field(default_factory=dict)
    at_data: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before each mail is taken
    mails: list[tuple[str, bytes]] = field(default_factory=list)  # (recipient, bytes as they came)
    sessions: Counter[tuple[str, int]] = field(default_factory=Counter)  # mails by client
    arrived: threading.Event = field(default_factory=threading.Event)  # set by every mail

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_mail:
            return self.at_mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        answer = self.at_rcpt.get(address, "")
        if answer == "drop":
            _hang_up(server)
        if not answer:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.delay)
        recipient = envelope.rcpt_tos[0]
        answer = self.at_data.get(recipient, "")
        if answer == "drop":
            _hang_up(server)
        if not answer:
            peer: Any = session.peer
            self.sessions[peer] += 1
            self.mails.append((recipient, envelope.original_content or b""))
            self.arrived.set()
        return answer or "250 taken"

    @property
    def recipients(self) -> list[str]:
        """Who got mail, in alphabetical order, once for each mail."""
        return sorted(recipient for recipient, _ in self.mails)


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()

"""imaplib's client with limits, and what its errors say."""

import imaplib
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from imap_tools import BaseMailBox, ImapToolsError, UnexpectedCommandStatusError

from digest.transport.smtp_connection import PLAIN_TEXT_GREETING, one_line

# What imaplib and imap_tools raise: their own errors, socket errors, and ValueError for invalid answers.
FAILURES = (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError)

_BYE: Final = re.compile(r"""b['"]\* BYE ?(.*)['"]""")  # as imaplib reports a greeting


class ImapClient(imaplib.IMAP4):
    """imaplib's client, which accepts no longer literals than were asked for, and tells of its socket early."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float,
        tls: ssl.SSLContext | None,
        opened: Callable[[socket.socket], None],
        max_literal: int,
    ) -> None:
        self._tls = tls
        self._opened = opened
        self._max_literal = max_literal
        super().__init__(host, port, timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        connection = socket.create_connection((self.host, self.port), timeout)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_hostname=self.host, do_handshake_on_connect=False)
        self._opened(connection)
        if isinstance(connection, ssl.SSLSocket):
            try:
                connection.do_handshake()
            except BaseException:
                connection.close()
                raise
        return connection

    def read(self, size: int) -> bytes:
        """Read a literal; overrides imaplib's method."""
        if size > self._max_literal:
            raise self.abort(f"the server sends {size:,} bytes at once, and may send {self._max_literal:,}")
        return super().read(size)

    def readline(self) -> bytes:
        """Read a line; overrides imaplib's method. The rest of a line that is too long still arrives."""
        try:
            return super().readline()
        except imaplib.IMAP4.error as error:
            raise self.abort(str(error)) from None


class MailBox(BaseMailBox):
    """imap_tools' mailbox with our client."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._client


def check_answer(answer: tuple[str, list[Any]]) -> list[Any]:
    """Return the parts of a successful answer. Raises IMAP4.error for another."""
    status, parts = answer
    if status != "OK":
        raise imaplib.IMAP4.error(one_line(parts[-1] or b""))
    return parts


def describe_error(error: Exception) -> str:
    """Return the server's own words, if it sent any."""
    if isinstance(error, UnexpectedCommandStatusError):
        _, parts = error.command_result
        return one_line(parts[-1] or b"")
    if isinstance(error, ssl.SSLError) and error.reason in PLAIN_TEXT_GREETING:
        return f'{one_line(str(error))}; try bounces.imap.security = "starttls"'
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return "the server's answer makes no sense"
    said = one_line(str(error))
    goodbye = _BYE.fullmatch(said)
    return f"the server says goodbye (BYE): {goodbye[1] or 'without a reason'}" if goodbye else said

"""One connection to a mail server: connecting, TLS and AUTH are smtplib's, replies are read by ReplyReader."""

import re
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from digest.errors import TransportError
from digest.models import SmtpStage
from digest.text import printable_line

_RECEIVE_BYTES = 8192  # asked of the socket at once
_MAX_UNREAD_BYTES = 64 * 1024  # RFC 5321, 4.5.3.1.5 allows 512 bytes a line
_MAX_LINES = 1000
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
PLAIN_TEXT_GREETING = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}  # OpenSSL's errors for one


class ReplyError(smtplib.SMTPException):
    """Not a valid SMTP reply. Later replies can no longer be told apart, so the connection must be closed."""


class ConnectionRefusedByServerError(TransportError):
    """The server answered, and does not let us send: `reply` to which `stage` of the session."""

    def __init__(self, message: str, reply: str, stage: SmtpStage) -> None:
        super().__init__(message)
        self.reply = reply
        self.stage = stage


class Reply(NamedTuple):
    """One complete SMTP reply (RFC 5321, 4.2)."""

    code: int
    text: bytes  # without the codes; lines are separated by LF

    @property
    def accepts(self) -> bool:
        """The server did as asked (2yz)."""
        return 200 <= self.code < 300

    @property
    def rejects(self) -> bool:
        """The server did not do as asked, for now (4yz) or permanently (5yz)."""
        return self.code >= 400

    @property
    def closes_connection(self) -> bool:
        """421: the server closes the connection after this reply, whatever was asked (RFC 5321, 3.8)."""
        return self.code == 421

    def __str__(self) -> str:
        return f"{self.code} {one_line(self.text)}".rstrip()


class ReplyReader:
    """Reads replies from a socket, as many at once as have arrived."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self._position = 0  # bytes of the buffer that were read
        self._lines: list[bytes] = []  # of an incomplete reply
        self._code = b""

    @property
    def has_unread(self) -> bool:
        """Whether bytes were received and not read yet."""
        return self._position < len(self._buffer)

    def read(self, timeout: float) -> Reply:
        """Return the next reply, which must be complete within `timeout` seconds.

        Raises ReplyError, ConnectionError if the server closed the connection, TimeoutError, and other socket errors.
        """
        deadline = time.monotonic() + timeout
        while (reply := self.find()) is None:
            self.receive()
            if time.monotonic() > deadline:
                raise TimeoutError("timed out")
        return reply

    def find(self) -> Reply | None:
        """Return the next reply if it has arrived completely, or None. Raises ReplyError."""
        while (end := self._buffer.find(b"\n", self._position)) >= 0:
            line = self._buffer[self._position : end].rstrip(b"\r")
            self._position = end + 1
            found = _LINE.fullmatch(line)
            if found is None or not line.startswith(self._code):  # all lines of a reply have the same code
                raise ReplyError(f"not a valid SMTP reply: {one_line(line[:100])!r}")
            code, separator, text = found.groups(b"")
            self._lines.append(text)
            if separator != b"-":
                reply = Reply(int(code), b"\n".join(self._lines))
                self._lines, self._code = [], b""
                return reply
            self._code = code
            if len(self._lines) > _MAX_LINES:
                raise ReplyError("the server's reply is too long")
        return None

    def receive(self) -> None:
        """Receive what has arrived. Raises ReplyError, ConnectionError and other socket errors."""
        received = self.sock.recv(_RECEIVE_BYTES)
        if not received:
            raise ConnectionError("the server closed the connection")
        self._buffer = self._buffer[self._position :] + received
        self._position = 0
        if len(self._buffer) > _MAX_UNREAD_BYTES:
            raise ReplyError("the server's reply is too long")


class Security(StrEnum):
    """How the connection is encrypted. Certificates are always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class SmtpClient(smtplib.SMTP):
    """smtplib's client with our ReplyReader: it needs fewer reads, and limits the length of a reply."""

    _reader: ReplyReader | None = None

    @property
    def reader(self) -> ReplyReader:
        """The reader of the current socket. STARTTLS replaces the socket and drops what came before (RFC 3207, 6)."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        if self._reader is None or self._reader.sock is not self.sock:
            self._reader = ReplyReader(self.sock)
        return self._reader

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply; overrides smtplib's method."""
        try:
            return self.reader.read(self.timeout)
        except OSError:
            self.close()
            raise

    def ehlo(self, name: str = "") -> tuple[int, bytes]:
        """Say EHLO; overrides smtplib's method. Raises SMTPHeloError for a 421, with which the server hangs up."""
        code, text = super().ehlo(name)
        if code == 421:
            raise smtplib.SMTPHeloError(code, text)
        return code, text

    def max_size(self) -> int:
        """Return the most bytes a mail may have (RFC 1870, 4), or 0 if the server states no limit."""
        value = self.esmtp_features.get("size", "")
        return int(value) if re.fullmatch("[0-9]{1,19}", value) else 0


class _TlsClient(SmtpClient, smtplib.SMTP_SSL):
    """A client that uses TLS from the first byte (RFC 8314, 3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The address and credentials of a mail server. `timeout` (seconds) applies to each step."""

    host: str
    port: int
    security: Security
    username: str
    password: str
    timeout: float
    tls: ssl.SSLContext | None  # None without TLS

    def _check_login(self) -> None:
        """Raise TransportError if smtplib cannot send the user name or the password."""
        if not f"{self.username}{self.password}".isascii():
            raise TransportError("takes no letters outside ASCII in delivery.smtp.username and DIGEST_SMTP_PASSWORD")

    def connect(self) -> SmtpClient:
        """Return a client that has said EHLO and logged in, with a non-blocking socket. Raises TransportError."""
        self._check_login()
        # Our own name for EHLO: fully qualified, or else an address literal (RFC 5321, 4.1.4). No DNS look-up.
        hostname = socket.gethostname()
        name = hostname if "." in hostname else "[127.0.0.1]"
        client: SmtpClient
        try:
            if self.security is Security.TLS:
                client = _TlsClient(self.host, self.port, name, timeout=self.timeout, context=self.tls)
            else:
                client = SmtpClient(self.host, self.port, name, timeout=self.timeout)
            try:
                if self.security is Security.STARTTLS:
                    client.starttls(context=self.tls)
                client.ehlo_or_helo_if_needed()
                if self.username:
                    client.login(self.username, self.password)
                client.reader.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.reader.sock.setblocking(False)
            except BaseException:
                client.close()
                raise
            return client
        except smtplib.SMTPAuthenticationError as error:
            reply = f"{error.smtp_code} {one_line(error.smtp_error)}"
            fix = "check DIGEST_SMTP_PASSWORD" if self.password else "DIGEST_SMTP_PASSWORD is not set"
            fix = "it is tried again" if 400 <= error.smtp_code < 500 else fix  # RFC 4954, 6: a fault of the server
            message = f"refuses user {self.username!r}: {reply}; {fix}"
            raise ConnectionRefusedByServerError(message, reply, SmtpStage.AUTH) from None
        except smtplib.SMTPNotSupportedError as error:
            raise TransportError(f"does not support what delivery.smtp requires: {one_line(str(error))}") from None
        except smtplib.SMTPResponseException as error:
            reply = f"{error.smtp_code} {one_line(error.smtp_error)}"
            stage = SmtpStage.GREETING if isinstance(error, smtplib.SMTPConnectError) else SmtpStage.EHLO
            raise ConnectionRefusedByServerError(f"does not accept mail: {reply}", reply, stage) from None
        except ssl.SSLError as error:
            fix = '; try delivery.smtp.security = "starttls"' if error.reason in PLAIN_TEXT_GREETING else ""
            raise TransportError(f"cannot be reached: {one_line(str(error))}{fix}") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # UnicodeError: no name of a host
            raise TransportError(f"cannot be reached: {one_line(str(error)) or type(error).__name__}") from None


def one_line(text: str | bytes) -> str:
    """Return a server's text as one printable line."""
    return printable_line(text.decode(errors="replace") if isinstance(text, bytes) else text)

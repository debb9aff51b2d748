"""A way in to a mail server: connecting, TLS and AUTH are smtplib's, the replies are read by us."""

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from digest.errors import TransportError
from digest.transport.replies import ReplyReader, one_line

_NO_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}  # what OpenSSL makes of a greeting in plain text


class Security(StrEnum):
    """How the line is protected. Certificates are always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Client(smtplib.SMTP):
    """smtplib's client with a reader of its own: the same bytes are read in fewer turns, and no reply is endless."""

    _reader: ReplyReader | None = None

    @property
    def reader(self) -> ReplyReader:
        """Reads from the socket as it is now: what came before TLS began is forgotten (RFC 3207, 6)."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        if self._reader is None or self._reader.sock is not self.sock:
            self._reader = ReplyReader(self.sock)
        return self._reader

    def getreply(self) -> tuple[int, bytes]:
        """smtplib asks for each reply here."""
        try:
            return self.reader.read(self.timeout)
        except OSError:
            self.close()
            raise

    def limit(self) -> int:
        """The most bytes that a mail may have, or 0 if the server did not say (RFC 1870, 4)."""
        said = self.esmtp_features.get("size", "")
        return int(said) if re.fullmatch("[0-9]{1,19}", said) else 0

    def begin(self) -> None:
        """From here on nothing waits, neither for the server nor for a packet to fill (TCP_NODELAY)."""
        sock = self.reader.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)

    def leave(self) -> None:
        """Say goodbye and wait for the answer; the server may have gone already."""
        with suppress(OSError):
            self.reader.sock.settimeout(self.timeout)
            self.quit()
        self.close()


class _TlsClient(Client, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte (RFC 8314, 3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed over, and how. `timeout` (seconds) is for each step."""

    host: str
    port: int
    security: Security
    username: str
    password: str
    timeout: float
    tls: ssl.SSLContext | None  # none where there is no TLS

    def connected(self) -> Client:
        """A client that has said EHLO and logged in. Raises TransportError."""
        try:
            return self._connect()
        except smtplib.SMTPAuthenticationError as error:
            reply = one_line(error.smtp_error)
            mend = "check DIGEST_SMTP_PASSWORD" if self.password else "DIGEST_SMTP_PASSWORD is not set"
            raise TransportError(f"refuses user {self.username!r}: {error.smtp_code} {reply}; {mend}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise TransportError(f"does not do what delivery.smtp asks: {one_line(str(error))}") from None
        except smtplib.SMTPResponseException as error:
            raise TransportError(f"does not take mail: {error.smtp_code} {one_line(error.smtp_error)}") from None
        except ssl.SSLError as error:
            mend = '; perhaps it wants delivery.smtp.security = "starttls"' if error.reason in _NO_TLS else ""
            raise TransportError(f"cannot be reached: {one_line(str(error))}{mend}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise TransportError(f"cannot be reached: {one_line(str(error)) or type(error).__name__}") from None

    def _connect(self) -> Client:
        client: Client
        if self.security is Security.TLS:
            client = _TlsClient(self.host, self.port, _own_name(), timeout=self.timeout, context=self.tls)
        else:
            client = Client(self.host, self.port, _own_name(), timeout=self.timeout)
        try:
            if self.security is Security.STARTTLS:
                client.starttls(context=self.tls)
            client.ehlo_or_helo_if_needed()
            if self.username:
                client.login(self.username, self.password)
            client.begin()
        except BaseException:
            client.close()
            raise
        return client


def _own_name() -> str:
    """What we call ourselves: our full name, else an address literal (RFC 5321, 4.1.4). Asks no DNS."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"

"""SMTP: several connections in plain threads, each kept open and used again.

The calling thread alone takes messages and yields receipts; the threads only talk to the server.
"""

import queue
import re
import smtplib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from digest.errors import TransportError
from digest.models import Message, Outcome, Receipt

_TIMEOUT_SECONDS = 60.0  # for each step
_MAILS_PER_CONNECTION = 500  # then it is renewed: servers close those that never end
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Security(StrEnum):
    """How the line is protected. Certificates are always verified."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class _Down:
    """A connection that could not be made: its message was not tried."""

    line: "_Line"
    message: Message
    reason: str


class SmtpTransport:
    """A pool of connections to one mail server. Nothing is connected before the first mail; close it."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security = Security.NONE,
        username: str = "",
        password: str = "",
        connections: int = 4,
        timeout: float = _TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`timeout` (seconds) is for each step; `tls` replaces the system's trusted authorities."""
        self._name = f"{host}:{port}"
        self._todo: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Receipt | _Down] = queue.SimpleQueue()
        self._lines = [
            _Line(host, port, security=security, username=username, password=password, timeout=timeout, tls=tls)
            for _ in range(connections)
        ]
        self._threads: dict[_Line, threading.Thread] = {}

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """See Transport. At most two messages a connection are in flight."""
        source = iter(messages)
        untried: deque[Message] = deque()
        in_flight = 0
        reason = ""
        self._start()
        try:
            while True:
                while in_flight < 2 * len(self._threads):
                    message = untried.popleft() if untried else next(source, None)
                    if message is None:
                        break
                    self._todo.put(message)
                    in_flight += 1
                if not in_flight:
                    break
                result = self._done.get()
                in_flight -= 1
                if isinstance(result, Receipt):
                    yield result
                    continue
                # A server that takes three connections of four is no reason to stop.
                reason = result.reason
                untried.append(result.message)
                self._threads.pop(result.line).join()
                if not self._threads:
                    untried += self._take_back()
                    in_flight = 0
        finally:
            for _ in range(in_flight):  # the caller stopped listening: nobody may hear these in the next send()
                self._done.get()
        if untried:
            raise TransportError(f"the mail server {self._name} {reason}")

    def close(self) -> None:
        """Say goodbye on every connection."""
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads.values():
            thread.join()
        self._threads.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        for line in self._lines:
            if line not in self._threads:
                thread = threading.Thread(target=self._work, args=(line,), name=f"smtp {self._name}", daemon=True)
                self._threads[line] = thread
                thread.start()

    def _work(self, line: "_Line") -> None:
        while (message := self._todo.get()) is not None:
            try:
                self._done.put(line.send(message))
            except TransportError as error:
                self._done.put(_Down(line, message, str(error)))
                return  # others may be connected still: they take what is left
        line.close()

    def _take_back(self) -> list[Message]:
        left = []
        while not self._todo.empty():
            message = self._todo.get()
            if message is not None:
                left.append(message)
        return left


class _Line:
    """One connection, made when it is needed and made anew when it broke."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security,
        username: str,
        password: str,
        timeout: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password
        self._timeout = timeout
        self._tls = tls
        self._server: smtplib.SMTP | None = None
        self._sent = 0

    def send(self, message: Message) -> Receipt:
        """One mail. Raises TransportError if there is no connection to be had; the mail was not tried then."""
        if self._sent >= _MAILS_PER_CONNECTION:
            self.close()
        if self._server is None:
            self._server = self._connected()
        self._sent += 1
        try:
            code, reply = _transaction(self._server, message)
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            return Receipt(
                delivery_id=message.delivery_id,
                outcome=Outcome.DEFERRED,
                reply=f"the connection broke: {_one_line(str(error))}",
            )
        if code != 250:
            self._begin_anew(code)
        return Receipt(delivery_id=message.delivery_id, outcome=_outcome(code), reply=f"{code} {_one_line(reply)}")

    def close(self) -> None:
        """Say goodbye."""
        if self._server is not None:
            try:
                self._server.quit()
            except (smtplib.SMTPException, OSError):
                self._server.close()  # it had gone already
            self._server = None
            self._sent = 0

    def _begin_anew(self, code: int) -> None:
        """After a refusal the server forgets the mail, unless it is about to hang up (421: RFC 5321, 3.8)."""
        if code == 421 or self._server is None:
            self._drop()
            return
        try:
            self._server.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()  # the next mail gets a new connection

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._sent = 0

    def _connected(self) -> smtplib.SMTP:
        try:
            return self._connect()
        except smtplib.SMTPAuthenticationError as error:
            reply = _one_line(error.smtp_error)
            raise TransportError(
                f"refuses user {self._username!r}: {error.smtp_code} {reply}; check DIGEST_SMTP_PASSWORD"
            ) from None
        except smtplib.SMTPNotSupportedError as error:
            raise TransportError(f"does not do what delivery.smtp asks: {_one_line(str(error))}") from None
        except smtplib.SMTPResponseException as error:
            raise TransportError(f"does not take mail: {error.smtp_code} {_one_line(error.smtp_error)}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise TransportError(f"cannot be reached: {_one_line(str(error)) or type(error).__name__}") from None

    def _connect(self) -> smtplib.SMTP:
        tls = self._tls or ssl.create_default_context()
        server: smtplib.SMTP
        if self._security is Security.TLS:
            server = smtplib.SMTP_SSL(self._host, self._port, _own_name(), timeout=self._timeout, context=tls)
        else:
            server = smtplib.SMTP(self._host, self._port, _own_name(), timeout=self._timeout)
        try:
            if self._security is Security.STARTTLS:
                server.starttls(context=tls)
            server.ehlo_or_helo_if_needed()
            if self._username:
                server.login(self._username, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _transaction(server: smtplib.SMTP, message: Message) -> tuple[int, str | bytes]:
    """MAIL, RCPT and DATA for one mail; the reply that settles it."""
    content = _LINE_END.sub(b"\r\n", message.content)  # a bare CR or LF would let a mail smuggle in another
    size = [f"size={len(content)}"] if server.has_extn("size") else []
    code, reply = server.mail(message.sender, size)
    if code == 250:
        code, reply = server.rcpt(message.recipient)
        if code in {250, 251}:
            try:
                code, reply = server.data(content)  # stuffs dots (RFC 5321, 4.5.2)
            except smtplib.SMTPDataError as error:
                return error.smtp_code, error.smtp_error
    return code, reply


def _outcome(code: int) -> Outcome:
    if 200 <= code < 300:
        return Outcome.SENT
    return Outcome.FAILED if 500 <= code < 600 else Outcome.DEFERRED


def _one_line(reply: str | bytes) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _own_name() -> str:
    """What we call ourselves: our full name, else an address literal (RFC 5321, 4.1.4). Asks no DNS."""
    name = socket.gethostname()
    return name if "." in name else "[127.0.0.1]"

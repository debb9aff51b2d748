"""An SMTP session: the mails sent over one connection, one after another.

With PIPELINING (RFC 2920), MAIL, RCPT and DATA go in one write, together with the body of the mail before: one round
trip a mail. DATA ends a group, because the body must wait for the 354. Each reply of a group is checked by itself: a
server may answer 354 to DATA though it rejected the recipient (RFC 2920, 3.1). An empty body then ends the transaction.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE
from typing import NamedTuple

import numpy as np

from digest.models import Message, Outcome, Receipt, SmtpStage
from digest.transport.bounces.classification import answers_sender, asks_to_slow_down
from digest.transport.smtp_connection import Reply, ReplyError, SmtpClient, one_line

# RFC 5321, 4.5.3.2.6: wait ten minutes for the reply to a whole mail. A client that gives up sooner sends it twice.
_FINAL_REPLY_FACTOR = 10  # times the timeout of all other steps

_DATA = b"DATA\r\n"
_STAGES = (SmtpStage.MAIL, SmtpStage.RCPT, SmtpStage.DATA)  # of the three commands
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")  # would end the address, or the command


class PendingMail(NamedTuple):
    """A mail whose body has not been sent, so it can go over another connection."""

    message: Message
    retried: bool = False  # a new connection broke during its MAIL, RCPT or DATA before


@dataclass(slots=True)
class _Transaction:
    """One mail transaction: MAIL, RCPT, DATA and the body (RFC 5321, 3.3)."""

    mail: PendingMail
    commands: tuple[bytes, bytes, bytes]  # MAIL, RCPT, DATA
    body: bytes  # with the final dot
    announced: bool = False  # its commands were sent with the body of the mail before
    rejection: Reply | None = None  # the first one decides, whatever follows in the same group
    stage: SmtpStage = SmtpStage.DATA  # which command was rejected; the mail itself if none was

    def receipt(self, outcome: Outcome, reply: str, stage: SmtpStage | None = None) -> Receipt:
        return Receipt(delivery_id=self.mail.message.delivery_id, outcome=outcome, reply=reply, stage=stage)

    def receipt_for(self, reply: Reply) -> Receipt:
        if reply.accepts:
            return self.receipt(Outcome.SENT, str(reply))
        message = self.mail.message
        is_of_sender = answers_sender(str(reply), [message.sender], message.recipient)
        stage = SmtpStage.MAIL if is_of_sender else self.stage
        return self.receipt(Outcome.FAILED if reply.code >= 500 else Outcome.DEFERRED, str(reply), stage)

    def unanswered(self, reason: str) -> Receipt:
        return self.receipt(Outcome.UNKNOWN, f"no answer after the mail was handed over: {reason}")


class SmtpSession:
    """The dialogue over one connection. `closed` is set when it broke or the server closed it."""

    def __init__(self, client: SmtpClient) -> None:
        self._client = client
        self._reader = client.reader
        self.sock = self._reader.sock
        self._pipelining = client.has_extn("pipelining")
        self._smtputf8 = client.has_extn("smtputf8")
        self._size_extension = client.has_extn("size")
        self._max_size = client.max_size()
        self._buffers_input = isinstance(self.sock, ssl.SSLSocket)  # TLS may hold bytes that a selector does not see
        self.deadline = 0.0
        self._written = 0  # bytes of the last write that were sent
        self.closed = False
        self.rate_limited = False  # the server asked to slow down
        self._finished = 0  # mails with a receipt

    def send_all(
        self, first: PendingMail, next_mail: Callable[[], PendingMail | None], record: Callable[[Receipt], None]
    ) -> Generator[int, None, PendingMail | None]:
        """Send `first` and what `next_mail` returns, until that is None or the connection is closed.

        Each mail gets a receipt. One that was only announced when the connection closed is returned instead, to be sent
        over another. If this happens on two new connections in a row, it is deferred.

        Yields what it waits for: selectors.EVENT_READ or EVENT_WRITE on `sock`, until `deadline` (time.monotonic).
        After the deadline the caller throws TimeoutError in.
        """

        def following() -> _Transaction | None:
            while (mail := next_mail()) is not None:
                if prepared := self._prepare(mail, record):
                    return prepared
            return None

        transaction = self._prepare(first, record) or following()
        while transaction is not None:
            try:
                wants_body = yield from self._announce(transaction)
            except OSError as error:
                self.abort()
                return self._handle_broken_announcement(transaction, error, record)
            upcoming = following() if self._pipelining else None
            record((yield from self._finish(transaction, upcoming, wants_body=wants_body)))
            self._finished += 1
            if self.closed:
                return upcoming.mail if upcoming else None
            transaction = upcoming or (None if self._pipelining else following())
        return None

    @property
    def is_stale(self) -> bool:
        """Whether an idle server has closed the connection, or sent something that was not asked for."""
        try:
            socket.socket.recv(self.sock, 1, socket.MSG_PEEK)  # the raw bytes, also under TLS
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """End the session with QUIT and wait for the reply."""
        if not self.closed:
            self.closed = True
            with suppress(OSError):  # the server may be gone already
                self.sock.settimeout(self._client.timeout)
                self._client.quit()
            self._client.close()

    def abort(self) -> None:
        """Close the connection without QUIT."""
        self.closed = True
        self._client.close()

    def _announce(self, transaction: _Transaction) -> Generator[int, None, bool]:
        """Exchange MAIL, RCPT and DATA. Returns True if the server waits for a body.

        Raises OSError; `transaction.rejection` is valid even then.
        """
        if self._pipelining and not transaction.announced:
            yield from self._write(b"".join(transaction.commands))
        reply = Reply(0, b"")
        for command, stage in zip(transaction.commands, _STAGES, strict=True):
            if not self._pipelining:
                if transaction.rejection:
                    return False
                yield from self._write(command)
            reply = yield from self._read_reply()
            if reply.closes_connection:
                raise _ServerClosingError(reply)
            if reply.rejects:
                if transaction.rejection is None:
                    transaction.rejection, transaction.stage = reply, stage
            # A recipient accepted after MAIL was rejected would get an empty mail.
            elif reply.code != 354 if command is _DATA else not reply.accepts or transaction.rejection:
                raise ReplyError(f"unexpected reply: {reply}")
        return reply.code == 354

    def _handle_broken_announcement(
        self, transaction: _Transaction, error: OSError, record: Callable[[Receipt], None]
    ) -> PendingMail | None:
        """Return a mail whose announcement broke the connection if it is to be sent again, else record its receipt."""
        if transaction.rejection:
            record(transaction.receipt_for(transaction.rejection))
            return None
        # Servers close old connections at will. Only on a new connection may the mail be the cause.
        if self._finished:
            return transaction.mail
        reason = _reason(error)
        if not isinstance(error, _ServerClosingError):
            if not transaction.mail.retried:
                return PendingMail(transaction.mail.message, retried=True)
            reason = f"the connection broke before the mail was handed over: {reason}"
        record(transaction.receipt(Outcome.DEFERRED, reason))
        return None

    def _finish(
        self, transaction: _Transaction, upcoming: _Transaction | None, *, wants_body: bool
    ) -> Generator[int, None, Receipt]:
        """Send the body, and with it the commands of the upcoming mail. Returns the receipt."""
        rejection = transaction.rejection
        rest = b"RSET\r\n" if not wants_body else b".\r\n" if rejection else transaction.body
        ahead = b"".join(upcoming.commands) if upcoming else b""
        try:
            yield from self._write(rest + ahead)
            reply = yield from self._read_reply(1 if rejection else _FINAL_REPLY_FACTOR)
        except OSError as error:
            if rejection:
                receipt = transaction.receipt_for(rejection)
            elif self._written >= len(rest):
                receipt = transaction.unanswered(_reason(error))
            else:
                reason = f"the connection broke while the mail was handed over: {_reason(error)}"
                receipt = transaction.receipt(Outcome.DEFERRED, reason)
                with suppress(OSError):  # a server may say why before it closes the connection
                    reply = yield from self._read_reply(0.2 / self._client.timeout)
                    if reply.rejects:
                        receipt = transaction.receipt_for(reply)
            self.abort()
            return receipt
        if upcoming:
            upcoming.announced = True
        if reply.closes_connection or not (reply.accepts or (wants_body and reply.rejects)):
            self.abort()
        if rejection:
            return transaction.receipt_for(rejection)
        if not (reply.accepts or reply.rejects):
            return transaction.unanswered(f"unexpected reply: {reply}")
        return transaction.receipt_for(reply)

    def _write(self, data: bytes) -> Generator[int, None, None]:
        """Send all of `data`. Raises OSError; `self._written` bytes were sent even then."""
        self._written = 0
        if self._reader.has_unread:
            raise ReplyError("the server sent a reply to no command")
        self.deadline = time.monotonic() + self._client.timeout
        rest = memoryview(data)
        while self._written < len(data):
            try:
                self._written += self.sock.send(rest[self._written :])
            except _WOULD_BLOCK as error:
                yield EVENT_READ if isinstance(error, ssl.SSLWantReadError) else EVENT_WRITE

    def _read_reply(self, factor: float = 1) -> Generator[int, None, Reply]:
        """Return the next reply, which must be complete within `factor` times the timeout. Raises OSError."""
        self.deadline = time.monotonic() + self._client.timeout * factor
        wait = 0 if self._buffers_input else EVENT_READ
        while (reply := self._reader.find()) is None:
            if wait:
                yield wait
            try:
                self._reader.receive()
                wait = 0 if self._buffers_input else EVENT_READ
            except _WOULD_BLOCK as error:
                wait = EVENT_WRITE if isinstance(error, ssl.SSLWantWriteError) else EVENT_READ
        if reply.rejects and asks_to_slow_down(str(reply)):
            self.rate_limited = True
        return reply

    def _prepare(self, mail: PendingMail, record: Callable[[Receipt], None]) -> _Transaction | None:
        """Return the transaction for a mail, or None if this server cannot accept it: then it is recorded as failed."""
        message = mail.message
        length, body = encode_data(message.content)
        addresses = (message.sender, message.recipient)
        problem = "" if message.recipient else "it has no recipient"
        if 0 < self._max_size < length:
            problem = f"it has {length:,} bytes, and the server takes {self._max_size:,} (SIZE)"
        elif unsafe := next(filter(_UNSAFE.search, addresses), ""):
            problem = f"{unsafe!r} contains characters that SMTP does not allow"
        elif not self._smtputf8 and (foreign := next((a for a in addresses if not a.isascii()), "")):
            problem = f"{foreign!r} is not ASCII, and the server does not offer SMTPUTF8"
        size = f" SIZE={length}" if self._size_extension else ""
        utf8 = "" if message.sender.isascii() and message.recipient.isascii() else " SMTPUTF8"
        commands = (
            f"MAIL FROM:<{message.sender}>{size}{utf8}\r\n".encode(),
            f"RCPT TO:<{message.recipient}>\r\n".encode(),
            _DATA,
        )
        transaction = _Transaction(mail, commands, body)
        if problem:
            record(transaction.receipt(Outcome.FAILED, f"not sent: {problem}"))
            return None
        return transaction


class _ServerClosingError(ConnectionError):
    """421: the server closes the connection (RFC 5321, 3.8)."""


def encode_data(content: bytes) -> tuple[int, bytes]:
    """Return a mail's size in bytes (RFC 1870, 6.1) and its encoding for DATA (RFC 5321, 4.5.2), with the final dot.

    All lines end in CRLF: a bare CR or LF would let a mail smuggle in another. A line's leading dot is doubled.
    """
    if not content.endswith(b"\r\n"):
        content = _LINE_END.sub(b"\r\n", content)
        content = content if content.endswith(b"\r\n") else content + b"\r\n"
    # Most mails need no change: NumPy finds that out in one pass, and the mail is copied once.
    octets = np.frombuffer(content, np.uint8)
    feeds = octets == 10
    if feeds[0] or ((octets[:-1] == 13) != feeds[1:]).any():
        content = _LINE_END.sub(b"\r\n", content)
        dotted = True
    else:
        dotted = bool((feeds[:-1] & (octets[1:] == 46)).any())
    body = content.replace(b"\r\n.", b"\r\n..") if dotted else content
    return len(content), b"".join((b"." if body.startswith(b".") else b"", body, b".\r\n"))


def _reason(error: OSError) -> str:
    return one_line(str(error)) or type(error).__name__

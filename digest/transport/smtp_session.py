"""One connection's conversation: mails one after another, in groups where the server offers PIPELINING (RFC 2920).

Where it does, MAIL, RCPT and DATA go in one write, and the next mail's with the body and final dot of the one before:
one round trip a mail. DATA ends a group, because the body must wait for the 354. Each reply of a group is looked at by
itself: a server may answer 354 to DATA though it refused the mail (RFC 2920, 3.1), and an empty body ends that then.
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

from digest.models import Message, Outcome, Receipt
from digest.transport.replies import Reply, ReplyError, one_line
from digest.transport.retry import is_rate_complaint
from digest.transport.smtp_connection import Client

# RFC 5321, 4.5.3.2.6: ten minutes for the answer to a whole mail; who gives up sooner sends it twice.
_PATIENCE = 10  # times the timeout of every other step

_DATA = b"DATA\r\n"
_WOULD_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_NOTHING = Reply(0, b"")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")  # would end the address, or the command


class Untried(NamedTuple):
    """A mail that was announced at most: its body was not sent, so it may go over another connection."""

    message: Message
    again: bool = False  # a new connection broke over it before


@dataclass(slots=True)
class _Mail:
    untried: Untried
    commands: tuple[bytes, bytes, bytes]  # MAIL, RCPT, DATA
    body: bytes  # with the final dot
    announced: bool = False
    refusal: Reply | None = None  # the first; it settles the mail, whatever is answered to the rest of the group


class Dialogue:
    """What is said over one connection. It is `over` once it broke or the server hung up."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader = client.reader
        self.sock = self._reader.sock
        self._pipelining = client.has_extn("pipelining")
        self._utf8 = client.has_extn("smtputf8")
        self._sized = client.has_extn("size")
        self._limit = client.limit()
        self._eager = isinstance(self.sock, ssl.SSLSocket)  # may hold what was received already
        self.deadline = 0.0
        self._written = 0  # bytes of the last write that went out
        self.over = False
        self.complained = False  # the server said that this is too much, or too fast
        self.settled = 0  # mails that are done with, one way or another

    def carry(
        self,
        first: Untried,
        following: Callable[[], Untried | None],
        settle: Callable[[Receipt], None],
    ) -> Generator[int, None, Untried | None]:
        """Hand over `first` and what `following` gives, until that is None or the connection is over.

        Every mail is either settled by a receipt or, if it was announced only, returned. One over which a
        second new connection breaks is deferred.

        Waits by yielding what for: selectors.EVENT_READ or EVENT_WRITE on `sock`, until `deadline` (of
        time.monotonic). After that TimeoutError is to be thrown in.
        """
        mail = self._fit(first, settle) or self._next(following, settle)
        while mail is not None:
            try:
                wanted = yield from self._announce(mail)
            except OSError as error:
                self.end()
                return self._unheard(mail, error, settle)
            coming = self._next(following, settle) if self._pipelining else None
            settle((yield from self._finish(mail, coming, wanted=wanted)))
            self.settled += 1
            if self.over:
                return coming.untried if coming else None
            mail = coming or (None if self._pipelining else self._next(following, settle))
        return None

    @property
    def left(self) -> bool:
        """Whether the server has said something, or gone, while nothing was asked of it."""
        try:
            socket.socket.recv(self.sock, 1, socket.MSG_PEEK)  # under TLS too: whatever came, it was not asked for
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Say goodbye, and wait for the answer."""
        if not self.over:
            self.over = True
            self._client.leave()

    def _announce(self, mail: _Mail) -> Generator[int, None, bool]:
        """Whether the server now waits for a body. Raises OSError; `mail.refusal` stands even so."""
        if self._pipelining and not mail.announced:
            yield from self._write(b"".join(mail.commands))
        answer = _NOTHING
        for command in mail.commands:
            if not self._pipelining:
                if mail.refusal:
                    return False
                yield from self._write(command)
            answer = yield from self._reply()
            if answer.code == 421:
                raise _HangingUpError(answer)
            if answer.refuses:
                mail.refusal = mail.refusal or answer
            elif not _expected(command, answer, refused=bool(mail.refusal)):
                raise ReplyError(f"the server's answer is out of place: {answer}")
        return answer.code == 354

    def _finish(self, mail: _Mail, coming: _Mail | None, *, wanted: bool) -> Generator[int, None, Receipt]:
        """Send what is left of a mail, and the next one's announcement with it; the word that settles the mail."""
        rest = b"RSET\r\n" if not wanted else b".\r\n" if mail.refusal else mail.body
        ahead = b"".join(coming.commands) if coming else b""
        try:
            yield from self._write(rest + ahead)
            answer = yield from self._reply(1 if mail.refusal else _PATIENCE)
        except OSError as error:
            receipt = yield from self._broken(mail, error, whole=self._written >= len(rest))
            self.end()
            return receipt
        if coming:
            coming.announced = True
        if answer.code == 421 or not (answer.accepts or (wanted and answer.refuses)):
            self.end()
        if mail.refusal:
            return _receipt(mail, mail.refusal)
        if not (answer.accepts or answer.refuses):
            return _unanswered(mail, f"the server's answer is out of place: {answer}")
        return _receipt(mail, answer)

    def _unheard(self, mail: _Mail, error: OSError, settle: Callable[[Receipt], None]) -> Untried | None:
        """What becomes of a mail over whose announcement the connection broke."""
        if mail.refusal:
            settle(_receipt(mail, mail.refusal))
            return None
        hanging_up = isinstance(error, _HangingUpError)
        # A server leaves connections that it thinks too old: only over a new one does that mean this mail.
        if self.settled:
            return mail.untried
        if not (hanging_up or mail.untried.again):
            return Untried(mail.untried.message, again=True)
        reason = _reason(error)
        settle(
            _deferred(mail, reason if hanging_up else f"the connection broke before the mail was handed over: {reason}")
        )
        return None

    def _broken(self, mail: _Mail, error: OSError, *, whole: bool) -> Generator[int, None, Receipt]:
        """The receipt of a mail over whose body the connection broke; `whole`: all of that was written."""
        if mail.refusal:
            return _receipt(mail, mail.refusal)
        if whole:
            return _unanswered(mail, _reason(error))
        if last_word := (yield from self._last_word()):
            return _receipt(mail, last_word)
        return _deferred(mail, f"the connection broke while the mail was handed over: {_reason(error)}")

    def _last_word(self) -> Generator[int, None, Reply | None]:
        """Why the server took no more of a mail, if it said so before it hung up."""
        with suppress(OSError):
            answer = yield from self._reply(0.2 / self._client.timeout)
            return answer if answer.refuses else None
        return None

    def _write(self, data: bytes) -> Generator[int, None, None]:
        """Raises OSError; `self._written` bytes went out even so."""
        self._written = 0
        if self._reader.ahead:
            raise ReplyError("the server says more than it was asked")
        self.deadline = time.monotonic() + self._client.timeout
        rest = memoryview(data)
        while self._written < len(data):
            try:
                self._written += self.sock.send(rest[self._written :])
            except _WOULD_WAIT as error:
                yield EVENT_READ if isinstance(error, ssl.SSLWantReadError) else EVENT_WRITE

    def _reply(self, times: float = 1) -> Generator[int, None, Reply]:
        """The next reply, if it comes whole within `times` the timeout. Raises OSError."""
        self.deadline = time.monotonic() + self._client.timeout * times
        wait = 0 if self._eager else EVENT_READ
        while (answer := self._reader.find()) is None:
            if wait:
                yield wait
            try:
                self._reader.receive()
                wait = 0 if self._eager else EVENT_READ
            except _WOULD_WAIT as error:
                wait = EVENT_WRITE if isinstance(error, ssl.SSLWantWriteError) else EVENT_READ
        if answer.refuses and is_rate_complaint(str(answer)):
            self.complained = True
        return answer

    def end(self) -> None:
        """Hang up without a goodbye."""
        self.over = True
        self._client.close()

    def _next(self, following: Callable[[], Untried | None], settle: Callable[[Receipt], None]) -> _Mail | None:
        while (untried := following()) is not None:
            if mail := self._fit(untried, settle):
                return mail
        return None

    def _fit(self, untried: Untried, settle: Callable[[Receipt], None]) -> _Mail | None:
        """The mail as it will be said, or None if this server cannot take it: then it is settled, and not sent."""
        message = untried.message
        length, body = on_the_wire(message.content)
        fault = self._fault(message, length)
        if fault:
            settle(Receipt(delivery_id=message.delivery_id, outcome=Outcome.FAILED, reply=f"not sent: {fault}"))
            return None
        size = f" SIZE={length}" if self._sized else ""
        utf8 = "" if (message.sender + message.recipient).isascii() else " SMTPUTF8"
        return _Mail(
            untried,
            (
                f"MAIL FROM:<{message.sender}>{size}{utf8}\r\n".encode(),
                f"RCPT TO:<{message.recipient}>\r\n".encode(),
                _DATA,
            ),
            body,
        )

    def _fault(self, message: Message, size: int) -> str:
        if 0 < self._limit < size:
            return f"it has {size:,} bytes, and the server takes {self._limit:,} (SIZE)"
        for address in (message.sender, message.recipient):
            if _UNSAFE.search(address):
                return f"{address!r} cannot be said in SMTP"
            if not address.isascii() and not self._utf8:
                return f"{address!r} is not ASCII, and the server does not offer SMTPUTF8"
        return "" if message.recipient else "it has no recipient"


class _HangingUpError(ConnectionError):
    """421: the server closes the connection (RFC 5321, 3.8)."""


def on_the_wire(content: bytes) -> tuple[int, bytes]:
    """How many bytes a mail has (RFC 1870, 6.1), and how DATA says them (RFC 5321, 4.5.2).

    Every line ends in CRLF, also the last: a bare CR or LF would let a mail smuggle in another. A line that begins with
    a dot gets one more, and a lone dot ends it all. A mail that needs nothing of this is looked through once and copied
    once.
    """
    if not content.endswith(b"\r\n"):
        content = _LINE_END.sub(b"\r\n", content)
        content = content if content.endswith(b"\r\n") else content + b"\r\n"
    octets = np.frombuffer(content, np.uint8)
    feeds = octets == 10
    if feeds[0] or ((octets[:-1] == 13) != feeds[1:]).any():
        content = _LINE_END.sub(b"\r\n", content)
        dotted = True
    else:
        dotted = bool((feeds[:-1] & (octets[1:] == 46)).any())
    body = content.replace(b"\r\n.", b"\r\n..") if dotted else content
    return len(content), b"".join((b"." if body.startswith(b".") else b"", body, b".\r\n"))


def _expected(command: bytes, answer: Reply, *, refused: bool) -> bool:
    if command is _DATA:
        return answer.code == 354
    return answer.accepts and not refused  # a recipient of no mail: an empty body would be delivered


def _receipt(mail: _Mail, answer: Reply) -> Receipt:
    outcome = Outcome.SENT if answer.accepts else Outcome.FAILED if answer.code >= 500 else Outcome.DEFERRED
    return Receipt(delivery_id=mail.untried.message.delivery_id, outcome=outcome, reply=str(answer))


def _deferred(mail: _Mail, reply: str) -> Receipt:
    return Receipt(delivery_id=mail.untried.message.delivery_id, outcome=Outcome.DEFERRED, reply=reply)


def _unanswered(mail: _Mail, reason: str) -> Receipt:
    reply = f"no answer after the mail was handed over: {reason}"
    return Receipt(delivery_id=mail.untried.message.delivery_id, outcome=Outcome.UNKNOWN, reply=reply)


def _reason(error: OSError) -> str:
    return one_line(str(error)) or type(error).__name__

"""One connection's conversation: mails one after another, in groups where the server offers PIPELINING (RFC 2920).

Where it does, MAIL, RCPT and DATA go in one write, and the next mail's with the body and final dot of the one before:
one round trip a mail. DATA ends a group, because the body must wait for the 354. Each reply of a group is looked at by
itself: a server may answer 354 to DATA though it refused the mail (RFC 2920, 3.1), and an empty body ends that then.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from digest.models import Message, Outcome, Receipt
from digest.transport.connection import Client
from digest.transport.replies import TIMED_OUT, Reply, ReplyError, one_line

# RFC 5321, 4.5.3.2.6: ten minutes for the answer to a whole mail; who gives up sooner sends it twice.
_PATIENCE = 10  # times the timeout of every other step

_DATA = b"DATA\r\n"
_NOTHING = Reply(0, b"")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")  # would end the address, or the command


class Untried(NamedTuple):
    """A mail that was announced at most: its body was not sent, so it may go over another connection."""

    message: Message
    alone: bool  # the connection broke over this one, not over the mail before


@dataclass(slots=True)
class _Mail:
    message: Message
    commands: tuple[bytes, bytes, bytes]  # MAIL, RCPT, DATA
    body: bytes  # with the final dot
    announced: bool = False
    refusal: Reply | None = None  # the first; it settles the mail, whatever is answered to the rest of the group


class Dialogue:
    """What is said over one connection. It is `over` once it broke or the server hung up."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader = client.reader
        self._pipelining = client.has_extn("pipelining")
        self._utf8 = client.has_extn("smtputf8")
        self._sized = client.has_extn("size")
        self._limit = client.limit()
        self._written = 0  # bytes of the last write that went out
        self.over = False
        self.settled = 0  # mails that are done with, one way or another

    def carry(
        self,
        first: Message,
        following: Callable[[], Message | None],
        settle: Callable[[Receipt], None],
        *,
        last_chance: bool = False,
    ) -> Untried | None:
        """Hand over `first` and what `following` gives, until that is None or the connection is over.

        Every mail is either settled by a receipt or, if it was announced only, returned. With `last_chance`, `first`
        was returned so before: if the connection breaks over it once more, it is deferred.
        """
        mail = self._fit(first, settle) or self._next(following, settle)
        while mail is not None:
            try:
                wanted = self._announce(mail)
            except OSError as error:
                self._end()
                return self._unheard(mail, error, settle, spare=not (last_chance and mail.message is first))
            coming = self._next(following, settle) if self._pipelining else None
            settle(self._finish(mail, coming, wanted=wanted))
            self.settled += 1
            if self.over:
                return Untried(coming.message, alone=False) if coming else None
            mail = coming or (None if self._pipelining else self._next(following, settle))
        return None

    def close(self) -> None:
        """Say goodbye."""
        if not self.over:
            with suppress(OSError):
                self._client.quit()  # it may have gone already
        self._end()

    def _announce(self, mail: _Mail) -> bool:
        """Whether the server now waits for a body. Raises OSError; `mail.refusal` stands even so."""
        if self._pipelining and not mail.announced:
            self._write(b"".join(mail.commands))
        answer = _NOTHING
        for command in mail.commands:
            if not self._pipelining:
                if mail.refusal:
                    return False
                self._write(command)
            answer = self._client.reply()
            if answer.code == 421:
                raise _HangingUpError(answer)
            if answer.refuses:
                mail.refusal = mail.refusal or answer
            elif not _expected(command, answer, refused=bool(mail.refusal)):
                raise ReplyError(f"the server's answer is out of place: {answer}")
        return answer.code == 354

    def _finish(self, mail: _Mail, coming: _Mail | None, *, wanted: bool) -> Receipt:
        """Send what is left of a mail, and the next one's announcement with it; the word that settles the mail."""
        rest = b"RSET\r\n" if not wanted else b".\r\n" if mail.refusal else mail.body
        ahead = b"".join(coming.commands) if coming else b""
        try:
            self._write(rest + ahead)
            answer = self._client.reply(1 if mail.refusal else _PATIENCE)
        except OSError as error:
            receipt = self._broken(mail, error, whole=self._written >= len(rest))
            self._end()
            return receipt
        if coming:
            coming.announced = True
        if answer.code == 421 or not (answer.accepts or (wanted and answer.refuses)):
            self._end()
        if mail.refusal:
            return _receipt(mail, mail.refusal)
        if not (answer.accepts or answer.refuses):
            return _unanswered(mail, f"the server's answer is out of place: {answer}")
        return _receipt(mail, answer)

    def _unheard(
        self, mail: _Mail, error: OSError, settle: Callable[[Receipt], None], *, spare: bool
    ) -> Untried | None:
        """What becomes of a mail over whose announcement the connection broke."""
        if mail.refusal:
            settle(_receipt(mail, mail.refusal))
            return None
        hanging_up = isinstance(error, _HangingUpError)
        # A server says 421 to a connection that it thinks too old: only over a new one does that mean this mail.
        if spare and (self.settled or not hanging_up):
            return Untried(mail.message, alone=True)
        reason = _reason(error)
        settle(
            _deferred(mail, reason if hanging_up else f"the connection broke before the mail was handed over: {reason}")
        )
        return None

    def _broken(self, mail: _Mail, error: OSError, *, whole: bool) -> Receipt:
        """The receipt of a mail over whose body the connection broke; `whole`: all of that was written."""
        if mail.refusal:
            return _receipt(mail, mail.refusal)
        if whole:
            return _unanswered(mail, _reason(error))
        if last_word := self._last_word():
            return _receipt(mail, last_word)
        return _deferred(mail, f"the connection broke while the mail was handed over: {_reason(error)}")

    def _last_word(self) -> Reply | None:
        """Why the server took no more of a mail, if it said so before it hung up."""
        seconds = 0.2
        with suppress(OSError):
            self._reader.sock.settimeout(seconds)
            answer = self._client.reply(seconds / self._client.timeout)
            return answer if answer.refuses else None
        return None

    def _write(self, data: bytes) -> None:
        """Raises OSError; `self._written` bytes went out even so."""
        self._written = 0
        if self._reader.ahead:
            raise ReplyError("the server says more than it was asked")
        self._written = self._reader.sock.send(data)
        if self._written < len(data):
            rest = memoryview(data)
            while self._written < len(data):
                self._written += self._reader.sock.send(rest[self._written :])

    def _end(self) -> None:
        self.over = True
        self._client.close()

    def _next(self, following: Callable[[], Message | None], settle: Callable[[Receipt], None]) -> _Mail | None:
        while (message := following()) is not None:
            if mail := self._fit(message, settle):
                return mail
        return None

    def _fit(self, message: Message, settle: Callable[[Receipt], None]) -> _Mail | None:
        """The mail as it will be said, or None if this server cannot take it: then it is settled, and not sent."""
        content = _with_crlf(message.content)
        fault = self._fault(message, len(content))
        if fault:
            settle(Receipt(delivery_id=message.delivery_id, outcome=Outcome.FAILED, reply=f"not sent: {fault}"))
            return None
        size = f" SIZE={len(content)}" if self._sized else ""
        utf8 = "" if (message.sender + message.recipient).isascii() else " SMTPUTF8"
        return _Mail(
            message,
            (
                f"MAIL FROM:<{message.sender}>{size}{utf8}\r\n".encode(),
                f"RCPT TO:<{message.recipient}>\r\n".encode(),
                _DATA,
            ),
            stuffed(content),
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


def stuffed(content: bytes) -> bytes:
    """A mail with CRLF line ends as DATA has it: a dot more before each that begins a line (RFC 5321, 4.5.2)."""
    body = content.replace(b"\r\n.", b"\r\n..")
    return b"".join((b"." if body.startswith(b".") else b"", body, b".\r\n"))


def _with_crlf(content: bytes) -> bytes:
    """A bare CR or LF would let a mail smuggle in another: each becomes a line end, and the last line gets its own."""
    ends = content.count(b"\r\n")
    if content.count(b"\n") != ends or content.count(b"\r") != ends:
        content = _LINE_END.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def _expected(command: bytes, answer: Reply, *, refused: bool) -> bool:
    if command is _DATA:
        return answer.code == 354
    return answer.accepts and not refused  # a recipient of no mail: an empty body would be delivered


def _receipt(mail: _Mail, answer: Reply) -> Receipt:
    outcome = Outcome.SENT if answer.accepts else Outcome.FAILED if answer.code >= 500 else Outcome.DEFERRED
    return Receipt(delivery_id=mail.message.delivery_id, outcome=outcome, reply=str(answer))


def _deferred(mail: _Mail, reply: str) -> Receipt:
    return Receipt(delivery_id=mail.message.delivery_id, outcome=Outcome.DEFERRED, reply=reply)


def _unanswered(mail: _Mail, reason: str) -> Receipt:
    reply = f"no answer after the mail was handed over: {reason}"
    return Receipt(delivery_id=mail.message.delivery_id, outcome=Outcome.DEFERRED, reply=reply, in_doubt=True)


def _reason(error: OSError) -> str:
    return "timed out" if isinstance(error, TIMED_OUT) else one_line(str(error)) or type(error).__name__

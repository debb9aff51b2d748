"""What an SMTP server answers, read from its socket (RFC 5321, 4.2)."""

import re
import smtplib
import socket
import time
from typing import NamedTuple

_AT_ONCE = 8192  # bytes asked of the socket
_MOST = 64 * 1024  # bytes that were not read yet; RFC 5321, 4.5.3.1.5 allows 512 a line
_MOST_LINES = 1000
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


class ReplyError(smtplib.SMTPException):
    """An answer that is none. What comes after it cannot be told apart either, so the connection is of no more use."""


class Reply(NamedTuple):
    """One whole reply."""

    code: int
    text: bytes  # without the codes; lines are separated by LF

    @property
    def accepts(self) -> bool:
        """The server did what it was asked (2yz)."""
        return 200 <= self.code < 300

    @property
    def refuses(self) -> bool:
        """The server did not do it, for now (4yz) or for good (5yz)."""
        return self.code >= 400

    def __str__(self) -> str:
        return f"{self.code} {one_line(self.text)}".rstrip()


class ReplyReader:
    """Takes replies off a socket, as many as come at once."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._bytes = b""
        self._at = 0  # what stands before was read
        self._lines: list[bytes] = []  # of a reply that is not whole yet
        self._code = b""

    @property
    def ahead(self) -> bool:
        """Something has come that was not read yet."""
        return self._at < len(self._bytes)

    def read(self, timeout: float) -> Reply:
        """The next reply, if it comes within `timeout` seconds, however slowly it trickles in.

        Raises ReplyError, ConnectionError at the end of the line, TimeoutError, and what else sockets raise.
        """
        deadline = time.monotonic() + timeout
        while (reply := self.find()) is None:
            self.receive()
            if time.monotonic() > deadline:
                raise TimeoutError("timed out")
        return reply

    def find(self) -> Reply | None:
        """The next reply that has come whole, or None. Raises ReplyError."""
        while (end := self._bytes.find(b"\n", self._at)) >= 0:
            line = self._bytes[self._at : end].rstrip(b"\r")
            self._at = end + 1
            found = _LINE.fullmatch(line)
            if found is None or not line.startswith(self._code):  # a reply has one code on all its lines
                raise ReplyError(f"the server's answer makes no sense: {one_line(line[:100])!r}")
            code, separator, text = found.groups(b"")
            self._lines.append(text)
            if separator != b"-":
                reply = Reply(int(code), b"\n".join(self._lines))
                self._lines, self._code = [], b""
                return reply
            self._code = code
            if len(self._lines) > _MOST_LINES:
                raise ReplyError("the server's answer has no end")
        return None

    def receive(self) -> None:
        """Take what there is. Raises ReplyError, ConnectionError, and what else sockets raise."""
        received = self.sock.recv(_AT_ONCE)
        if not received:
            raise ConnectionError("the server hung up")
        self._bytes = self._bytes[self._at :] + received
        self._at = 0
        if len(self._bytes) > _MOST:
            raise ReplyError("the server's answer has no end")


def one_line(text: str | bytes) -> str:
    """What a server said as one line that can be shown anywhere."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())

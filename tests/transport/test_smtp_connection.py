"""Replies are read completely, however they arrive, and invalid ones are detected."""

import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from digest.transport.smtp_connection import Reply, ReplyError, ReplyReader

Ends = tuple[socket.socket, ReplyReader]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A server's end, and the reader at the other."""
    server, client = socket.socketpair()
    client.settimeout(5)
    with server, client:
        yield server, ReplyReader(client)


@pytest.mark.parametrize(
    ("said", "reply", "line"),
    [
        (b"250 ok\r\n", Reply(250, b"ok"), "250 ok"),
        (b"250\r\n", Reply(250, b""), "250"),
        (b"250 \r\n", Reply(250, b""), "250"),
        (b"250-a\r\n250-\r\n250 c\r\n", Reply(250, b"a\n\nc"), "250 a c"),
        (b"550-5.1.1 no\n550 one\n", Reply(550, b"5.1.1 no\none"), "550 5.1.1 no one"),
        (b"550 no\0such user\r\n", Reply(550, b"no\0such user"), "550 no such user"),
        (b"450 \xffz\x1b[2J\r\n", Reply(450, b"\xffz\x1b[2J"), "450 \N{REPLACEMENT CHARACTER}z [2J"),
    ],
)
def test_a_reply_is_one_line_to_show(ends: Ends, said: bytes, reply: Reply, line: str) -> None:
    server, reader = ends
    server.sendall(said)
    assert reader.read(5) == reply
    assert str(reply) == line
    assert not reader.has_unread


def test_replies_that_arrive_together_are_separated(ends: Ends) -> None:
    server, reader = ends
    server.sendall(b"250-a\r\n250 b\r\n354 go\r\n4")
    assert [reader.read(5).code, reader.read(5).code] == [250, 354]
    assert reader.has_unread
    server.sendall(b"21 bye\r\n")
    assert reader.read(5) == Reply(421, b"bye")


@pytest.mark.parametrize("said", [b"hello\r\n", b"\r\n", b"25 x\r\n", b"650 x\r\n", b"250x\r\n", b"250-a\r\n550 b\r\n"])
def test_an_invalid_reply_is_an_error(ends: Ends, said: bytes) -> None:
    server, reader = ends
    server.sendall(said)
    with pytest.raises(ReplyError, match="not a valid SMTP reply"):
        reader.read(5)


@pytest.mark.parametrize("said", [b"250-x\r\n", b"x", b"250 "])
def test_an_endless_reply_is_given_up(ends: Ends, said: bytes) -> None:
    server, reader = ends

    def say() -> None:
        with suppress(OSError):  # the server no longer listens
            server.sendall(said * 70_000)

    sender = threading.Thread(target=say)
    sender.start()
    with pytest.raises(ReplyError, match="reply is too long"):
        reader.read(5)
    reader.sock.close()
    sender.join()


def test_a_reply_that_trickles_in_too_slowly_is_given_up(ends: Ends) -> None:
    server, reader = ends
    stopped = threading.Event()

    def trickle() -> None:
        while not stopped.wait(0.05):
            server.sendall(b"2")

    sender = threading.Thread(target=trickle)
    sender.start()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        reader.read(0.3)
    assert time.monotonic() - begun < 5
    stopped.set()
    sender.join()


def test_a_closed_connection_is_an_error_that_smtplib_callers_catch(ends: Ends) -> None:
    server, reader = ends
    server.close()
    with pytest.raises(ConnectionError, match="the server closed the connection"):
        reader.read(5)
    assert issubclass(ReplyError, smtplib.SMTPException)

"""An IMAP server that says what a test wants; Dovecot is too well-behaved for that."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

_USUAL = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n", b"SELECT": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 9] it\r\n"}


@contextmanager
def scripted(answers: Mapping[bytes, bytes], refused: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """A port, and the commands that come. `answers` to a command (without UID) stand before its OK, or its NO."""
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            client, _ = entry.accept()
            with client, client.makefile("rb") as lines:
                client.sendall(b"* OK here\r\n")
                for line in lines:
                    heard.append(line.strip())
                    tag, command, *_ = line.replace(b" UID ", b" ", 1).split()
                    end = b" NO never\r\n" if command == refused else b" OK done\r\n"
                    client.sendall((_USUAL | dict(answers)).get(command, b"") + tag + end)

    with socket.create_server(("127.0.0.1", 0)) as entry:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield entry.getsockname()[1], heard
        finally:
            with suppress(OSError):
                entry.shutdown(socket.SHUT_RDWR)
            thread.join()

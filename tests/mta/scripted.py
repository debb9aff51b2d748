"""An IMAP server that says what a test wants; Dovecot is too well-behaved for that."""

import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
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


def _fetch(
    client: socket.socket, tag: bytes, mails: Mapping[int, bytes], broken: Collection[int], trickle: float
) -> bool:
    """Answer a FETCH. Returns False if the server is to hang up."""
    for uid, content in mails.items():
        if uid in broken:
            is_refusal = content.startswith(b"NO ")
            client.sendall(tag + b" " + content if is_refusal else content)
            return is_refusal
        answer = b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%s)\r\n" % (uid, len(content), content)
        for byte in answer if trickle else b"":
            client.sendall(bytes([byte]))
            time.sleep(trickle)
        client.sendall(b"" if trickle else answer)
    client.sendall(tag + b" OK done\r\n")
    return True


@contextmanager
def imap_server(
    mails: Mapping[int, bytes],
    *,
    broken: Collection[int] = (),
    greeting: bytes = b"* OK here\r\n",
    trickle: float = 0.0,
) -> Iterator[int]:
    """The port of a server with unread mails, by UID. It answers each client until the end of the `with`.

    A `broken` mail is what is said when it is fetched, alone or with others: a NO, or else the last words before the
    server hangs up. With `trickle`, mails come byte by byte, each after so many seconds.
    """
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client, client.makefile("rb") as lines:
            client.sendall(greeting)
            for line in lines:
                tag, command, *rest = line.replace(b" UID ", b" ", 1).split()
                found = b"* SEARCH %s\r\n" % b" ".join(b"%d" % uid for uid in mails) if command == b"SEARCH" else b""
                if command != b"FETCH":
                    client.sendall(_USUAL.get(command, found) + tag + b" OK done\r\n")
                else:
                    wanted = {int(uid): mails[int(uid)] for uid in rest[0].split(b",")}
                    if not _fetch(client, tag, wanted, broken, trickle):
                        return

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = entry.accept()
                clients.append(client)
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as entry:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield entry.getsockname()[1]
        finally:
            for each in (entry, *clients):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            thread.join()

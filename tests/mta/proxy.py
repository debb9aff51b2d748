"""A proxy that breaks connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def cut_after(port: int, count: int) -> Iterator[int]:
    """A port that leads one client to the server on `port`, until `count` bytes of its answers have come."""
    with socket.create_server(("127.0.0.1", 0)) as entry:
        thread = threading.Thread(target=_forward, args=(entry, port, count))
        thread.start()
        try:
            yield entry.getsockname()[1]
        finally:
            with suppress(OSError):
                entry.shutdown(socket.SHUT_RDWR)  # no client connected
            thread.join()


def _forward(entry: socket.socket, port: int, count: int) -> None:
    with suppress(OSError):
        client, _ = entry.accept()
        entry.close()  # a second client is refused at once
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            asking = threading.Thread(target=_copy, args=(client, server, -1))
            asking.start()
            _copy(server, client, count)
            for end in (client, server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()


def _copy(source: socket.socket, target: socket.socket, count: int) -> None:
    """Until the end, or for `count` bytes."""
    with suppress(OSError):
        while count and (received := source.recv(min(count, 4096) if count > 0 else 4096)):
            target.sendall(received)
            count -= len(received)

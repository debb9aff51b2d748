"""SMTP: several connections in plain threads, each kept open and used again.

The calling thread alone takes messages and yields receipts; the threads only talk to the server.
"""

import queue
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from digest.errors import TransportError
from digest.models import Message, Receipt
from digest.transport.connection import Security, Server
from digest.transport.dialogue import Dialogue, Untried

__all__ = ["Security", "SmtpTransport"]

_TIMEOUT_SECONDS = 60.0  # for each step
_MAILS_PER_CONNECTION = 500  # then it is renewed: servers close those that never end
_DEPTH = 4  # mails a connection that were taken and whose receipt is not out yet


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
        server = Server(
            host=host, port=port, security=security, username=username, password=password, timeout=timeout, tls=tls
        )
        self._lines = [_Line(server, self._todo, self._done) for _ in range(connections)]
        self._threads: dict[_Line, threading.Thread] = {}

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """See Transport. At most four messages a connection are in flight: taken, and their receipts not yet out.

        An error of the messages' own is raised after the receipts of those before it.
        """
        source = iter(messages)
        untried: deque[Message] = deque()
        in_flight = 0
        reason = ""
        failure: Exception | None = None
        self._start()
        try:
            while True:
                while in_flight < _DEPTH * len(self._threads):
                    try:
                        message = untried.popleft() if untried else next(source, None)
                    except Exception as error:  # noqa: BLE001 raised below, once it is known what became of the rest
                        failure, source, message = error, iter(()), None
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
            self._forget(in_flight)
        if failure:
            raise failure
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
                thread = threading.Thread(target=line.work, name=f"smtp {self._name}", daemon=True)
                self._threads[line] = thread
                thread.start()

    def _forget(self, in_flight: int) -> None:
        """The caller stopped listening: nobody may hear of these mails in the next send()."""
        in_flight -= len(self._take_back())
        for _ in range(in_flight):
            result = self._done.get()
            if isinstance(result, _Down):
                self._threads.pop(result.line).join()

    def _take_back(self) -> list[Message]:
        left = []
        while (message := _at_once(self._todo)) is not None:
            left.append(message)
        return left


class _Line:
    """One connection, made when it is needed and made anew when it broke or grew old."""

    def __init__(
        self,
        server: Server,
        todo: "queue.SimpleQueue[Message | None]",
        done: "queue.SimpleQueue[Receipt | _Down]",
    ) -> None:
        self._server = server
        self._todo = todo
        self._done = done
        self._dialogue: Dialogue | None = None
        self._given = 0  # mails for this connection

    def work(self) -> None:
        """Hand over what there is to do, until that is None or there is no connection to be had."""
        while (message := self._todo.get()) is not None:
            untried: Untried | None = Untried(message, alone=False)
            while untried:
                try:
                    dialogue = self._open()
                except TransportError as error:
                    self._done.put(_Down(self, untried.message, str(error)))
                    return  # others may be connected still: they take what is left
                self._given += 1
                untried = dialogue.carry(untried.message, self._next, self._done.put, last_chance=untried.alone)
        self._close()

    def _next(self) -> Message | None:
        if self._given >= _MAILS_PER_CONNECTION:
            return None
        message = _at_once(self._todo)
        self._given += message is not None
        return message

    def _open(self) -> Dialogue:
        if self._dialogue and self._given >= _MAILS_PER_CONNECTION:
            self._close()
        if self._dialogue is None or self._dialogue.over:
            self._dialogue = Dialogue(self._server.connected())
            self._given = 0
        return self._dialogue

    def _close(self) -> None:
        if self._dialogue:
            self._dialogue.close()
        self._dialogue = None


def _at_once(todo: "queue.SimpleQueue[Message | None]") -> Message | None:
    """A message that waits, or None. A goodbye that waits is left for when there is nothing else to do."""
    try:
        message = todo.get_nowait()
    except queue.Empty:
        return None
    if message is None:
        todo.put(None)
    return message

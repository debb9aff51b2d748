"""Many dialogues at once, in one thread: it goes to whichever connection has something to say.

Threads for the connections would spend more time on waiting for one another than on mail. Only what smtplib waits for
has a thread, for as long as it takes: connecting, with all that TLS and AUTH ask for, and saying goodbye.
"""

import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from digest.errors import TransportError
from digest.models import Message, Receipt
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp_connection import Client, Server
from digest.transport.smtp_session import Dialogue, Untried

_MAILS_PER_CONNECTION = 500  # then it is renewed: servers close those that never end


class Supply:
    """The mails of one send(): taken from the caller as they are needed."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.waiting: deque[Untried] = deque()  # taken, and with no connection
        self.failure: Exception | None = None  # of the caller's own iterator
        self._source = iter(messages)
        self._stopped = False

    def next(self) -> Untried | None:
        """A mail to hand over, or None if there is none left."""
        if self.waiting or self.fetch():
            return self.waiting.popleft()
        return None

    def fetch(self) -> bool:
        """Take one more, to wait for a connection."""
        try:
            message = next(self._source, None)
        except Exception as error:  # noqa: BLE001 raised when it is known what became of those before
            self.failure, message = error, None
        if message is None:
            self._source = iter(())
            return False
        self.waiting.append(Untried(message))
        return True

    def give_back(self, mail: Untried) -> None:
        """A mail that was not tried; it goes first now."""
        if not self._stopped:
            self.waiting.appendleft(mail)

    def stop(self) -> bool:
        """Give out no more, whatever happens. Whether mails were left."""
        left = bool(self.waiting)
        self._stopped = True
        self._source = iter(())
        self.waiting.clear()
        return left


@dataclass(slots=True, eq=False)
class _Line:
    """A place for a connection, which is made when it is needed, and made anew when it broke or grew old."""

    dialogue: Dialogue | None = None
    talk: "_Talk | None" = None
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    connecting: bool = False
    given: int = 0  # mails, to this connection
    reason: str = ""  # why there is no connection to be had

    @property
    def usable(self) -> bool:
        return self.dialogue is not None and not self.dialogue.over and self.given < _MAILS_PER_CONNECTION


@dataclass(slots=True)
class _Talk:
    """A dialogue while it has mails to hand over."""

    dialogue: Dialogue
    steps: Generator[int, None, Untried | None]
    wants: int = 0  # what the selector watches for


class Pool:
    """The connections, and the receipts that came over them."""

    def __init__(self, server: Server, connections: int, *, rate_limiter: RateLimiter, connection_rate: float) -> None:
        """`rate_limiter` is that of all connections together, `connection_rate` (mails a second, or 0) that of each."""
        self.receipts: deque[Receipt] = deque()
        self._rate_limiter = rate_limiter
        self._lines = [_Line(rate_limiter=RateLimiter(connection_rate)) for _ in range(connections)]
        self._connector = _Connector(server)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._connector.bell, selectors.EVENT_READ)

    @property
    def reason(self) -> str:
        """Why no connection can be had."""
        return next((line.reason for line in self._lines if line.reason), "")

    def begin(self) -> None:
        """Forget which connections could not be made, and those that the server ended while there was no mail."""
        for line in self._lines:
            line.reason = ""
            if line.usable and line.dialogue and line.dialogue.left:
                line.dialogue.end()

    def go_on(self, supply: Supply) -> bool:
        """Do what can be done, after a wait if need be. False when nothing more can come of it."""
        pause = self._hand_out(supply)
        talking = [line for line in self._lines if line.talk]
        connecting = any(line.connecting for line in self._lines)
        if not talking and pause is None and not (connecting and supply.waiting):
            return bool(self.receipts)
        if self.receipts:  # those of mails that could not even be said
            return True
        for key, _ in self._selector.select(_until(talking, pause)):
            if key.data is None:
                self._welcome(self._connector.arrived())
            else:
                self._advance(key.data, key.data.talk, supply)
        now = time.monotonic()
        for line in talking:
            if line.talk and line.talk.dialogue.deadline <= now:
                self._advance(line, line.talk, supply, TimeoutError("timed out"))
        return True

    def close(self) -> None:
        """Say goodbye on every connection."""
        self._welcome(self._connector.last())
        dialogues = [line.dialogue for line in self._lines if line.dialogue]
        goodbyes = [threading.Thread(target=dialogue.close, daemon=True) for dialogue in dialogues]
        for goodbye in goodbyes:
            goodbye.start()
        for goodbye in goodbyes:
            goodbye.join()
        self._selector.close()
        self._connector.close()

    def _hand_out(self, supply: Supply) -> float | None:
        """Mails to the connections that have none; and as many more connections as mails wait for one.

        The seconds after which a mail that there is may go over a connection that there is; None if none has to wait.
        """
        pause: float | None = None
        for line in self._lines:
            while line.usable and line.dialogue and not line.talk:
                wait = self._wait(line)
                if wait > 0:
                    if not (supply.waiting or supply.fetch()):
                        return None
                    pause = wait if pause is None else min(pause, wait)
                    break
                mail = self._next(line, supply)
                if mail is None:
                    return None
                self._talk(line, line.dialogue, mail, supply)
        if pause is None:
            self._connect_more(supply)
        return pause

    def _connect_more(self, supply: Supply) -> None:
        wanted = sum(line.connecting for line in self._lines)
        for line in self._lines:
            if line.talk or line.usable or line.connecting or line.reason:
                continue
            if wanted >= len(supply.waiting) and not supply.fetch():
                return
            wanted += 1
            line.connecting = True
            self._connector.connect(line)

    def _wait(self, line: _Line) -> float:
        return max(self._rate_limiter.delay(), line.rate_limiter.delay())

    def _next(self, line: _Line, supply: Supply) -> Untried | None:
        """A mail for a connection, if it may have one now."""
        mail = supply.next() if self._wait(line) <= 0 else None
        if mail is not None:
            line.given += 1
            line.rate_limiter.record()
            self._rate_limiter.record()
        return mail

    def _talk(self, line: _Line, dialogue: Dialogue, first: Untried, supply: Supply) -> None:
        def following() -> Untried | None:
            return self._next(line, supply) if line.given < _MAILS_PER_CONNECTION else None

        line.talk = _Talk(dialogue, dialogue.carry(first, following, self.receipts.append))
        self._advance(line, line.talk, supply)

    def _advance(self, line: _Line, talk: _Talk, supply: Supply, error: Exception | None = None) -> None:
        """Let a dialogue go on until it has to wait again, or ends."""
        try:
            wants = talk.steps.throw(error) if error else next(talk.steps)
        except StopIteration as end:
            self._fall_silent(line, talk)
            self._heed(talk.dialogue)
            if end.value:
                supply.give_back(end.value)
            return
        except BaseException:
            talk.dialogue.end()  # in the middle of something
            self._fall_silent(line, talk)
            raise
        self._heed(talk.dialogue)
        if not talk.wants:
            self._selector.register(talk.dialogue.sock, wants, line)
        elif wants != talk.wants:
            self._selector.modify(talk.dialogue.sock, wants, line)
        talk.wants = wants

    def _heed(self, dialogue: Dialogue) -> None:
        if dialogue.complained:
            dialogue.complained = False
            self._rate_limiter.back_off()

    def _fall_silent(self, line: _Line, talk: _Talk) -> None:
        if talk.wants:
            self._selector.unregister(talk.dialogue.sock)
        line.talk = None

    def _welcome(self, arrivals: Iterable[tuple[_Line, Client | Exception]]) -> None:
        for line, found in arrivals:
            line.connecting = False
            line.dialogue, line.given = None, 0
            if isinstance(found, Client):
                line.dialogue = Dialogue(found)
            elif isinstance(found, TransportError):
                line.reason = str(found)  # a server that takes three connections of four is no reason to stop
            else:
                raise found


class _Connector:
    """Makes connections, each in a thread of its own. `bell` can be read when one has come of it."""

    def __init__(self, server: Server) -> None:
        self.bell, self._cord = socket.socketpair()
        self.bell.setblocking(False)
        self._server = server
        self._threads: set[threading.Thread] = set()
        self._arrived: queue.SimpleQueue[tuple[_Line, Client | Exception]] = queue.SimpleQueue()

    def connect(self, line: _Line) -> None:
        """Connect a line, after a goodbye to the connection that it may have had."""
        thread = threading.Thread(target=self._connect, args=(line,), daemon=True)
        self._threads = {thread for thread in self._threads if thread.is_alive()} | {thread}
        thread.start()

    def arrived(self) -> Iterator[tuple[_Line, Client | Exception]]:
        """What came of the connections that were asked for."""
        self.bell.recv(4096)
        while not self._arrived.empty():
            yield self._arrived.get()

    def last(self) -> Iterator[tuple[_Line, Client | Exception]]:
        """Wait for all that are on the way."""
        for thread in self._threads:
            thread.join()
        while not self._arrived.empty():
            yield self._arrived.get()

    def close(self) -> None:
        """Ask for no more connections after this."""
        self.bell.close()
        self._cord.close()

    def _connect(self, line: _Line) -> None:
        found: Client | Exception
        try:
            if line.dialogue:
                line.dialogue.close()
            found = self._server.connected()
        except Exception as error:  # noqa: BLE001 raised by whoever waits for it
            found = error
        self._arrived.put((line, found))
        self._cord.send(b"!")


def _until(talking: Iterable[_Line], pause: float | None) -> float | None:
    """Seconds until the first of them has waited too long, or a pause is over."""
    now = time.monotonic()
    waits = [max(0.0, line.talk.dialogue.deadline - now) for line in talking if line.talk]
    return min([*waits, *([] if pause is None else [pause])], default=None)

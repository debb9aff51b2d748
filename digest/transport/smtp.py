"""SMTP over a pool of connections to one mail server, which stay open between mails.

One thread serves all connections: it continues whichever session has received a reply. A thread for each would spend
more time on waiting for the others than on mail. Only what blocks in smtplib has a thread: connecting and QUIT.
"""

import queue
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from digest.closing import Closable
from digest.errors import TransportError
from digest.models import Message, Receipt
from digest.transport.bounces.classification import asks_to_slow_down
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp_connection import ConnectionRefusedByServerError, MailServer, Security, SmtpClient
from digest.transport.smtp_session import PendingMail, SmtpSession

__all__ = ["Security", "SmtpTransport"]

TIMEOUT_SECONDS = 60.0  # for each step

_MAILS_PER_CONNECTION = 500  # then it is replaced: servers close connections that carry too many


class SmtpTransport(Closable):
    """Sends mail through one mail server. Connects when the first mail is sent; must be closed."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security = Security.NONE,
        username: str = "",
        password: str = "",
        connections: int = 4,
        connection_rate: float = 0.0,
        rate_limiter: RateLimiter | None = None,
        timeout: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`rate_limiter` limits all connections together, `connection_rate` (mails a second, 0: no limit) each of them.

        `timeout` (seconds) is for each step; `tls` replaces the system's trusted authorities.
        """
        if security is not Security.NONE and tls is None:
            tls = ssl.create_default_context()  # shared by all connections: loading the authorities is slow
        self._server = MailServer(
            host=host, port=port, security=security, username=username, password=password, timeout=timeout, tls=tls
        )
        self._connections = connections
        self._connection_rate = connection_rate
        self._rate_limiter = rate_limiter or RateLimiter()
        self._pool: _ConnectionPool | None = None

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """Send each message and yield its receipt; see Transport.

        At most three messages a connection are in flight: one is answered and its receipt not yet yielded, one is with
        the server, one is announced. An exception raised by `messages` is raised after the receipts of those before.
        """
        if self._pool is None:
            self._pool = _ConnectionPool(
                self._server, self._connections, rate_limiter=self._rate_limiter, connection_rate=self._connection_rate
            )
        pool, pending = self._pool, _PendingMails(messages)
        pool.forget_failures()
        try:
            while pool.advance(pending):
                while pool.receipts:
                    yield pool.receipts.popleft()
        finally:
            unsent = pending.stop()
            while pool.advance(pending):  # a caller that stopped early must not get these receipts from the next send()
                pool.receipts.clear()
        if pending.failure:
            raise pending.failure
        if unsent:
            raise TransportError(f"the mail server {self._server.host}:{self._server.port} {pool.failure}")

    def close(self) -> None:
        """End all sessions with QUIT."""
        if self._pool:
            self._pool.close()
            self._pool = None


class _PendingMails:
    """The mails of one send(), taken from the caller's iterator when needed."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.waiting: deque[PendingMail] = deque()  # taken from the caller, without a connection so far
        self.failure: Exception | None = None  # raised by the caller's iterator
        self._messages = iter(messages)
        self._stopped = False

    def take(self) -> PendingMail | None:
        """Return a mail to send, or None if none is left."""
        return self.waiting.popleft() if self.waiting or self.fetch() else None

    def fetch(self) -> bool:
        """Take one more mail from the caller to wait for a connection. Returns False if there is none."""
        try:
            message = next(self._messages, None)
        except Exception as error:  # noqa: BLE001 raised again after the mails before it are sent
            self.failure, message = error, None
        if message is None:
            self._messages = iter(())
            return False
        self.waiting.append(PendingMail(message))
        return True

    def put_back(self, mail: PendingMail) -> None:
        """Return an unsent mail to the front of the queue."""
        if not self._stopped:
            self.waiting.appendleft(mail)

    def stop(self) -> bool:
        """Drop all waiting mails and take no more. Returns True if there were any."""
        unsent = bool(self.waiting)
        self._stopped = True
        self._messages = iter(())
        self.waiting.clear()
        return unsent


@dataclass(slots=True, eq=False)
class _Slot:
    """One of the pool's connections, opened when needed and replaced when it broke or carried enough mails."""

    rate_limiter: RateLimiter
    session: SmtpSession | None = None
    running: Generator[int, None, PendingMail | None] | None = None  # the session's send_all
    watched: int = 0  # the events that the selector watches the socket for
    connecting: bool = False
    mails: int = 0  # given to this connection
    failure: str = ""  # why it cannot connect

    @property
    def idle_session(self) -> SmtpSession | None:
        """The session, if it can take mails and sends none."""
        usable = self.session and not self.session.closed and self.mails < _MAILS_PER_CONNECTION
        return self.session if usable and not self.running else None


class _ConnectionPool:
    """Runs the sessions of all connections, and collects their receipts."""

    def __init__(
        self, server: MailServer, connections: int, *, rate_limiter: RateLimiter, connection_rate: float
    ) -> None:
        self.receipts: deque[Receipt] = deque()
        self._server = server
        self._rate_limiter = rate_limiter
        self._slots = [_Slot(RateLimiter(connection_rate)) for _ in range(connections)]
        # Connecting threads put their result into `_connected`, then write a byte to wake the selector.
        self._connected: queue.SimpleQueue[tuple[_Slot, SmtpClient | Exception]] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)

    @property
    def failure(self) -> str:
        """Why no connection can be opened."""
        return next((slot.failure for slot in self._slots if slot.failure), "")

    def forget_failures(self) -> None:
        """Allow failed connections another try, and drop sessions that the server closed meanwhile."""
        for slot in self._slots:
            slot.failure = ""
            session = slot.idle_session
            if session and session.is_stale:
                session.abort()

    def advance(self, pending: _PendingMails) -> bool:
        """Give out mails, wait for an event and handle it. Returns False when nothing is left to do."""
        pause = self._assign_mails(pending)
        sending = [slot for slot in self._slots if slot.running and slot.session]
        connecting = any(slot.connecting for slot in self._slots)
        if not sending and pause is None and not (connecting and pending.waiting):
            return bool(self.receipts)
        if self.receipts:  # of mails that could not be sent at all
            return True
        now = time.monotonic()
        waits = [max(0.0, slot.session.deadline - now) for slot in sending if slot.session]
        for key, _ in self._selector.select(min(waits if pause is None else [*waits, pause], default=None)):
            if key.data is None:
                self._wake_receiver.recv(4096)
                self._take_connected()
            else:
                self._continue(key.data, pending)
        now = time.monotonic()
        for slot in sending:
            if slot.running and slot.session and slot.session.deadline <= now:
                self._continue(slot, pending, TimeoutError("timed out"))
        return True

    def close(self) -> None:
        """End all sessions with QUIT, all at once."""
        for thread in self._threads:
            thread.join()
        self._take_connected()
        sessions = [slot.session for slot in self._slots if slot.session]
        threads = [threading.Thread(target=session.close, daemon=True) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._selector.close()
        self._wake_receiver.close()
        self._wake_sender.close()

    def _assign_mails(self, pending: _PendingMails) -> float | None:
        """Give mails to idle sessions, and open connections for mails that still wait.

        Returns the seconds until a rate limit lets the next mail go, or None if no mail waits for that.
        """
        pause: float | None = None
        for slot in self._slots:
            while session := slot.idle_session:
                delay = self._delay(slot)
                if delay > 0:
                    if not (pending.waiting or pending.fetch()):
                        return None
                    pause = delay if pause is None else min(pause, delay)
                    break
                mail = self._take_mail(slot, pending)
                if mail is None:
                    return None
                slot.running = session.send_all(mail, partial(self._take_mail, slot, pending), self.receipts.append)
                self._continue(slot, pending)
        if pause is not None:
            return pause
        opening = sum(slot.connecting for slot in self._slots)
        for slot in self._slots:
            if slot.running or slot.idle_session or slot.connecting or slot.failure:
                continue
            if opening >= len(pending.waiting) and not pending.fetch():
                break
            opening += 1
            slot.connecting = True
            thread = threading.Thread(target=self._connect, args=(slot,), daemon=True)
            self._threads = {thread for thread in self._threads if thread.is_alive()} | {thread}
            thread.start()
        return None

    def _connect(self, slot: _Slot) -> None:
        """Replace a slot's connection. Runs in a thread of its own."""
        result: SmtpClient | Exception
        try:
            if slot.session:
                slot.session.close()
            result = self._server.connect()
        except Exception as error:  # noqa: BLE001 raised by _take_connected
            result = error
        self._connected.put((slot, result))
        self._wake_sender.send(b"!")

    def _take_connected(self) -> None:
        while not self._connected.empty():
            slot, result = self._connected.get()
            slot.connecting = False
            slot.session, slot.mails = None, 0
            if isinstance(result, SmtpClient):
                slot.session = SmtpSession(result)
            elif isinstance(result, TransportError):
                slot.failure = str(result)  # the others go on: a server may accept three connections of four
                if isinstance(result, ConnectionRefusedByServerError) and asks_to_slow_down(result.reply):
                    self._rate_limiter.back_off()
            else:
                raise result

    def _delay(self, slot: _Slot) -> float:
        return max(self._rate_limiter.delay(), slot.rate_limiter.delay())

    def _take_mail(self, slot: _Slot, pending: _PendingMails) -> PendingMail | None:
        """Take a mail for a connection, if that may carry more and the rate limits let the mail go now."""
        if slot.mails >= _MAILS_PER_CONNECTION or self._delay(slot) > 0:
            return None
        mail = pending.take()
        if mail is not None:
            slot.mails += 1
            slot.rate_limiter.record()
            self._rate_limiter.record()
        return mail

    def _continue(self, slot: _Slot, pending: _PendingMails, error: Exception | None = None) -> None:
        """Run a session until it has to wait again, or ends."""
        session, running = slot.session, slot.running
        if session is None or running is None:
            return
        try:
            events = running.throw(error) if error else next(running)
        except StopIteration as end:
            self._stop_watching(slot, session)
            if end.value:
                pending.put_back(end.value)
        except BaseException:
            session.abort()  # in the middle of a mail
            self._stop_watching(slot, session)
            raise
        else:
            if not slot.watched:
                self._selector.register(session.sock, events, slot)
            elif events != slot.watched:
                self._selector.modify(session.sock, events, slot)
            slot.watched = events
        if session.rate_limited:
            session.rate_limited = False
            self._rate_limiter.back_off()

    def _stop_watching(self, slot: _Slot, session: SmtpSession) -> None:
        if slot.watched:
            self._selector.unregister(session.sock)
        slot.running, slot.watched = None, 0

"""An SMTP server on loopback that fails on request, and stores what it accepted.

It speaks as little SMTP as it must, on plain sockets with a thread a connection, so that a test decides every byte and
every end of a connection. It watches the client too: `breaches` are what it did against RFC 5321 and RFC 2920.
"""

import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self


class Step(StrEnum):
    """The step of a dialogue at which the server has to answer."""

    BANNER = "banner"
    EHLO = "ehlo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # the first bytes of a body have come
    DOT = "dot"  # the whole body has come
    RSET = "rset"


class Act(StrEnum):
    """What the server does at a step instead of answering normally."""

    ANSWER = "answer"  # something else; a mail is taken if that is a 2yz
    DROP = "drop"  # hangs up without an answer
    RESET = "reset"  # the same, and the client's bytes on the way come back as an error
    DROP_AFTER = "drop after"  # answers well and hangs up
    TAKE_AND_DROP = "take and drop"  # keeps the mail, and hangs up without an answer
    STALL = "stall"  # neither reads nor says anything any more


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one mail (by its sender) or, at the banner and EHLO, one connection (by its number)."""

    whom: str | int
    step: Step
    act: Act = Act.ANSWER
    answer: str = ""  # lines are separated by CRLF
    times: int = 1_000_000


@dataclass(frozen=True, slots=True)
class AcceptedMail:
    """A mail that the server has accepted, without dot-stuffing and the final dot."""

    sender: str
    recipient: str
    content: bytes


@dataclass(slots=True)
class ConnectionLog:
    """What one connection received."""

    number: int
    commands: list[str] = field(default_factory=list)
    mails: list[AcceptedMail] = field(default_factory=list)
    turns: int = 0  # how often it had to wait for the client


class _HangUpError(Exception):
    """The server ends a connection."""


class FaultyServer:
    """Serves on 127.0.0.1 from `with` to its end."""

    def __init__(
        self,
        faults: Iterable[Fault] = (),
        *,
        pipelining: bool = True,
        size: int | None = None,
        utf8: bool = False,
        trickle: bool = False,
        insists: bool = False,
        tls: ssl.SSLContext | None = None,
        taking: Callable[[int, AcceptedMail], None] = lambda *_: None,
    ) -> None:
        """`trickle`: answers come byte by byte; `insists`: DATA is answered 354 also where the mail was refused;
        `tls` is spoken from the first byte; `taking` is called with the connection's number and each mail that is
        taken, before the client hears of it."""
        self.faults = {(fault.whom, fault.step): fault for fault in faults}
        self.pipelining = pipelining
        self._extensions = [f"SIZE {size}"] if size is not None else []
        self._extensions += ["8BITMIME", "SMTPUTF8"] if utf8 else []
        self.trickle = trickle
        self.insists = insists
        self.tls = tls
        self.taking = taking
        self.heard: list[ConnectionLog] = []
        self.breaches: list[str] = []
        self.stopping = threading.Event()
        self._met: Counter[tuple[str | int, Step]] = Counter()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def extensions(self) -> list[str]:
        """The lines that EHLO is answered with."""
        return ["localhost", *(["PIPELINING"] if self.pipelining else []), *self._extensions]

    @property
    def mails(self) -> list[AcceptedMail]:
        """Everything that was taken, over all connections."""
        return [mail for heard in self.heard for mail in heard.mails]

    def find_fault(self, whom: str | int, step: Step) -> Fault | None:
        """Returns the fault for this step, or None."""
        with self._lock:
            fault = self.faults.get((whom, step))
            if fault is None or self._met[whom, step] >= fault.times:
                return None
            self._met[whom, step] += 1
            return fault

    def stop(self) -> None:
        """Close all connections. Further calls do nothing."""
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def hang_up(self, last_word: bytes = b"") -> None:
        """End every connection that is open now, and wait for no more of them."""
        for sock in self._open:
            with suppress(OSError):
                sock.sendall(last_word)
                sock.shutdown(socket.SHUT_RDWR)

    def wait_until_idle(self) -> None:
        """Wait until every connection has ended, and every mail in flight is accepted or lost."""
        for thread in self._threads[1:]:
            thread.join(10)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                heard = ConnectionLog(len(self.heard) + 1)
                self.heard.append(heard)
                self._open.append(sock)
                thread = threading.Thread(target=_Session(self, sock, heard).run, daemon=True)
                self._threads.append(thread)
                thread.start()


class _Session:
    def __init__(self, server: FaultyServer, sock: socket.socket, heard: ConnectionLog) -> None:
        self.server = server
        self.sock = sock
        self.heard = heard
        self.bytes = b""
        self.sender: str | None = None
        self.recipient: str | None = None
        self.whom = ""  # the sender of the mail that was announced last
        self.leaves = False

    def run(self) -> None:
        if self.server.tls:
            with suppress(OSError):
                self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        with self.sock, suppress(OSError, _HangUpError):
            self.answer(self.heard.number, Step.BANNER, "220 localhost")
            if self.leaves:
                return
            for command in self.commands():
                self.handle_command(command)
                if self.leaves:
                    return

    def handle_command(self, command: str) -> None:
        verb, _, rest = command.partition(" ")
        match verb.upper():
            case "EHLO":
                extensions = self.server.extensions
                last = len(extensions) - 1
                lines = [f"250{' ' if i == last else '-'}{said}" for i, said in enumerate(extensions)]
                self.answer(self.heard.number, Step.EHLO, "\r\n".join(lines))
            case "HELO":
                self.say("250 localhost")
            case "MAIL":
                self.mail(rest)
            case "RCPT":
                self.rcpt(rest)
            case "DATA":
                self.data()
            case "RSET":
                sender, self.sender, self.recipient = self.sender, None, None
                self.answer(sender or "", Step.RSET, "250 forgotten")
            case "QUIT":
                self.say("221 bye")
                raise _HangUpError
            case _:
                self.record_violation(f"unknown command {command!r}")
                self.say("500 what?")

    def mail(self, rest: str) -> None:
        if self.sender is not None:
            self.record_violation("MAIL within a mail")
            self.say("503 one at a time")
            return
        self.whom = rest.partition("<")[2].partition(">")[0]
        self.sender = self.whom if self.answer(self.whom, Step.MAIL, "250 well") else None
        self.recipient = None

    def rcpt(self, rest: str) -> None:
        if self.sender is None and (self.whom, Step.RCPT) not in self.server.faults:
            self.say("503 MAIL first")
            return
        if self.answer(self.whom, Step.RCPT, "250 well"):
            self.recipient = rest.partition("<")[2].partition(">")[0]

    def data(self) -> None:
        if self.bytes:
            self.record_violation("more after DATA")
        if self.recipient is None and not self.server.insists:
            self.say("503 RCPT first")
            return
        if not self.answer(self.whom, Step.DATA, "354 go on"):
            return
        content = self.body()
        if self.bytes and not self.server.pipelining:
            self.record_violation("more after a body")
        recipient, self.sender, self.recipient = self.recipient, None, None
        if recipient is None:
            if content:
                self.record_violation("a body without a recipient")
            self.say("554 nobody to give it to")
            return
        taken = AcceptedMail(self.whom, recipient, content)
        self.heard.mails.append(taken)  # who reads the answer may look at once
        self.server.taking(self.heard.number, taken)
        if not self.answer(self.whom, Step.DOT, "250 taken"):
            self.heard.mails.pop()

    def body(self) -> bytes:
        fault = self.server.find_fault(self.whom, Step.CONTENT)
        while not (self.bytes.startswith(b".\r\n") or b"\r\n.\r\n" in self.bytes):
            if fault and self.bytes:
                self.act(fault)
            self.receive()
        if self.bytes.startswith(b".\r\n"):
            self.bytes = self.bytes[3:]
            return b""
        raw, _, self.bytes = self.bytes.partition(b"\r\n.\r\n")
        bare = raw.replace(b"\r\n", b"")
        if b"\r" in bare or b"\n" in bare:
            self.record_violation("a bare CR or LF")
        return b"".join(line.removeprefix(b".") + b"\r\n" for line in raw.split(b"\r\n"))

    def commands(self) -> Iterator[str]:
        while True:
            while b"\r\n" not in self.bytes:
                self.receive()
            line, _, self.bytes = self.bytes.partition(b"\r\n")
            if self.bytes and not self.server.pipelining:
                self.record_violation("two commands at once")
            command = line.decode()
            self.heard.commands.append(command)
            yield command

    def receive(self) -> None:
        received = self.sock.recv(65536)
        if not received:
            raise _HangUpError
        self.heard.turns += 1
        self.bytes += received

    def answer(self, whom: str | int, step: Step, usual: str) -> bool:
        """Whether what was asked was done."""
        fault = self.server.find_fault(whom, step)
        if fault:
            return self.act(fault, usual)
        self.say(usual)
        return True

    def act(self, fault: Fault, usual: str = "") -> bool:
        if fault.act is Act.ANSWER:
            self.say(fault.answer)
            self.leaves = fault.answer.startswith("421")
            return fault.answer[:1].isdigit() and fault.answer[0] == usual[:1]
        if fault.act is Act.DROP_AFTER:
            self.say(usual)
            self.leaves = True
            return True
        if fault.step is Step.DOT and fault.act is not Act.TAKE_AND_DROP:
            self.heard.mails.pop()
        if fault.act is Act.RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault.act is Act.STALL:
            self.server.stopping.wait()
        raise _HangUpError

    def say(self, reply: str) -> None:
        data = reply.encode() + b"\r\n"
        if not self.server.trickle:
            self.sock.sendall(data)
            return
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def record_violation(self, what: str) -> None:
        self.server.breaches.append(what)

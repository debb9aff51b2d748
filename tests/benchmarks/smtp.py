"""What handing over a mail costs: `python -m tests.benchmarks.smtp [--quick] [--json]`.

Mails of 30 and of 64 KB, as digests are, to Postfix's smtp-sink on loopback, which takes everything and keeps nothing.

digest          ten connections; beside it one and four
smtplib anew    a connection a mail, as scripts do
smtplib         one connection, used again
aiosmtplib      ten connections, used again
smtp-source     Postfix's own load generator, in C: ten sessions that stay connected

The sink looks at every byte: no client is faster than its 130 µs for 30 KB, so that much of each figure is its own. It
has a core to itself.

Needs smtp-sink and smtp-source (Debian: in the package postfix, which need not be set up).
"""

import asyncio
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice

import aiosmtplib

from digest.models import Message, Outcome
from digest.transport.smtp import SmtpTransport
from tests.benchmarks import harness
from tests.benchmarks.harness import Case, Method

SIZES = {"smtp-30k": 30_000, "smtp-64k": 64_000}
_LINE = b"<td>A paper of today, <b>marked</b> where it says what its reader looks for.</td>\r\n"


class Postfix:
    """Its two test programs."""

    def __init__(self, source: str, sink: str) -> None:
        self._source = source
        self._sink = sink

    @classmethod
    def find(cls) -> "Postfix | None":
        """Those of this machine, if they are there."""
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        source, sink = shutil.which("smtp-source", path=path), shutil.which("smtp-sink", path=path)
        return cls(source, sink) if source and sink else None

    @contextmanager
    def sink(self) -> Iterator[int]:
        """The port of a server that takes everything, in a process of its own."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self._sink, *user, f"127.0.0.1:{port}", "1000"]
        with subprocess.Popen(command) as process:
            try:
                _wait_for(port)
                with _kept_apart(process.pid):
                    yield port
            finally:
                process.terminate()

    def send(self, port: int, size: int, count: int) -> None:
        """Ten sessions that stay connected (-d)."""
        command = [self._source, "-d", "-s", "10", "-l", str(size), "-m", str(count), f"127.0.0.1:{port}"]
        subprocess.run(command, check=True)


def cases(postfix: Postfix, port: int, n: int) -> Iterator[Case]:
    """What is measured, each with `n` mails."""
    for name, size in SIZES.items():
        mails = _messages(size, n)
        methods = [
            Method("digest", _digest(port, mails, 10)),
            Method("digest, 4", _digest(port, mails, 4)),
            Method("digest, 1", _digest(port, mails, 1)),
            Method("smtplib anew", _smtplib_anew(port, mails), most=n // 4 or n),
            Method("smtplib", _smtplib(port, mails), most=n // 2 or n),
            Method("aiosmtplib", _aiosmtplib(port, mails, 10), most=n // 2 or n),
            Method("smtp-source", partial(postfix.send, port, size)),
        ]
        yield Case(name, n, methods)


def _messages(size: int, n: int) -> list[Message]:
    content = b"Subject: benchmark\r\n\r\n" + _LINE * (size // len(_LINE))
    return [
        Message(delivery_id=i, sender="digest@example.org", recipient=f"r{i}@example.org", content=content)
        for i in range(n)
    ]


def _digest(port: int, mails: Sequence[Message], connections: int) -> Callable[[int], object]:
    def run(count: int) -> int:
        with SmtpTransport("127.0.0.1", port, connections=connections) as transport:
            sent = sum(receipt.outcome is Outcome.SENT for receipt in transport.send(islice(mails, count)))
        assert sent == count
        return sent

    return run


def _smtplib_anew(port: int, mails: Sequence[Message]) -> Callable[[int], object]:
    def run(count: int) -> int:
        for mail in mails[:count]:
            with smtplib.SMTP("127.0.0.1", port, "localhost") as client:
                client.sendmail(mail.sender, [mail.recipient], mail.content)
        return count

    return run


def _smtplib(port: int, mails: Sequence[Message]) -> Callable[[int], object]:
    def run(count: int) -> int:
        with smtplib.SMTP("127.0.0.1", port, "localhost") as client:
            for mail in mails[:count]:
                client.sendmail(mail.sender, [mail.recipient], mail.content)
        return count

    return run


def _aiosmtplib(port: int, mails: Sequence[Message], connections: int) -> Callable[[int], object]:
    async def work(left: Iterator[Message]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, local_hostname="localhost", start_tls=False
        ) as client:
            for mail in left:
                await client.sendmail(mail.sender, [mail.recipient], mail.content)

    async def all_of(count: int) -> None:
        left = islice(mails, count)
        await asyncio.gather(*(work(left) for _ in range(connections)))

    def run(count: int) -> int:
        asyncio.run(all_of(count))
        return count

    return run


@contextmanager
def _kept_apart(sink: int) -> Iterator[None]:
    """Give the sink a core of its own, and every client the rest: where they wander, so do the figures."""
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(cores) < 2:
        yield
        return
    os.sched_setaffinity(sink, cores[-1:])
    os.sched_setaffinity(0, cores[:-1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError("smtp-sink does not serve")


def main() -> None:
    """The command line."""
    postfix = Postfix.find()
    if postfix is None:
        sys.exit("smtp-sink and smtp-source are not here (Debian: in the package postfix)")
    with postfix.sink() as port:
        harness.main("tests.benchmarks.smtp", lambda quick: cases(postfix, port, 1500 if quick else 6000))


if __name__ == "__main__":
    main()

"""Measures the cost of sending a mail by SMTP: `python -m tests.benchmarks.smtp [--quick] [--json]`.

To Postfix's smtp-sink on loopback, which takes everything and keeps nothing.

smtp-30k, smtp-64k   mails of 30 and of 64 KB, as digests are
smtp-20ms            those of 30 KB over a line on which a round trip takes 20 ms (line.py), connecting included: what a
                     mail takes over one connection, divided by 20 ms, is its round trips
outbox               writing down that a mail was begun and what became of it, beside the bare statements (outbox.py)
own, shared          a whole morning, with ten papers a mail, for readers with keywords of their own and for those who
                     follow three of fifty profiles (readers.py): match, render, hand over, mark (delivery.py)

digest          ten connections; beside it one and four
smtplib single  a connection a mail, as scripts do
smtplib         one connection, used again
aiosmtplib      ten connections, used again
smtp-source     Postfix's own load generator, in C: ten sessions that stay connected
script          a regular expression a keyword, Jinja, EmailMessage and a connection a mail, as scripts do (morning.py)

The sink looks at every byte: no client is faster than its 130 µs for 30 KB, so that much of each figure is its own. It
has a core to itself.

Needs smtp-sink and smtp-source (Debian: in the package postfix, which need not be set up).
"""

import asyncio
import smtplib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import aiosmtplib

from digest.models import Message, Outcome
from digest.transport.smtp import SmtpTransport
from tests.benchmarks import delivery, harness, outbox
from tests.benchmarks.harness import Case, Method
from tests.benchmarks.line import long_line
from tests.benchmarks.postfix import Postfix
from tests.builders import RECORDINGS

SIZES = {"smtp-30k": 30_000, "smtp-64k": 64_000}
_LINE = b"<td>A paper of today, <b>marked</b> where it says what its reader looks for.</td>\r\n"


def cases(postfix: Postfix, port: int, n: int) -> Iterator[Case]:
    """What is measured, each with `n` mails."""
    for name, size in SIZES.items():
        mails = _messages(size, n)
        methods = [
            Method("digest", _digest(port, mails, 10)),
            Method("digest, 4", _digest(port, mails, 4)),
            Method("digest, 1", _digest(port, mails, 1)),
            Method("smtplib single", _smtplib_per_mail(port, mails), most=n // 4 or n),
            Method("smtplib", _smtplib(port, mails), most=n // 2 or n),
            Method("aiosmtplib", _aiosmtplib(port, mails, 10), most=n // 2 or n),
            Method("smtp-source", partial(postfix.send, port, size)),
        ]
        yield Case(name, n, methods)


def far_cases(postfix: Postfix, port: int, n: int) -> Iterator[Case]:
    """The same over a long line: each method is given as many mails as it has time for."""
    mails = _messages(30_000, n)
    with long_line(port) as near:
        methods = [
            Method("digest", _digest(near, mails, 10)),
            Method("digest, 4", _digest(near, mails, 4), most=n // 2 or n),
            Method("digest, 1", _digest(near, mails, 1), most=n // 5 or n),
            Method("smtplib", _smtplib(near, mails), most=n // 25 or n),
            Method("aiosmtplib", _aiosmtplib(near, mails, 10), most=n // 5 or n),
            Method("smtp-source", partial(postfix.send, near, 30_000), most=n // 5 or n),
        ]
        yield Case("smtp-20ms", n, methods)


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


def _smtplib_per_mail(port: int, mails: Sequence[Message]) -> Callable[[int], object]:
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


def every_case(postfix: Postfix, port: int, *, quick: bool) -> Iterator[Case]:
    """The whole benchmark."""
    yield from cases(postfix, port, 500 if quick else 3000)
    yield from far_cases(postfix, port, 75 if quick else 500)
    yield from outbox.cases(1000 if quick else 10_000)
    if RECORDINGS.is_dir():
        yield from delivery.cases(port, *((500, 2) if quick else (10_000, 20)), many=0 if quick else 100_000)
    else:
        print(f"no mornings: the recordings are not at {RECORDINGS}", file=sys.stderr)


def main() -> None:
    """The command line."""
    postfix = Postfix.find()
    if postfix is None:
        sys.exit("smtp-sink and smtp-source are not here (Debian: in the package postfix)")
    with postfix.sink() as port:
        harness.main("tests.benchmarks.smtp", lambda quick: every_case(postfix, port, quick=quick))


if __name__ == "__main__":
    main()

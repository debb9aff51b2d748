"""SMTP servers that answer one step of every mail in an odd way. No reader and no mail is lost for what is about us."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

from digest.models import DeliveryState, SubscriberState
from digest.pipeline.deliver import DeliveryReport, deliver
from digest.store import Store, deliveries, outbox, subscribers
from digest.transport.smtp import SmtpTransport
from tests.builders import MEMBERSHIP, NOW
from tests.faults.gallery import Attack
from tests.faults.server import Act, Fault, FaultyServer, Step
from tests.mail.samples import composer
from tests.pipeline.test_deliver import queue

_READERS = 12
_SENDER = "digest@example.org"  # of every mail, as there are no return paths
_COMPOSER = composer()

_REPLIES = (
    "550 5.1.1 user unknown",
    "550 5.4.5 Daily user sending limit exceeded",
    "553 5.1.8 sender domain does not exist",
    "554 5.7.1 blocked, see https://www.spamhaus.org/",
    "550-5.7.26 two\r\n550 5.7.26 lines",
    "530 5.7.0 Authentication required",
    "503 bad sequence",
    "555 what",
    "599",
    "421 4.7.0 slow down",
    "450 4.7.1 greylisted",
    "451 4.3.0 later",
    "452 4.3.1 full",
    "454 4.7.0 later",
    "250 \0\xff",
    "354 what",
    "200",
    "garbage",
    "550",
    "550-no end",
)
_STEPS = (Step.MAIL, Step.RCPT, Step.DATA, Step.DOT)


def _send(store: Store, fault: Fault | None, *, pipelining: bool = True, later: timedelta) -> DeliveryReport:
    faults = [] if fault is None else [fault]
    with (
        FaultyServer(faults, pipelining=pipelining) as server,
        # An odd server may keep the client waiting; a mail that is given up too early for that is only deferred.
        SmtpTransport("127.0.0.1", server.port, connections=2, timeout=0.1 if fault else 5) as transport,
    ):
        return deliver(store, transport, _COMPOSER, MEMBERSHIP, now=NOW + later)


def _check(template: Path, file: Path, fault: Fault, *, pipelining: bool) -> None:
    """Deliver to the odd server for two days, and then to a good one: whatever was not refused for good arrives."""
    shutil.copy(template, file)
    with Store.open(file) as store:
        for day in range(2):
            _send(store, fault, pipelining=pipelining, later=timedelta(days=day))
            with store.write() as tx:
                outbox.end_hold(tx)
        _send(store, None, later=timedelta(days=2))
        with store.read() as tx:
            suppressed = [s for s in subscribers.list_all(tx) if s.state is SubscriberState.SUPPRESSED]
            states = {d.state for d in deliveries.list_newest(tx)}
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    if suppressed:
        raise AssertionError(f"{len(suppressed)} readers are suppressed")
    refused = fault.step is not Step.MAIL and fault.answer.startswith("5")
    allowed = {DeliveryState.SENT, DeliveryState.FAILED} if refused else {DeliveryState.SENT}
    if not states <= allowed:
        raise AssertionError(f"the mails are {states}")


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Every reply at MAIL FROM, and `count` / 20 other scripts."""
    template, file = folder / "template.db", folder / "now.db"
    with Store.open(template) as store:
        queue(store, *(f"reader{i}@example.net" for i in range(_READERS)))
    scripts = [(Step.MAIL, reply, Act.ANSWER) for reply in _REPLIES]
    for _ in range(count // 20):
        act = random.choice((Act.ANSWER, Act.ANSWER, Act.ANSWER, Act.DROP, Act.RESET, Act.DROP_AFTER))
        scripts.append((random.choice(_STEPS), random.choice(_REPLIES), act))
    for number, (step, reply, act) in enumerate(scripts):
        fault = Fault(_SENDER, step, act, reply if act is Act.ANSWER else "")
        run = partial(_check, template, file, fault, pipelining=bool(number % 2))
        yield Attack(f"{act} {reply!r} at {step}", run, seconds=10.0)

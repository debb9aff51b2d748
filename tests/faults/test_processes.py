"""Several processes that send from one outbox at the same time."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.kills import PER_CONNECTION, KillSchedule
from tests.faults.newsletter import CONNECTIONS, Newsletter, ended
from tests.faults.server import AcceptedMail, Act, Fault, FaultyServer, Step

_PATIENCE = 60.0  # seconds


class Gate:
    """Accepts no mail before `awaited` connections are open."""

    def __init__(self, awaited: int) -> None:
        self.ledger = KillSchedule()
        self.passed: Callable[[int], None] = lambda _: None  # called with the connection's number
        self.server = FaultyServer(taking=self._pass)
        self._awaited = awaited

    def _pass(self, connection: int, taken: AcceptedMail) -> None:
        deadline = time.monotonic() + _PATIENCE
        while len(self.server.heard) < self._awaited and time.monotonic() < deadline:
            time.sleep(0.01)
        self.ledger.take(connection, taken)
        self.passed(connection)


@pytest.mark.parametrize("processes", [2, 4])
def test_concurrent_processes_send_each_mail_once(tmp_path: Path, processes: int) -> None:
    gate = Gate(awaited=(processes - 1) * CONNECTIONS + 1)
    with gate.server as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=200 * (processes - 1) + 50)
        gate.ledger.begin()
        started = [newsletter.start("deliver", "--json") for _ in range(processes)]
        ran = [ended(process) for process in started]
    assert [r.code for r in ran] == [0] * processes
    sent = [r.record["deliver"]["sent"] for r in ran]
    assert min(sent) > 0
    assert sum(sent) == len(newsletter.readers)
    assert sorted(mail.recipient for mail in gate.ledger.mails) == sorted(newsletter.readers)
    assert newsletter.states() == {"sent": len(newsletter.readers)}


def test_another_process_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    gate = Gate(awaited=CONNECTIONS + 1)
    with gate.server as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=350)
        gate.ledger.begin()
        first = newsletter.start("deliver")
        _wait_until(first, lambda: bool(server.heard))
        of_first: list[int] = []

        def passed(connection: int) -> None:
            if connection <= CONNECTIONS:  # the second one's come after them
                of_first.append(connection)
                if len(of_first) == 70:
                    first.kill()

        gate.passed = passed
        _wait_until(first, lambda: len(server.heard) >= CONNECTIONS)
        assert ended(newsletter.start("deliver")).code == 0
        assert ended(first).code == -9
        server.wait_until_idle()
        assert newsletter.run("deliver").code == 0  # where the second came to its end before the first
    assert len(of_first) >= 70
    assert {mail.recipient for mail in gate.ledger.mails} == set(newsletter.readers)
    assert len(gate.ledger.mails) - 350 <= CONNECTIONS * PER_CONNECTION
    assert len(set(gate.ledger.mails)) == 350
    assert newsletter.states() == {"sent": 350}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_records_what_it_sent_and_requeues_the_rest(tmp_path: Path, number: signal.Signals) -> None:
    ledger = KillSchedule()
    with FaultyServer(taking=ledger.take) as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=150)
        ledger.begin(after=50)
        process = newsletter.start("deliver", "--json")
        ledger.kill = lambda: process.send_signal(number)
        ran = ended(process)
        sent = len(ledger.mails)
        assert ran.record["deliver"]["sent"] == sent < 150
        assert ran.code == 1
        assert ran.err == f"error: stopped; {150 - sent} emails stay queued; `digest deliver` tries again\n"
        assert newsletter.states() == {"sent": sent, "queued": 150 - sent}
        ledger.begin()
        assert newsletter.run("deliver").code == 0
    assert sorted(mail.recipient for mail in ledger.mails) == sorted(newsletter.readers)


def test_a_process_ends_in_time_beside_a_mail_server_that_does_not_answer_and_no_mail_is_lost(tmp_path: Path) -> None:
    silent = [Fault(connection, Step.EHLO, Act.STALL) for connection in range(1, CONNECTIONS + 1)]
    with FaultyServer(silent) as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=10)
        process = newsletter.start("deliver", under="import digest.service\ndigest.service._END_SECONDS = 0.3")
        _wait_until(process, lambda: len(server.heard) == CONNECTIONS)
        process.send_signal(signal.SIGTERM)
        ran = ended(process, seconds=30)  # smtplib would wait for a minute
        assert (ran.code, ran.err.startswith("error: did not stop in time; ")) == (1, True), ran.err
        assert newsletter.run("deliver").code == 0
    assert sorted(mail.recipient for mail in server.mails) == sorted(newsletter.readers)
    assert newsletter.states() == {"sent": 10}


def _wait_until(process: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)

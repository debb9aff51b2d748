"""A database that is locked or full while mails are sent."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest.errors import StoreError
from digest.models import DoubtPolicy
from digest.store import Store
from digest.store.outbox import SENDING_LEASE
from tests.faults.kills import PER_CONNECTION, KillSchedule
from tests.faults.newsletter import CONNECTIONS, Newsletter
from tests.faults.server import FaultyServer
from tests.faults.test_clocks import GROUP, MAILS, Clock, RecordingTransport, run
from tests.pipeline.test_deliver import queue, states

IMPATIENT = "import digest.store.sqlite as d; d._BUSY_SECONDS = 0.3"  # others wait for half a minute


class Lock:
    """A process that holds the write lock for a long time."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)

    def take(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._database.close()


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
def test_unrecorded_receipts_are_no_more_than_after_a_kill(tmp_path: Path, doubt: DoubtPolicy) -> None:
    ledger = KillSchedule()
    with FaultyServer(taking=ledger.take) as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=150, doubt=doubt.value)
        lock = Lock(tmp_path / "digest.db")
        ledger.begin(after=50)
        ledger.kill = lock.take
        ran = newsletter.run("deliver", under=IMPATIENT)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"error: {tmp_path}/digest.db: database is locked\n"
        lock.release()
        ledger.begin()
        assert newsletter.run("deliver").code == 0
        in_doubt = newsletter.list_in_doubt()
    arrived = {mail.recipient for mail in ledger.mails}
    assert arrived | in_doubt == set(newsletter.readers)
    assert len(set(ledger.mails)) == len(arrived)
    assert len(ledger.mails) - len(arrived) <= (CONNECTIONS * PER_CONNECTION if doubt is DoubtPolicy.RESEND else 0)
    assert newsletter.states()["sent"] + len(in_doubt) == 150


def test_with_park_unrecorded_mails_are_not_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.store.sqlite._BUSY_SECONDS", 0.1)
    clock = Clock()
    with Store.open(tmp_path / "digest.db") as store:
        queue(store, *(f"{i}@example.org" for i in range(MAILS)))
        lock = Lock(store.file)
        courier = RecordingTransport(GROUP + 1, lock.take)
        with pytest.raises(StoreError, match="database is locked"):
            run(store, courier, clock, DoubtPolicy.PARK)
        lock.release()
        for _ in range(17):  # its beats, while the lease runs out
            clock.jump(minutes=1)
            report = run(store, courier, clock, DoubtPolicy.PARK)
        assert len(courier.taken) == len(set(courier.taken)) == MAILS
        assert states(store) == {"sent": MAILS - GROUP, "in-doubt": GROUP}
    assert report.in_doubt == GROUP


@contextmanager
def commits(fail: Callable[[], bool]) -> Iterator[None]:
    """Make every commit fail as on a full disk whenever `fail` returns True."""

    def commit(_connection: sa.Connection) -> None:
        if fail():
            raise sqlite3.OperationalError("database or disk is full")

    sa.event.listen(sa.Engine, "commit", commit)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "commit", commit)


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("at", [1, GROUP, GROUP + 1])
def test_a_briefly_full_disk_loses_no_receipt(store: Store, at: int, failures: int, doubt: DoubtPolicy) -> None:
    queue(store, *(f"{i}@example.org" for i in range(MAILS)))
    courier = RecordingTransport()
    left = [True] * failures

    with (
        commits(lambda: len(courier.taken) >= at and bool(left) and left.pop()),
        pytest.raises(StoreError, match="full"),
    ):
        run(store, courier, Clock(), doubt)
    assert states(store) == {"sent": len(courier.taken), "queued": MAILS - len(courier.taken)}
    run(store, courier, Clock(), doubt)
    assert len(courier.taken) == len(set(courier.taken)) == MAILS


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
def test_mails_without_a_recorded_result_are_resent_or_parked(store: Store, doubt: DoubtPolicy) -> None:
    queue(store, *(f"{i}@example.org" for i in range(MAILS)))
    courier, clock = RecordingTransport(), Clock()
    with commits(lambda: len(courier.taken) >= GROUP), pytest.raises(StoreError, match="full"):
        run(store, courier, clock, doubt)
    clock.now += SENDING_LEASE
    report = run(store, courier, clock, doubt)
    twice = len(courier.taken) - len(set(courier.taken))
    assert (twice, report.in_doubt) == ((GROUP, 0) if doubt is DoubtPolicy.RESEND else (0, GROUP))
    assert states(store)["sent"] + report.in_doubt == MAILS

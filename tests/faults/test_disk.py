"""A disk that fills up in each of the stages: one error line, and the work continues once there is room."""

import errno
import os
import resource
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from digest.models import DoubtPolicy
from digest.pipeline.deliver import deliver
from digest.store import Store
from digest.transport.maildir import MaildirTransport
from tests.builders import MEMBERSHIP, NOW
from tests.commandline import Cli
from tests.faults.kills import PER_CONNECTION, KillSchedule
from tests.faults.newsletter import CONNECTIONS, Newsletter, ended
from tests.faults.server import FaultyServer
from tests.faults.test_clocks import WRITER
from tests.pipeline.test_deliver import queue, states


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
def test_a_disk_that_fills_up_during_sending_costs_no_more_than_a_kill(tmp_path: Path, doubt: DoubtPolicy) -> None:
    ledger = KillSchedule()
    with FaultyServer(taking=ledger.take) as server:
        newsletter = Newsletter(tmp_path, port=server.port, readers=150, doubt=doubt.value)
        ledger.begin(after=50)
        process = newsletter.start("deliver")
        # From then on no file may have more than a byte, which is as good as a full disk.
        ledger.kill = lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, 1))
        ran = ended(process)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"error: {tmp_path}/digest.db: disk I/O error\n"
        ledger.begin()
        assert newsletter.run("deliver").code == 0
        in_doubt = newsletter.list_in_doubt()
    assert len(ledger.lives[0]) >= 50
    arrived = {mail.recipient for mail in ledger.mails}
    assert arrived | in_doubt == set(newsletter.readers)
    assert len(set(ledger.mails)) == len(arrived)
    assert len(ledger.mails) - len(arrived) <= (CONNECTIONS * PER_CONNECTION if doubt is DoubtPolicy.RESEND else 0)
    assert newsletter.states()["sent"] + len(in_doubt) == 150


@contextmanager
def pages(most: int) -> Iterator[None]:
    """No database may have more than so many pages: its disk is full."""

    def connect(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}")

    sa.event.listen(sa.Engine, "connect", connect)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "connect", connect)


def count_rows(cli: Cli) -> dict[str, int]:
    with closing(sqlite3.connect(cli.folder / "digest.db")) as database:
        tables = ("papers", "paper_revisions", "identities", "sightings", "digests", "deliveries")
        return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


@pytest.mark.parametrize("command", [("ingest",), ("publish", "--everyone")], ids=["ingest", "publish"])
def test_a_stage_on_a_full_disk_leaves_nothing_half_done(cli: Cli, command: tuple[str, ...]) -> None:
    cli.write_papers(*(f"A study of cats, part {i}" for i in range(60)))
    for i in range(30):
        cli.ok("subscriber", "add", f"{i}@example.org", "--keywords", "cat", "--confirmed")
    if command[0] == "publish":
        cli.ok("ingest")
    before = count_rows(cli)
    most, failures = 1, 0  # SQLite takes the size that the file has already for the least
    while True:
        with pages(most):
            ran = cli(*command, "--json")
        if ran.code == 0:
            break
        failures += 1
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"error: {cli.folder}/digest.db: database or disk is full\n"
        assert count_rows(cli) == before
        with closing(sqlite3.connect(cli.folder / "digest.db")) as database:
            most = database.execute("PRAGMA page_count").fetchone()[0] + 3 * failures
    assert failures >= 2
    after = count_rows(cli)
    if command[0] == "publish":
        assert after == before | {"digests": 30, "deliveries": 30}
    else:
        assert (after["papers"], after["sightings"]) == (60, 60)


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
def test_a_maildir_on_a_full_disk_has_no_partial_mail_and_the_rest_stays_queued(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubt: DoubtPolicy
) -> None:
    queue(store, *(f"{i}@example.org" for i in range(10)))
    room = iter([True] * 8 + [False])  # for each mail its file and its folder

    def fsync(_file: int) -> None:
        if not next(room, True):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("digest.transport.maildir.os.fsync", fsync)
    maildir = MaildirTransport(tmp_path / "mail")
    report = deliver(store, maildir, WRITER(), MEMBERSHIP, now=NOW, group_size=3, doubt=doubt)
    assert report.failure == f"the maildir {tmp_path}/mail cannot be written: No space left on device"
    assert (report.sent, report.waiting) == (4, 6)
    assert states(store) == {"sent": 4, "queued": 6}
    assert len(list((tmp_path / "mail" / "new").iterdir())) == 4
    assert deliver(store, maildir, WRITER(), MEMBERSHIP, now=NOW, group_size=3, doubt=doubt).sent == 6
    numbers = Counter(file.name.partition(".")[0] for file in (tmp_path / "mail" / "new").iterdir())
    assert (len(numbers), numbers.total()) == (10, 10)
    assert list((tmp_path / "mail" / "tmp").iterdir()) == []

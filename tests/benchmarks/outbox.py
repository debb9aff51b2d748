"""Measures the cost of recording that a mail is being sent and was sent, without sending it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from digest.models import DeliveryState, MailKind, SuppressionReason
from digest.pipeline.deliver import lease_due_deliveries
from digest.store import Store, outbox
from digest.store.outbox import AttemptResult
from tests.benchmarks.harness import Case, Method
from tests.benchmarks.readers import add_subscribers
from tests.builders import MEMBERSHIP, NOW, a_subscriber

_CLAIMED = 200  # together
_MARKED = 100

_BEGIN = "UPDATE deliveries SET state = 'sending' WHERE id = ?"
_RECORD = (
    "UPDATE deliveries SET state = 'sent', reply = '250 Ok', finished_at = '2026-06-03 07:00:00.000000',"
    " attempts = attempts + 1, leased_by = '', leased_until = NULL WHERE id = ?"
)


def cases(n: int) -> Iterator[Case]:
    """Marking `n` mails: claimed by two hundred, begun and settled by a hundred, committed to disk each time."""
    with TemporaryDirectory() as folder:
        before, now = Path(folder, "before.db"), Path(folder, "now.db")
        _queue(before, n)

        def restore_database() -> None:
            for file in now.parent.glob("now.db*"):
                file.unlink()
            shutil.copy(before, now)

        methods = [
            Method("digest", _record_with_store(now), before=restore_database),
            Method("sqlite3", _update_with_driver(now), before=restore_database),
        ]
        yield Case("outbox", n, methods)


def _queue(file: Path, n: int) -> None:
    """Queue mails without content, because reading content is not the outbox's work."""
    with Store.open(file) as store, store.write() as tx:
        add_subscribers(tx, n)
        MEMBERSHIP.suppress(tx, "never@example.org", SuppressionReason.ADMIN, "", now=NOW)  # each one is asked about
        for number in range(1, n + 1):
            outbox.queue_mail(
                tx, MailKind.GOODBYE, a_subscriber(id=number), message_id=f"{number}@example.org", now=NOW
            )


def _record_with_store(file: Path) -> Callable[[int], object]:
    def run(count: int) -> int:
        done = 0
        worker = outbox.new_worker_name()
        with Store.open(file) as store:
            while done < count:
                with store.write() as tx:
                    limit = min(_CLAIMED, count - done)
                    batch = lease_due_deliveries(tx, MEMBERSHIP, worker=worker, now=NOW, clock=NOW, limit=limit)
                settled: list[AttemptResult] = []
                for at in range(0, len(batch), _MARKED):
                    group = [delivery.id for delivery in batch[at : at + _MARKED]]
                    with store.write() as tx:
                        outbox.record_results(tx, settled, worker=worker, now=NOW)
                        outbox.start_sending(tx, group, worker=worker, clock=NOW)
                    settled = [AttemptResult(delivery_id=i, state=DeliveryState.SENT, reply="250 Ok") for i in group]
                with store.write() as tx:
                    outbox.record_results(tx, settled, worker=worker, now=NOW)
                done += len(batch)
        return done

    return run


def _update_with_driver(file: Path) -> Callable[[int], object]:
    """Updates the same rows with the database driver alone: checks no leases and reads nothing."""

    def run(count: int) -> int:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            for begin in range(1, count + 1, _MARKED):
                ids = [(number,) for number in range(begin, min(begin + _MARKED, count + 1))]
                for statement in (_BEGIN, _RECORD):
                    with connection:
                        connection.executemany(statement, ids)
        return count

    return run

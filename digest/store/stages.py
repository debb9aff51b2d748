"""How the last runs of each stage ended."""

from datetime import datetime

import sqlalchemy as sa

from digest.models import Stage, StageRecord
from digest.store import outbox
from digest.store.database import Transaction, backend
from digest.store.schema import stages

_KILLED = "the process ended during the run; too little memory is a common reason"


def list_records(tx: Transaction) -> dict[Stage, StageRecord]:
    """Return the record of every stage that was ever run."""
    rows = tx.execute(sa.select(*(column for column in stages.c if column is not stages.c.running_by)))
    records = (StageRecord(**{**row, "stage": Stage(row["stage"])}) for row in rows.mappings())
    return {record.stage: record for record in records}


def record_start(tx: Transaction, stage: Stage, *, worker: str, now: datetime) -> None:
    """Record that a run begins. A run whose process died before its end has failed."""
    before = tx.execute(sa.select(stages.c.running_by).where(stages.c.stage == stage.value)).scalar()
    if before and outbox.is_dead(before):
        record_failure(tx, stage, _KILLED, worker=before, now=now)
    changes = {"running_by": worker, "started_at": now, "active_at": now}
    new = {"stage": stage.value, "failure": "", "failures": 0} | changes
    tx.execute(backend(tx).upsert(stages, new, key=["stage"], changes=changes))


def record_progress(tx: Transaction, stage: Stage, *, now: datetime) -> None:
    """Record that a run gets on with its work."""
    tx.execute(sa.update(stages).where(stages.c.stage == stage.value).values(active_at=now))


def record_success(tx: Transaction, stage: Stage, *, worker: str, now: datetime) -> None:
    """Record that a run did its work."""
    record_end(tx, stage, worker=worker, now=now)
    tx.execute(sa.update(stages).where(stages.c.stage == stage.value).values(succeeded_at=now, failures=0))


def record_failure(tx: Transaction, stage: Stage, reason: str, *, worker: str, now: datetime) -> None:
    """Record that a run could not do its work. Its start may not have been recorded."""
    changes = {"active_at": now, "failed_at": now, "failure": reason, "failures": stages.c.failures + 1}
    new = {"stage": stage.value, "running_by": "", "started_at": now} | changes | {"failures": 1}
    tx.execute(backend(tx).upsert(stages, new, key=["stage"], changes=changes))
    record_end(tx, stage, worker=worker, now=now)


def record_end(tx: Transaction, stage: Stage, *, worker: str, now: datetime) -> None:
    """Record that a run has ended, whatever came of it. Another process may have begun one meanwhile."""
    tx.execute(sa.update(stages).where(stages.c.stage == stage.value).values(active_at=now))
    ended = sa.and_(stages.c.stage == stage.value, stages.c.running_by == worker)
    tx.execute(sa.update(stages).where(ended).values(running_by=""))

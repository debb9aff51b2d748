"""The audit log: what was changed, by whom and when."""

from datetime import datetime

import sqlalchemy as sa

from digest.models import Change
from digest.store.database import Transaction
from digest.store.schema import audit


def record(tx: Transaction, by: str, what: str, subject: str = "", *, now: datetime) -> None:
    """Write down a change; to be called in the transaction that makes it."""
    tx.execute(sa.insert(audit).values(at=now, who=by, what=what, subject=subject))


def list_changes(tx: Transaction, *, limit: int) -> list[Change]:
    """The last changes, newest first."""
    rows = tx.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(limit))
    return [Change(at=row.at, who=row.who, what=row.what, subject=row.subject) for row in rows]

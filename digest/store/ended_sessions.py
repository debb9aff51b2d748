"""Sessions of readers that were signed out before they expired: their cookies are signed and would still be valid."""

from datetime import datetime

import sqlalchemy as sa

from digest.store.database import Transaction, backend
from digest.store.schema import ended_sessions


def add(tx: Transaction, session_id: str, *, expires_at: datetime, now: datetime) -> None:
    """Store that a session has ended, until its cookies have expired. Deletes the rows of those that have."""
    tx.execute(sa.delete(ended_sessions).where(ended_sessions.c.expires_at <= now))
    values = {"id": session_id, "expires_at": expires_at}
    tx.execute(backend(tx).upsert(ended_sessions, values, key=["id"]))


def contains(tx: Transaction, session_id: str) -> bool:
    """Return True if the session has ended."""
    return tx.execute(sa.select(ended_sessions.c.id).where(ended_sessions.c.id == session_id)).first() is not None

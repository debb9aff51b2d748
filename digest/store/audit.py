"""The audit log: what was changed, by whom and when."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.models import Change
from digest.store.database import Transaction
from digest.store.schema import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which changes: by whom, whose names begin so, and with `text` in any part. "" is all. Case does not count."""

    who: str = ""
    what: str = ""  # "profile": "profile add", "profile edit" …
    text: str = ""


_ALL = AuditFilter()


def record(tx: Transaction, by: str, what: str, subject: str = "", *, now: datetime) -> None:
    """Write down a change; to be called in the transaction that makes it."""
    tx.execute(sa.insert(audit).values(at=now, who=by, what=what, subject=subject))


def list_changes(tx: Transaction, sought: AuditFilter = _ALL, *, before: int = 0, limit: int) -> list[Change]:
    """The last changes, newest first; those before the one numbered `before` if it is given."""
    these = [audit.c.id < before] if before else []
    these += [audit.c.who.icontains(sought.who, autoescape=True)] if sought.who else []
    these += [audit.c.what.istartswith(sought.what, autoescape=True)] if sought.what else []
    if sought.text:
        parts = (audit.c.who, audit.c.what, audit.c.subject)
        these.append(sa.or_(*(part.icontains(sought.text, autoescape=True) for part in parts)))
    rows = tx.execute(sa.select(audit).where(*these).order_by(audit.c.id.desc()).limit(limit))
    return [Change(id=row.id, at=row.at, who=row.who, what=row.what, subject=row.subject) for row in rows]

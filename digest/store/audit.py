"""The audit log: what was changed, by whom and when."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.models import Change
from digest.store.database import Transaction
from digest.store.schema import audit

SIGN_IN = "sign in"  # what; the subject is the client's network address


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Selects changes; "" selects all. Letter case does not matter."""

    who: str = ""  # part of an admin's address, or of "command line"
    what: str = ""  # beginning of a command: "profile" selects "profile add", "profile edit" …
    text: str = ""  # part of any field


_ALL = AuditFilter()


def record(tx: Transaction, by: str, what: str, subject: str = "", *, now: datetime) -> None:
    """Record a change, in the transaction that makes it."""
    tx.execute(sa.insert(audit).values(at=now, who=by, what=what, subject=subject))


def list_sign_in_clients(tx: Transaction, *, since: datetime) -> list[str]:
    """Return the network addresses from which admins have signed in since then."""
    signed_in = sa.select(audit.c.subject).where(audit.c.at >= since, audit.c.what == SIGN_IN).distinct()
    return list(tx.scalars(signed_in))


def list_changes(tx: Transaction, wanted: AuditFilter = _ALL, *, before: int = 0, limit: int) -> list[Change]:
    """Return the newest changes that a filter selects, newest first; with `before`, those with a lower id."""
    conditions = [audit.c.id < before] if before else []
    conditions += [audit.c.who.icontains(wanted.who, autoescape=True)] if wanted.who else []
    conditions += [audit.c.what.istartswith(wanted.what, autoescape=True)] if wanted.what else []
    if wanted.text:
        fields = (audit.c.who, audit.c.what, audit.c.subject)
        conditions.append(sa.or_(*(field.icontains(wanted.text, autoescape=True) for field in fields)))
    rows = tx.execute(sa.select(audit).where(*conditions).order_by(audit.c.id.desc()).limit(limit))
    return [Change(id=row.id, at=row.at, who=row.who, what=row.what, subject=row.subject) for row in rows]

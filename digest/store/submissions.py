"""Papers that readers propose, each once however often it is proposed, and what an editor decided."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError
from digest.models import Submission, SubmissionState
from digest.store.database import Transaction, backend
from digest.store.schema import papers, submissions

_SELECT = sa.select(submissions, papers.c.public_id).outerjoin(papers, papers.c.id == submissions.c.paper_id)


def add(tx: Transaction, url: str, *, origin: str, now: datetime) -> None:
    """Hold a canonical URL for an editor; one that was proposed before stays as it is."""
    values = {"url": url, "state": SubmissionState.WAITING.value, "submitted_at": now, "origin": origin}
    tx.execute(backend(tx).insert_or_ignore(submissions).values(values))


def list_all(tx: Transaction, *, state: SubmissionState | None = None) -> list[Submission]:
    """What was proposed, the oldest first; only those in `state` if it is given."""
    wanted = _SELECT if state is None else _SELECT.where(submissions.c.state == state.value)
    return [_submission(row) for row in tx.execute(wanted.order_by(submissions.c.id))]


def list_page(tx: Transaction, *, offset: int, limit: int) -> list[Submission]:
    """A part of what was proposed: first what waits, the oldest first, then what was decided, the newest first."""
    waits = submissions.c.state == SubmissionState.WAITING.value
    turn = sa.case((waits, submissions.c.id), else_=-submissions.c.id)
    asked = _SELECT.order_by(sa.not_(waits), turn).offset(offset).limit(limit)
    return [_submission(row) for row in tx.execute(asked)]


def count_waiting(tx: Transaction) -> int:
    """How many wait for an editor."""
    waits = submissions.c.state == SubmissionState.WAITING.value
    return tx.execute(sa.select(sa.func.count()).select_from(submissions).where(waits)).scalar_one()


def get(tx: Transaction, submission_id: int) -> Submission:
    """The submission of that number. Raises NotFoundError."""
    row = tx.execute(_SELECT.where(submissions.c.id == submission_id)).one_or_none()
    if row is None:
        raise NotFoundError("submission", str(submission_id), listed_by="digest submission list")
    return _submission(row)


def decide(tx: Transaction, submission_id: int, state: SubmissionState, *, paper_id: str = "", now: datetime) -> None:
    """What an editor decided; `paper_id` is the public id of what it became."""
    paper = sa.select(papers.c.id).where(papers.c.public_id == paper_id).scalar_subquery()
    values = {"state": state.value, "decided_at": now, "paper_id": paper if paper_id else None}
    tx.execute(sa.update(submissions).where(submissions.c.id == submission_id).values(values))


def _submission(row: sa.Row[Any]) -> Submission:
    return Submission(
        id=row.id,
        url=row.url,
        state=SubmissionState(row.state),
        submitted_at=row.submitted_at,
        origin=row.origin,
        decided_at=row.decided_at,
        paper_id=row.public_id or "",
    )

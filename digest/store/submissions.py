"""Papers that readers propose, each stored once, and what an editor decided."""

from datetime import datetime

import sqlalchemy as sa

from digest.errors import NotFoundError
from digest.models import Submission, SubmissionState
from digest.store.database import Transaction, backend
from digest.store.schema import papers, read_member, submissions

_SELECT = sa.select(
    *(column for column in submissions.c if column.name != "paper_id"),
    sa.func.coalesce(papers.c.public_id, "").label("paper_id"),
).select_from(submissions.outerjoin(papers, papers.c.id == submissions.c.paper_id))
_IS_WAITING = submissions.c.state == SubmissionState.WAITING.value


def add(tx: Transaction, url: str, *, origin: str, now: datetime) -> None:
    """Store a canonical URL for an editor, unless it was proposed before."""
    values = {"url": url, "state": SubmissionState.WAITING.value, "submitted_at": now, "origin": origin}
    tx.execute(backend(tx).insert_or_ignore(submissions).values(values))


def list_all(tx: Transaction, *, state: SubmissionState | None = None) -> list[Submission]:
    """Return the submissions in one state or in any, oldest first."""
    wanted = _SELECT if state is None else _SELECT.where(submissions.c.state == state.value)
    return [_submission(row) for row in tx.execute(wanted.order_by(submissions.c.id)).mappings()]


def list_page(tx: Transaction, *, offset: int, limit: int) -> list[Submission]:
    """Return one page of submissions: first those that wait, oldest first, then the others, newest first."""
    order = sa.case((_IS_WAITING, submissions.c.id), else_=-submissions.c.id)
    page = _SELECT.order_by(sa.not_(_IS_WAITING), order).offset(offset).limit(limit)
    return [_submission(row) for row in tx.execute(page).mappings()]


def count_waiting(tx: Transaction) -> int:
    """Return how many submissions wait for an editor."""
    return tx.execute(sa.select(sa.func.count()).select_from(submissions).where(_IS_WAITING)).scalar_one()


def get(tx: Transaction, submission_id: int) -> Submission:
    """Return the submission with that id. Raises NotFoundError."""
    row = tx.execute(_SELECT.where(submissions.c.id == submission_id)).mappings().one_or_none()
    if row is None:
        raise NotFoundError("submission", str(submission_id), listed_by="digest submission list")
    return _submission(row)


def decide(tx: Transaction, submission_id: int, state: SubmissionState, *, paper_id: str = "", now: datetime) -> None:
    """Record what an editor decided; `paper_id` is the public id of the paper that was added."""
    paper = sa.select(papers.c.id).where(papers.c.public_id == paper_id).scalar_subquery()
    values = {"state": state.value, "decided_at": now, "paper_id": paper if paper_id else None}
    tx.execute(sa.update(submissions).where(submissions.c.id == submission_id).values(values))


def _submission(row: sa.RowMapping) -> Submission:
    return Submission(**{**row, "state": read_member(SubmissionState, row["state"], SubmissionState.WAITING)})

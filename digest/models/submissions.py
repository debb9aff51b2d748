"""Papers that readers propose."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SubmissionState(StrEnum):
    """What an editor made of it. What was rejected may still be approved."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A paper that somebody proposed."""

    id: int
    url: str  # the canonical one
    state: SubmissionState
    submitted_at: datetime
    origin: str  # the way, and from where: "page from 192.0.2.7"
    decided_at: datetime | None = None
    paper_id: str = ""  # public id of what it became, "" before

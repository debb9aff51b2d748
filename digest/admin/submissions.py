"""What an editor makes of the papers that readers propose."""

from dataclasses import replace
from datetime import datetime

from digest.errors import UsageError
from digest.mail.encoding import clean
from digest.models import Entry, Submission, SubmissionState
from digest.pipeline.ingest import store_entries
from digest.sources import Fetcher, arxiv, fetch_paper
from digest.store import Transaction, audit, submissions

_SOURCE = "submissions"  # where such a paper was seen


def look_up(fetcher: Fetcher, url: str, *, arxiv_api: str = arxiv.API) -> Entry:
    """The paper at a canonical URL: what arXiv's API, or the page itself, says of it. Raises SourceError."""
    return fetch_paper(fetcher, url, source=_SOURCE, arxiv_api=arxiv_api)


def in_one_line(text: str) -> str:
    """A title or an abstract as somebody typed it, without line ends and what no page can show."""
    return " ".join(clean(text).split())


def by_hand(url: str, title: str, abstract: str, found: Entry | None) -> Entry:
    """What was found, if anything was, with title and abstract as an editor gives them where they are not ""."""
    entry = found or Entry(guid=url, title=title, url=url, arxiv_id=arxiv.id_of_url(url))
    if title:
        entry = replace(entry, title=title, title_source="")
    return replace(entry, abstract=abstract, abstract_source="") if abstract else entry


def approve(tx: Transaction, submission_id: int, entry: Entry, *, by: str, now: datetime, timezone: str) -> str:
    """Put a paper in as if a source had announced it now; its public id. One that is known is seen once more.

    Raises NotFoundError, and UsageError where it was approved already.
    """
    submission = submissions.get(tx, submission_id)
    check_open(submission)
    found = store_entries(tx, _SOURCE, [entry], now=now, timezone=timezone)
    _, paper_id = found.sightings[0]
    submissions.decide(tx, submission.id, SubmissionState.APPROVED, paper_id=paper_id, now=now)
    audit.record(tx, by, "submission approve", f"{submission.id}, {paper_id}", now=now)
    return paper_id


def reject(tx: Transaction, submission_id: int, *, by: str, now: datetime) -> None:
    """Put it aside. Raises NotFoundError, and UsageError where it was approved already."""
    submission = submissions.get(tx, submission_id)
    check_open(submission)
    if submission.state is not SubmissionState.REJECTED:
        submissions.decide(tx, submission.id, SubmissionState.REJECTED, now=now)
        audit.record(tx, by, "submission reject", str(submission.id), now=now)


def check_open(submission: Submission) -> None:
    """Raise UsageError where it was approved already."""
    if submission.state is SubmissionState.APPROVED:
        raise UsageError(f"submission {submission.id} was approved already: {submission.paper_id}")

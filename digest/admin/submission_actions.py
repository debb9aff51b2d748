"""Look up, approve and reject the papers that readers propose."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from cachetools import LRUCache

from digest.errors import SourceError, UsageError
from digest.mail.encoding import clean
from digest.models import Entry, Submission, SubmissionState
from digest.pipeline.ingest import store_entries
from digest.sources import arxiv
from digest.sources.fetch import Fetcher
from digest.sources.look_up import fetch_paper
from digest.store import Transaction, audit, submissions

_SOURCE = "submissions"  # where such a paper was seen
_AT_ONCE = 2  # look-ups: each keeps a request waiting, and few requests are answered at a time
_CACHED = 50
_FOR_ADMINS_OF_SOURCES = "; if this is intended"


def look_up(fetcher: Fetcher, url: str, *, arxiv_api: str = arxiv.API) -> Entry:
    """Return an entry for the paper at a canonical URL, from arXiv's API or the page itself. Raises SourceError."""
    return fetch_paper(fetcher, url, source=_SOURCE, arxiv_api=arxiv_api)


def one_line(text: str) -> str:
    """Return a typed title or abstract on one line, without characters that pages cannot show."""
    return " ".join(clean(text).split())


def edited_entry(url: str, title: str, abstract: str, found: Entry | None) -> Entry:
    """Return the found entry, or a new one, with the title and abstract of an editor unless they are ""."""
    entry = found or Entry(guid=url, title=title, url=url, arxiv_id=arxiv.id_of_url(url))
    if title:
        entry = replace(entry, title=title, title_source="")
    return replace(entry, abstract=abstract, abstract_source="") if abstract else entry


def approve(tx: Transaction, submission_id: int, entry: Entry, *, by: str, now: datetime, timezone: str) -> str:
    """Add a paper as if a source had announced it now, and return its public id. A known paper is seen again.

    Raises NotFoundError, and UsageError if it is approved already.
    """
    submission = submissions.get(tx, submission_id)
    check_open(submission)
    found = store_entries(tx, _SOURCE, [entry], now=now, timezone=timezone)
    _, paper_id = found.sightings[0]
    submissions.decide(tx, submission.id, SubmissionState.APPROVED, paper_id=paper_id, now=now)
    audit.record(tx, by, "submission approve", f"{submission.id}, {paper_id}", now=now)
    return paper_id


def reject(tx: Transaction, submission_id: int, *, by: str, now: datetime) -> None:
    """Reject a submission. Raises NotFoundError, and UsageError if it is approved already."""
    submission = submissions.get(tx, submission_id)
    check_open(submission)
    if submission.state is not SubmissionState.REJECTED:
        submissions.decide(tx, submission.id, SubmissionState.REJECTED, now=now)
        audit.record(tx, by, "submission reject", str(submission.id), now=now)


def check_open(submission: Submission) -> None:
    """Raise UsageError if a submission is approved already."""
    if submission.state is SubmissionState.APPROVED:
        raise UsageError(f"submission {submission.id} was already approved: {submission.paper_id}")


class LookupsBusyError(Exception):
    """Too many look-ups are in progress."""


class PaperLookups:
    """Looks up proposed papers, few at a time, and caches the latest."""

    def __init__(self, fetcher: Callable[[], Fetcher]) -> None:
        """`fetcher` opens a fetcher that is safe for URLs from strangers."""
        self._fetcher = fetcher
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._found: LRUCache[int, Entry] = LRUCache(_CACHED)

    def known(self, submission: Submission) -> Entry | None:
        """Return the cached result of a submission, or None."""
        with self._lock:
            return self._found.get(submission.id)

    def find(self, submission: Submission, *, needed: bool) -> Entry | None:
        """Return the cached or a new result; None for a SourceError unless it is `needed`. Raises LookupsBusyError."""
        try:
            return self.known(submission) or self.look_up(submission)
        except SourceError:
            if needed:
                raise
            return None

    def look_up(self, submission: Submission) -> Entry:
        """Look a submission up now. Raises SourceError, LookupsBusyError."""
        if not self._free.acquire(blocking=False):
            raise LookupsBusyError
        try:
            with self._fetcher() as fetcher:
                entry = look_up(fetcher, submission.url)
        except SourceError as error:  # the hint to allow private addresses is for sources
            raise SourceError(error.source, error.reason.partition(_FOR_ADMINS_OF_SOURCES)[0]) from None
        finally:
            self._free.release()
        with self._lock:
            self._found[submission.id] = entry
        return entry

"""What an editor makes of the papers that readers propose."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from digest.errors import SourceError, UsageError
from digest.mail.encoding import clean
from digest.models import Entry, Submission, SubmissionState
from digest.pipeline.ingest import store_entries
from digest.sources import Fetcher, arxiv, fetch_paper
from digest.store import Transaction, audit, submissions

_SOURCE = "submissions"  # where such a paper was seen
_AT_ONCE = 2  # a slow site keeps somebody waiting, and few are answered at once
_KEPT = 50
_FOR_ADMINS_OF_SOURCES = "; if that is meant"


def look_up(fetcher: Fetcher, url: str, *, arxiv_api: str = arxiv.API) -> Entry:
    """The paper at a canonical URL: what arXiv's API, or the page itself, says of it. Raises SourceError."""
    return fetch_paper(fetcher, url, source=_SOURCE, arxiv_api=arxiv_api)


def one_line(text: str) -> str:
    """A title or an abstract as somebody typed it, without line ends and what no page can show."""
    return " ".join(clean(text).split())


def edited_entry(url: str, title: str, abstract: str, found: Entry | None) -> Entry:
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


class LookupsBusyError(Exception):
    """As many papers as may be are being looked up just now."""


class PaperLookups:
    """Asks for proposed papers, few at once, and remembers the last."""

    def __init__(self, fetcher: Callable[[], Fetcher]) -> None:
        """`fetcher` opens one that is fit for addresses that strangers wrote."""
        self._fetcher = fetcher
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._found: OrderedDict[int, Entry] = OrderedDict()

    def known(self, submission: Submission) -> Entry | None:
        """What was found of it lately."""
        with self._lock:
            return self._found.get(submission.id)

    def find(self, submission: Submission, *, needed: bool) -> Entry | None:
        """What was found lately, or there is now. Raises BusyError, and SourceError where it is `needed`; else None."""
        try:
            return self.known(submission) or self.look_up(submission)
        except SourceError:
            if needed:
                raise
            return None

    def look_up(self, submission: Submission) -> Entry:
        """What there is now. Raises SourceError, BusyError."""
        if not self._free.acquire(blocking=False):
            raise LookupsBusyError
        try:
            with self._fetcher() as fetcher:
                entry = look_up(fetcher, submission.url)
        except SourceError as error:  # private addresses are allowed for sources alone
            raise SourceError(error.source, error.reason.partition(_FOR_ADMINS_OF_SOURCES)[0]) from None
        finally:
            self._free.release()
        self._keep(submission.id, entry)
        return entry

    def _keep(self, number: int, entry: Entry) -> None:
        with self._lock:
            self._found[number] = entry
            self._found.move_to_end(number)
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)

"""Looking up what readers propose, while somebody waits: few at once, and what was found is kept for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from digest.admin import submissions
from digest.errors import SourceError
from digest.models import Entry, Submission
from digest.sources import Fetcher

_AT_ONCE = 2  # a slow site keeps somebody waiting, and few are answered at once
_KEPT = 50
_FOR_ADMINS_OF_SOURCES = "; if that is meant"


class BusyError(Exception):
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
            raise BusyError
        try:
            with self._fetcher() as fetcher:
                entry = submissions.look_up(fetcher, submission.url)
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

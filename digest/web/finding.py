"""What shared profiles find in the papers of the last days."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from digest.chooser import search_since
from digest.errors import RuleError
from digest.matching import Index, Search
from digest.models import Match, Profile
from digest.store import Store, papers

DAYS = 7
MOST = 100  # papers

_GOOD_FOR = timedelta(hours=1)  # after that the last days are others


class LastDays:
    """The papers of the last days, ready to be matched. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version = -1
        self._read_at: datetime | None = None
        self._search = Search([])

    def matches(self, profile: Profile, *, now: datetime) -> Sequence[Match]:
        """What a profile finds, best first, with evidence; nothing by rules that cannot be read. Raises StoreError."""
        try:
            index = Index.of([profile])
        except RuleError:
            return []
        with self._lock:
            self._read(now)
            return self._search.matches(index, limit=MOST).for_profile(0, profile)

    def _read(self, now: datetime) -> None:
        with self._store.read() as tx:
            version = papers.version(tx)
            fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < _GOOD_FOR
            if version == self._version and fresh:
                return
            self._search = search_since(tx, now - timedelta(days=DAYS), until=now)
        self._version, self._read_at = version, now

"""Keeps the papers of the last thirty days in memory, so that pages can try rules on them at once.

The first request waits until they are loaded. When the stored papers have changed, or after a day, a thread reloads
them in short steps, so that pages stay responsive, and requests get the old ones meanwhile. A few older periods that
were searched are kept as well.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from digest.errors import DigestError, StoreError
from digest.matching.paper_collection import Comparison, Findings, PaperCollection
from digest.matching.rule_stats import RuleStats
from digest.models import Paper, Profile
from digest.store import Store, papers

log = structlog.get_logger()

DAYS = 30  # that are kept; how rare a rule is, is measured on them

_MAX_AGE = timedelta(days=1)
_CHECK_INTERVAL = 1.0  # seconds between checks for changed papers
_WORK = 0.002  # seconds of loading before other threads get a turn
_BACKGROUND_REST = 0.006  # seconds for other threads while no request waits for the papers
_WAITED_FOR_REST = 0.002  # seconds for other threads while a request waits for them
_MAX_OLDER_PAPERS = 20_000  # kept of older periods
_OLDER_TIMEOUT = 3.0  # seconds that a search of an older period waits for another one


@dataclass(frozen=True, slots=True)
class _Loaded:
    collection: PaperCollection
    first_on: date  # editions from this date on are complete
    version: int  # of the papers in the store
    loaded_at: datetime


class RecentPapers:
    """Finds the papers that profiles match. Thread-safe."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds; it decides how often the store is checked for changes."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._checked_at = clock()
        self._reload: threading.Thread | None = None
        self._older_lock = threading.Lock()
        self._older: dict[tuple[date, date], tuple[PaperCollection, int]] = {}  # least recently used first

    def load(self, *, now: datetime) -> None:
        """Load the papers before the first request. Raises StoreError."""
        self._recent(now)

    def estimate_steps(self, profiles: Sequence[Profile], *, now: datetime) -> float:
        """Return what matching the profiles costs, in steps, before any of it is done.

        Raises RuleError, also if a profile costs too much, and StoreError.
        """
        return self._recent(now).collection.estimate_steps(profiles)

    def find_recent(
        self, profiles: Sequence[Profile], *, days: int = DAYS, now: datetime, begin: int = 0, limit: int = 10
    ) -> Findings:
        """Return the papers of the last `days` (at most 30) that these profiles match together, as a digest shows them.

        A paper that several profiles match appears once. Papers that a personal profile excludes do not appear. Returns
        `limit` papers, starting at number `begin`. Raises RuleError, StoreError.
        """
        collection = self._recent(now).collection
        among = collection.seen_after(now - timedelta(days=days))
        return collection.find(profiles, among, counted_after=_recent_after(now), begin=begin, limit=limit)

    def find_between(
        self, profile: Profile, first_on: date, last_on: date, *, now: datetime, begin: int = 0, limit: int = 10
    ) -> Findings:
        """Return the papers of the editions in [first_on, last_on] that a profile matches.

        Raises RuleError, and StoreError also if too many older periods are searched at once.
        """
        loaded = self._recent(now)
        recent = first_on >= loaded.first_on
        collection = loaded.collection if recent else self._older_papers(first_on, last_on)
        counted_after = _recent_after(now) if recent else None
        return collection.find(
            [profile], collection.dated_within(first_on, last_on), counted_after=counted_after, begin=begin, limit=limit
        )

    def compare(self, before: Profile, after: Profile, *, now: datetime, limit: int = 10) -> Comparison:
        """Return how an edit of a profile changes its matches in thirty days. Raises RuleError, StoreError."""
        collection = self._recent(now).collection
        counted_after = _recent_after(now)
        return collection.compare(
            before, after, collection.seen_after(counted_after), counted_after=counted_after, limit=limit
        )

    def matches_per_day(self, profiles: Sequence[Profile], *, now: datetime) -> list[float | None]:
        """Return how many papers each profile matches on an average day with papers; None if its rules cost too much.

        All profiles are matched at once: a hundred take about as long as a few. Raises RuleError, StoreError.
        """
        collection = self._recent(now).collection
        among = collection.seen_after(_recent_after(now))
        days = max(collection.count_days(among), 1)
        counts = collection.count_matches(profiles, among)
        return [None if count is None else count / days for count in counts]

    def rule_stats(self, profile: Profile, *, now: datetime) -> list[RuleStats]:
        """Return what each rule of a profile finds in the papers of thirty days. Raises RuleError, StoreError."""
        return self._recent(now).collection.rule_stats(profile)

    def _recent(self, now: datetime) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._store, now, on_progress=lambda: None)
            elif self._reload is None and self._clock() >= self._checked_at + _CHECK_INTERVAL:
                self._checked_at = self._clock()
                if now > self._loaded.loaded_at + _MAX_AGE or _version(self._store) != self._loaded.version:
                    self._reload = threading.Thread(target=self._run_reload, args=(now,), name="papers", daemon=True)
                    self._reload.start()
            return self._loaded

    def _run_reload(self, now: datetime) -> None:
        try:
            self._loaded = _load(self._store, now, on_progress=_Yielder(_BACKGROUND_REST))
        except DigestError as error:
            log.error("papers to search are not renewed", reason=str(error))
        finally:
            self._reload = None

    def _older_papers(self, first_on: date, last_on: date) -> PaperCollection:
        """Return the papers of an older period. Only one is loaded at a time, because they are large."""
        if not self._older_lock.acquire(timeout=_OLDER_TIMEOUT):
            raise StoreError("another search of older papers is running; try again in a few seconds")
        try:
            version = _version(self._store)
            collection, loaded = self._older.pop((first_on, last_on), (None, version))
            if collection is None or loaded != version:
                with self._store.read() as tx:
                    dated = papers.list_with_edition_dates(tx, first_on, last_on)
                collection = PaperCollection(dated, on_progress=_Yielder(_WAITED_FOR_REST))
            self._older[first_on, last_on] = collection, version
            while (
                len(self._older) > 1 and sum(len(older.papers) for older, _ in self._older.values()) > _MAX_OLDER_PAPERS
            ):
                del self._older[next(iter(self._older))]
            return collection
        finally:
            self._older_lock.release()


class _Yielder:
    """Lets other threads run after each short piece of work."""

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._resumed_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() > self._resumed_at + _WORK:
            time.sleep(self._rest)
            self._resumed_at = time.monotonic()


def _recent_after(now: datetime) -> datetime:
    return now - timedelta(days=DAYS)


def _version(store: Store) -> int:
    with store.read() as tx:
        return papers.version(tx)


def _load(store: Store, now: datetime, *, on_progress: Callable[[], None]) -> _Loaded:
    """Read the papers of the last thirty days, one edition at a time."""
    version = _version(store)  # first: changes made meanwhile are loaded next time
    begin = _recent_after(now).date() - timedelta(days=1)  # a date begins earlier in the east
    read: list[tuple[Paper, date]] = []
    for day in range(DAYS + 3):
        on_progress()
        with store.read() as tx:
            read += papers.list_with_edition_dates(tx, begin + timedelta(day), begin + timedelta(day))
    read.sort(key=lambda dated: dated[0].first_seen_at or now)
    return _Loaded(PaperCollection(read, on_progress=on_progress), begin, version, now)

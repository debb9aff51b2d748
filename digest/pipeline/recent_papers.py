"""The papers of the last thirty days, read once and kept, so that a page can try rules on them at once.

The first who asks waits until they are read. When there are others, or a day has passed, they are read anew in a thread
beside: in small pieces, so that pages have their turn, while the old ones answer. Of older papers a few periods that
somebody searched are kept as well.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog

from digest.errors import DigestError, StoreError
from digest.matching.backtest import RuleStats
from digest.matching.paper_collection import Comparison, Findings, PaperCollection
from digest.models import Paper, Profile
from digest.store import Store, editions, papers

log = structlog.get_logger()

DAYS = 30  # that are kept; a rule's rarity is taken over them

_RENEWED_AFTER = timedelta(days=1)
_ASKED_EVERY = 1.0  # seconds between two looks at whether there are others
_WORK = 0.002  # seconds that reading works at a time, and then lets others work:
_REST = 0.006  # where nobody waits for it
_SHORT_REST = 0.002  # where somebody does
_MOST_OLDER = 20_000  # papers of older periods that are kept
_PATIENCE = 3.0  # seconds that a search of one older period waits for another's


@dataclass(frozen=True, slots=True)
class _Kept:
    collection: PaperCollection
    first_on: date  # editions of that date and later are there whole
    version: int  # of the papers in the store
    read_at: datetime


class RecentPapers:
    """Answers which papers of a time some profiles want. Safe to share between threads."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds, for how often the store is asked."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._asked_at = clock()
        self._renewal: threading.Thread | None = None
        self._older_lock = threading.Lock()
        self._older: dict[tuple[date, date], tuple[PaperCollection, int]] = {}  # the last asked for is the last

    def load(self, *, now: datetime) -> None:
        """Have the papers there before somebody asks. Raises StoreError."""
        self._recent(now)

    def find_recent(
        self, profiles: Sequence[Profile], *, days: int = DAYS, now: datetime, begin: int = 0, limit: int = 10
    ) -> Findings:
        """What these profiles together want of the papers of the last days, at most 30.

        As a digest shows it: a paper that several want is there once, and what somebody's own keywords (a profile whose
        `owner_id` is not None) keep out is not there. Holds `limit` papers, from number `begin` on. Raises RuleError,
        StoreError.
        """
        collection = self._recent(now).collection
        among = collection.seen_after(now - timedelta(days=days))
        return collection.find(profiles, among, background=_background(now), begin=begin, limit=limit)

    def compare(self, before: Profile, after: Profile, *, now: datetime, limit: int = 10) -> Comparison:
        """What another text of a profile changes in the last thirty days. Raises RuleError, StoreError."""
        collection = self._recent(now).collection
        background = _background(now)
        return collection.compare(before, after, collection.seen_after(background), background=background, limit=limit)

    def matches_per_day(self, profiles: Sequence[Profile], *, now: datetime) -> list[float]:
        """How many papers each wants on a day of the last thirty that has papers. Raises RuleError, StoreError.

        All are looked up in one go: a hundred take about as long as a few.
        """
        collection = self._recent(now).collection
        among = collection.seen_after(_background(now))
        days = max(collection.count_days(among), 1)
        return [count / days for count in collection.count_matches(profiles, among)]

    def rule_records(self, profile: Profile, *, now: datetime) -> list[RuleStats]:
        """How each rule of a profile does among the papers of the last thirty days. Raises RuleError, StoreError."""
        return self._recent(now).collection.rule_stats(profile)

    def find_between(
        self, profile: Profile, first_on: date, last_on: date, *, now: datetime, begin: int = 0, limit: int = 10
    ) -> Findings:
        """What a profile wants of the papers of the editions of [first_on, last_on]. Raises RuleError, StoreError."""
        kept = self._recent(now)
        recent = first_on >= kept.first_on
        collection = kept.collection if recent else self._of_older(first_on, last_on)
        background = _background(now) if recent else None
        return collection.find(
            [profile], collection.dated_within(first_on, last_on), background=background, begin=begin, limit=limit
        )

    def _recent(self, now: datetime) -> _Kept:
        with self._lock:
            if self._kept is None:
                self._kept = _read(self._store, now, between=lambda: None)
            elif self._renewal is None and self._is_old(self._kept, now):
                self._renewal = threading.Thread(target=self._renew, args=(now,), name="library", daemon=True)
                self._renewal.start()
            return self._kept

    def _is_old(self, kept: _Kept, now: datetime) -> bool:
        if self._clock() < self._asked_at + _ASKED_EVERY:
            return False
        self._asked_at = self._clock()
        return now > kept.read_at + _RENEWED_AFTER or _version(self._store) != kept.version

    def _renew(self, now: datetime) -> None:
        try:
            self._kept = _read(self._store, now, between=_Turns(_REST))
        except DigestError as error:
            log.error("papers to search are not renewed", reason=str(error))
        finally:
            self._renewal = None

    def _of_older(self, first_on: date, last_on: date) -> PaperCollection:
        """The papers of an older period. Only one is read at a time: they are large."""
        if not self._older_lock.acquire(timeout=_PATIENCE):
            raise StoreError(f"older papers are being read for somebody else; {first_on} to {last_on} has to wait")
        try:
            version = _version(self._store)
            collection, read = self._older.pop((first_on, last_on), (None, version))
            if collection is None or read != version:
                with self._store.read() as tx:
                    dated = editions.list_papers_with_dates(tx, first_on, last_on)
                collection = PaperCollection(dated, on_progress=_Turns(_SHORT_REST))
            self._older[first_on, last_on] = collection, version
            self._forget_older()
            return collection
        finally:
            self._older_lock.release()

    def _forget_older(self) -> None:
        while (
            len(self._older) > 1 and sum(len(collection.papers) for collection, _ in self._older.values()) > _MOST_OLDER
        ):
            del self._older[next(iter(self._older))]


class _Turns:
    """Lets other threads work after each short piece of ours."""

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._begun = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() > self._begun + _WORK:
            time.sleep(self._rest)
            self._begun = time.monotonic()


def _background(now: datetime) -> datetime:
    return now - timedelta(days=DAYS)


def _version(store: Store) -> int:
    with store.read() as tx:
        return papers.version(tx)


def _read(store: Store, now: datetime, *, between: Callable[[], None]) -> _Kept:
    """The papers of the last thirty days, an edition at a time."""
    version = _version(store)  # first: what changes meanwhile is read next time
    begin = _background(now).date() - timedelta(days=1)  # a date begins earlier in the east
    read: list[tuple[Paper, date]] = []
    for day in range(DAYS + 3):
        between()
        with store.read() as tx:
            read += editions.list_papers_with_dates(tx, begin + timedelta(day), begin + timedelta(day))
    read.sort(key=lambda dated: dated[0].first_seen_at or now)
    return _Kept(PaperCollection(read, on_progress=between), begin, version, now)

"""The first stage: turn what the sources serve into papers.

Each source is read and committed by itself: a bad one is marked with its reason and the others go on. Its validators
are kept in the transaction that keeps its entries, so that what was not stored is served again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from digest.errors import SourceError
from digest.models import Entry, Paper
from digest.sources import Fetched, Fetcher, detect_kind, identity, parse
from digest.store import Store, Transaction, papers, sources
from digest.store.sources import SourceState


class ConfiguredSource(Protocol):
    """A place that papers come from, as it stands in the configuration."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """How many sources were asked, entries read and papers new; and which sources failed, with the reason."""

    sources: int = 0
    entries: int = 0
    papers_new: int = 0
    failures: tuple[tuple[str, str], ...] = ()


def ingest(
    store: Store,
    configured: Sequence[ConfiguredSource],
    fetcher: Fetcher,
    *,
    now: datetime,
    timezone: str,
    progress: Callable[[int], None] = lambda _: None,
) -> IngestReport:
    """Ask every source, and keep what is new as first seen at `now`. Editions are dated in `timezone`."""
    report = IngestReport(sources=len(configured))
    for source in configured:
        try:
            entries, new = _ingest_one(store, source, fetcher, now=now, timezone=timezone)
            report = replace(report, entries=report.entries + entries, papers_new=report.papers_new + new)
        except SourceError as error:
            _mark_failed(store, source, error.reason, now=now)
            report = replace(report, failures=(*report.failures, (source.name, error.reason)))
        progress(1)
    return report


def read_feed(fetcher: Fetcher, url: str) -> list[Paper]:
    """The papers that a feed holds, of whatever kind it looks like; nothing is kept. Raises SourceError."""
    body = fetcher.fetch(url, url).body or b""
    entries = parse(detect_kind(body), body, source=url)
    return list(identity.reconcile(entries, {}).papers.values())


def _ingest_one(
    store: Store, source: ConfiguredSource, fetcher: Fetcher, *, now: datetime, timezone: str
) -> tuple[int, int]:
    """(entries read, papers new)."""
    with store.read() as tx:
        state = _state_of(tx, source, now)
    fetched = fetcher.fetch(source.name, source.url, etag=state.etag, last_modified=state.last_modified)
    if fetched.body is None:
        with store.write() as tx:
            sources.save(tx, replace(state, checked_at=now, succeeded_at=now, failure=""))
        return 0, 0
    entries = parse(source.kind, fetched.body, source=source.name)
    with store.write() as tx:
        found = store_entries(tx, source.name, entries, now=now, timezone=timezone)
        sources.save(tx, _succeeded(state, fetched, len(entries), now))
    return len(entries), len(found.new)


def _state_of(tx: Transaction, source: ConfiguredSource, now: datetime) -> SourceState:
    """What is remembered of a source; at a new address it begins anew."""
    known = sources.find(tx, source.name)
    if known is not None and known.url == source.url:
        return known
    return SourceState(name=source.name, url=source.url, checked_at=now)


def store_entries(
    tx: Transaction, source: str, entries: Iterable[Entry], *, now: datetime, timezone: str
) -> identity.Reconciliation:
    """Store what the entries tell as first seen at `now`, in the edition of that date in `timezone`."""
    entries = list(entries)
    known = papers.find_by_keys(tx, (key for entry in entries for key in identity.keys(entry)))
    found = identity.reconcile(entries, known)
    edition_on = now.astimezone(ZoneInfo(timezone)).date()
    papers.add(tx, [found.papers[i] for i in found.new], first_seen_at=now, edition_on=edition_on)
    for younger, older in found.merged.items():
        papers.merge(tx, younger=younger, older=older)
    for paper_id in found.revised:
        papers.add_revision(tx, found.papers[paper_id])
    papers.set_popularity(tx, [found.papers[i] for i in found.popularity_changed])
    papers.add_keys(tx, found.keys)
    papers.record_sightings(tx, source, found.sightings, now=now)
    return found


def _succeeded(state: SourceState, fetched: Fetched, entries: int, now: datetime) -> SourceState:
    return replace(
        state,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        checked_at=now,
        succeeded_at=now,
        entries=entries,
        failure="",
    )


def _mark_failed(store: Store, source: ConfiguredSource, reason: str, *, now: datetime) -> None:
    """Remember why; the validators stay, so that the next answer is read from where the last good one ended."""
    with store.write() as tx:
        sources.save(tx, replace(_state_of(tx, source, now), checked_at=now, failure=reason))

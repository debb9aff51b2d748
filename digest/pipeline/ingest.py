"""Ingest: turn what the sources serve into papers.

Each source is read and committed by itself. If one fails, the reason is stored and the others are read. Its HTTP
validators are saved in the transaction that stores its entries, so that entries that were not stored are served again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from digest.errors import SourceError, StoppedError
from digest.models import Entry, Paper
from digest.pipeline.wrong_clocks import correct_future_papers, is_plausible
from digest.sources import Parser, arxiv, detect_kind, identity
from digest.sources.failures import contain_failures
from digest.sources.fetch import Fetcher
from digest.sources.parsing import plain_text
from digest.store import Store, Transaction, papers, sources
from digest.store.sources import SourceState

_MAX_REASON = 500  # characters of a failure


class ConfiguredSource(Protocol):
    """A source as configured."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one run did."""

    sources: int = 0
    entries: int = 0  # read
    papers_new: int = 0
    failures: tuple[tuple[str, str], ...] = ()  # (source's name, reason)

    @property
    def failure(self) -> str:
        """Why the stage failed, or "": it did if no source could be read."""
        if not self.failures or len(self.failures) < self.sources:
            return ""
        name, reason = self.failures[0]
        return f"no source could be read; the first of {self.sources}, {name}: {reason}"


def ingest(
    store: Store,
    configured: Sequence[ConfiguredSource],
    fetcher: Fetcher,
    *,
    now: datetime,
    timezone: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[int], None] = lambda _: None,
) -> IngestReport:
    """Fetch every source and store new papers as first seen at `now`. Editions are dated in `timezone`.

    Ends early, with what was read until then, when the fetcher says that the program is stopping. Raises StoreError if
    the database cannot be used, which is no fault of a source.

    Papers that were first seen later than `now` and the real time of `clock` were read while a clock was wrong: they
    are taken for new.
    """
    latest = max(now, clock())
    if is_plausible(store, latest=latest):
        correct_future_papers(store, latest=latest)
    report = IngestReport(sources=len(configured))
    with store.write() as tx:
        sources.remove_others(tx, [source.name for source in configured])
    with Parser(stopping=fetcher.stopping) as parser:
        for source in configured:
            try:
                with contain_failures(source.name):
                    entries, new = _ingest_one(store, source, fetcher, parser, now=now, timezone=timezone)
                report = replace(report, entries=report.entries + entries, papers_new=report.papers_new + new)
            except StoppedError:
                break
            except SourceError as error:
                reason = plain_text(error.reason)[:_MAX_REASON]  # a source may have put any characters there
                with store.write() as tx:  # keeps the validators: the next fetch continues after the last good one
                    sources.save(tx, replace(_load_state(tx, source, now), checked_at=now, failure=reason))
                report = replace(report, failures=(*report.failures, (source.name, reason)))
            progress(1)
    return report


def _ingest_one(
    store: Store, source: ConfiguredSource, fetcher: Fetcher, parser: Parser, *, now: datetime, timezone: str
) -> tuple[int, int]:
    """Ingest one source. Returns (entries read, new papers). Raises SourceError."""
    with store.read() as tx:
        state = _load_state(tx, source, now)
    fetched = fetcher.fetch(source.name, source.url, etag=state.etag, last_modified=state.last_modified)
    state = replace(state, checked_at=now, succeeded_at=now, failure="")
    if fetched.body is None:  # not modified
        with store.write() as tx:
            sources.save(tx, state)
        return 0, 0
    entries = parser.parse(source.kind, fetched.body, source=source.name, url=fetched.url)
    if not arxiv.speaks_for_arxiv(source.kind, fetched.url or source.url):
        entries = [replace(entry, arxiv_version=0) for entry in entries]
    state = replace(state, etag=fetched.etag, last_modified=fetched.last_modified, entries=len(entries))
    with store.write() as tx:
        stored = store_entries(tx, source.name, entries, now=now, timezone=timezone)
        sources.save(tx, state)
    return len(entries), len(stored.new)


def _load_state(tx: Transaction, source: ConfiguredSource, now: datetime) -> SourceState:
    """Return the stored state of a source, or an empty one if the source has a new address."""
    known = sources.list_states(tx).get(source.name)
    if known is not None and known.url == source.url:
        return known
    return SourceState(name=source.name, url=source.url, checked_at=now)


def store_entries(
    tx: Transaction, source: str, entries: Iterable[Entry], *, now: datetime, timezone: str
) -> identity.Reconciliation:
    """Store the papers of entries as first seen at `now`, in the edition of that date in `timezone`."""
    entries = list(entries)
    known = papers.find_by_keys(tx, (key for entry in entries for key in identity.keys(entry)))
    result = identity.reconcile(entries, known)
    edition_on = now.astimezone(ZoneInfo(timezone)).date()
    papers.add(tx, [result.papers[i] for i in result.new], first_seen_at=now, edition_on=edition_on)
    for younger, older in result.merged.items():
        papers.merge(tx, younger=younger, older=older)
    for paper_id in result.revised:
        papers.add_revision(tx, result.papers[paper_id])
    papers.set_popularity(tx, [result.papers[i] for i in result.popularity_changed])
    papers.add_keys(tx, result.keys)
    papers.record_sightings(tx, source, result.sightings, now=now)
    return result


def read_feed(fetcher: Fetcher, url: str) -> list[Paper]:
    """Return the papers of a feed of any kind, without storing them. Raises SourceError."""
    with contain_failures(url), Parser(stopping=fetcher.stopping) as parser:
        fetched = fetcher.fetch(url, url)
        body = fetched.body or b""
        entries = parser.parse(detect_kind(body), body, source=url, url=fetched.url)
    return list(identity.reconcile(entries, {}).papers.values())

"""The state of every source after its last check, and the validators for the next one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store.database import Transaction, backend
from digest.store.schema import papers, sightings, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is known about one source. `etag` and `last_modified` are valid for `url` only (RFC 9110, 13.1)."""

    name: str
    url: str
    checked_at: datetime
    etag: str = ""
    last_modified: str = ""
    succeeded_at: datetime | None = None
    entries: int = 0  # in the last body that was read
    failure: str = ""  # why the last check failed, or ""


def list_states(tx: Transaction) -> dict[str, SourceState]:
    """Return the state of every source that was ever checked, by name."""
    return {row["name"]: SourceState(**row) for row in tx.execute(sa.select(sources)).mappings()}


def count_papers(tx: Transaction, *, since: datetime) -> dict[str, int]:
    """Return how many papers first seen after `since` each source had, by name. Shared papers count for each."""
    counted = (
        sa.select(sightings.c.source, sa.func.count(sa.distinct(sightings.c.paper_id)).label("of"))
        .join(papers, papers.c.id == sightings.c.paper_id)
        .where(papers.c.first_seen_at > since)
        .group_by(sightings.c.source)
    )
    return {row.source: row.of for row in tx.execute(counted)}


def remove_others(tx: Transaction, names: Collection[str]) -> None:
    """Forget the sources without one of these names, which are no longer configured."""
    tx.execute(sa.delete(sources).where(sources.c.name.not_in(names)))


def save(tx: Transaction, state: SourceState) -> None:
    """Store a source's state, in the transaction that stores its entries."""
    values = {c.name: getattr(state, c.name) for c in sources.c}
    tx.execute(backend(tx).upsert(sources, values, key=["name"]))

"""How every source did when it was last asked, and the validators for asking it again."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from digest.store.database import Transaction, backend
from digest.store.schema import papers, sightings, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What is remembered of one source. `etag` and `last_modified` hold for `url` only (RFC 9110, 13.1)."""

    name: str
    url: str
    checked_at: datetime
    etag: str = ""
    last_modified: str = ""
    succeeded_at: datetime | None = None
    entries: int = 0  # in the last body that was read
    failure: str = ""  # why the last check failed, or ""


def find(tx: Transaction, name: str) -> SourceState | None:
    """The state of one source, or None if it was never asked."""
    row = tx.execute(sa.select(sources).where(sources.c.name == name)).mappings().one_or_none()
    return None if row is None else SourceState(**row)


def list_states(tx: Transaction) -> dict[str, SourceState]:
    """The state of every source that was ever asked, by name."""
    return {row["name"]: SourceState(**row) for row in tx.execute(sa.select(sources)).mappings()}


def count_papers(tx: Transaction, *, since: datetime) -> dict[str, int]:
    """How many of the papers first seen after `since` each source had, by name. What several had counts for each."""
    counted = (
        sa.select(sightings.c.source, sa.func.count(sa.distinct(sightings.c.paper_id)).label("of"))
        .join(papers, papers.c.id == sightings.c.paper_id)
        .where(papers.c.first_seen_at > since)
        .group_by(sightings.c.source)
    )
    return {row.source: row.of for row in tx.execute(counted)}


def save(tx: Transaction, state: SourceState) -> None:
    """Remember how a source did; to be called in the transaction that keeps its entries."""
    values = {c.name: getattr(state, c.name) for c in sources.c}
    tx.execute(backend(tx).upsert(sources, values, key=["name"]))

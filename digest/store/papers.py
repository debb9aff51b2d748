"""Papers: every work once, each of its revisions as it was shown, and the keys it is known by."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from digest.models import AnnounceType, Entry, Paper, Sighting
from digest.store import counters
from digest.store.counters import Counter
from digest.store.database import Transaction, backend
from digest.store.schema import identities, paper_revisions, papers, sightings

# Below SQLite's limit on bound values, with room for the other conditions of a query.
_BATCH = 500

_CURRENT = sa.and_(paper_revisions.c.paper_id == papers.c.id, paper_revisions.c.revision == papers.c.revision)
_SHOWN = (
    "title",
    "abstract",
    "title_source",
    "abstract_source",
    "authors",
    "categories",
    "url",
    "pdf_url",
    "code_url",
    "discussion_url",
    "announce_type",
    "published_at",
)


def version(tx: Transaction) -> int:
    """Rises with every change of what papers there are, what is shown of them, and where they were seen."""
    return counters.current(tx, Counter.PAPERS_VERSION)


def find_by_keys(tx: Transaction, keys: Iterable[str]) -> dict[str, Paper]:
    """The known papers among `keys` (as written by sources.identity), each as it is shown now."""
    found: dict[str, Paper] = {}
    for some in _batched(keys):
        rows = tx.execute(
            sa.select(identities.c.key, papers, *_shown_columns())
            .join(papers, papers.c.id == identities.c.paper_id)
            .join(paper_revisions, _CURRENT)
            .where(identities.c.key.in_(some))
        )
        found.update((row.key, _paper(row)) for row in rows)
    return found


def find_revisions(tx: Transaction, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Paper]:
    """Papers as they were shown: (public id, revision) -> Paper."""
    pairs = set(wanted)
    found: dict[tuple[str, int], Paper] = {}
    for some in _batched(public_id for public_id, _ in pairs):
        rows = tx.execute(
            sa.select(papers, *_shown_columns(), paper_revisions.c.revision.label("shown_revision"))
            .join(paper_revisions, paper_revisions.c.paper_id == papers.c.id)
            .where(papers.c.public_id.in_(some))
        )
        for row in rows:
            if (row.public_id, row.shown_revision) in pairs:
                found[row.public_id, row.shown_revision] = replace(_paper(row), revision=row.shown_revision)
    return found


def list_first_seen(tx: Transaction, *, after: datetime, until: datetime) -> list[Paper]:
    """The papers first seen in (after, until], oldest first. Works merged into an older one are that one."""
    rows = tx.execute(
        sa.select(papers, *_shown_columns())
        .join(paper_revisions, _CURRENT)
        .where(papers.c.first_seen_at > after, papers.c.first_seen_at <= until, papers.c.merged_into.is_(None))
        .order_by(papers.c.first_seen_at, papers.c.id)
    )
    return [_paper(row) for row in rows]


def list_by_row_ids(tx: Transaction, row_ids: Sequence[int]) -> list[Paper]:
    """The papers of these rows of the table, in this order."""
    found: dict[int, Paper] = {}
    for begin in range(0, len(row_ids), _BATCH):
        rows = tx.execute(
            sa.select(papers, *_shown_columns())
            .join(paper_revisions, _CURRENT)
            .where(papers.c.id.in_(row_ids[begin : begin + _BATCH]))
        )
        found.update((row.id, _paper(row)) for row in rows)
    return [found[row_id] for row_id in row_ids]


def add(tx: Transaction, new: Sequence[Paper], *, first_seen_at: datetime, edition_on: date) -> None:
    """Papers that nobody has seen before. Each is known by its own id at once."""
    if not new:
        return
    rows = [
        {
            "public_id": paper.id,
            "revision": 1,
            "first_seen_at": first_seen_at,
            "edition_on": edition_on,
            "upvotes": paper.upvotes,
            "stars": paper.stars,
        }
        for paper in new
    ]
    statement = sa.insert(papers).returning(papers.c.id, sort_by_parameter_order=True)
    ids = tx.execute(statement, rows).scalars().all()
    tx.execute(
        sa.insert(paper_revisions),
        [{"paper_id": i, "revision": 1, **_shown(p)} for i, p in zip(ids, new, strict=True)],
    )
    tx.execute(sa.insert(identities), [{"key": p.id, "paper_id": i} for i, p in zip(ids, new, strict=True)])
    _changed(tx)


def add_revision(tx: Transaction, paper: Paper) -> None:
    """The paper as it reads from now on: a new revision; earlier ones stay as digests have frozen them."""
    row_id, revision = tx.execute(sa.select(papers.c.id, papers.c.revision).where(papers.c.public_id == paper.id)).one()
    tx.execute(sa.insert(paper_revisions), {"paper_id": row_id, "revision": revision + 1, **_shown(paper)})
    tx.execute(sa.update(papers).where(papers.c.id == row_id).values(revision=revision + 1))
    _changed(tx)


def set_popularity(tx: Transaction, counted: Sequence[Paper]) -> None:
    """Upvotes and stars, which change daily and make no new revision."""
    if not counted:
        return
    tx.execute(
        sa.update(papers).where(papers.c.public_id == sa.bindparam("of")),
        [{"of": paper.id, "upvotes": paper.upvotes, "stars": paper.stars} for paper in counted],
    )
    _changed(tx)


def add_keys(tx: Transaction, keys: dict[str, str]) -> None:
    """Remember further keys: key -> public id. A key that is taken stays with its paper."""
    row_ids = _row_ids(tx, keys.values())
    rows = [{"key": key, "paper_id": row_ids[public_id]} for key, public_id in keys.items()]
    if rows and tx.execute(backend(tx).insert_or_ignore(identities).returning(identities.c.key), rows).first():
        _changed(tx)


def merge(tx: Transaction, *, younger: str, older: str) -> None:
    """Two papers turned out to be one work: the older id stays, the younger is remembered as another name for it."""
    row_ids = _row_ids(tx, (younger, older))
    gone, kept = row_ids[younger], row_ids[older]
    tx.execute(sa.update(identities).where(identities.c.paper_id == gone).values(paper_id=kept))
    tx.execute(sa.update(sightings).where(sightings.c.paper_id == gone).values(paper_id=kept))
    tx.execute(
        sa.update(papers).where(sa.or_(papers.c.id == gone, papers.c.merged_into == gone)).values(merged_into=kept)
    )
    _changed(tx)


def merged_ids(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Of these public ids, those that live on under another: old name -> the name that stays."""
    kept = papers.alias()
    found: dict[str, str] = {}
    for some in _batched(ids):
        rows = tx.execute(
            sa.select(papers.c.public_id, kept.c.public_id.label("kept"))
            .join(kept, kept.c.id == papers.c.merged_into)
            .where(papers.c.public_id.in_(some))
        )
        found.update((row.public_id, row.kept) for row in rows)
    return found


def list_public_ids(tx: Transaction, public_id: str) -> list[str]:
    """The public ids that a paper has, or had before it was merged into this one; its own first."""
    kept = papers.alias()
    gone = sa.select(papers.c.public_id).join(kept, kept.c.id == papers.c.merged_into)
    return [public_id, *tx.scalars(gone.where(kept.c.public_id == public_id).order_by(papers.c.id))]


def record_sightings(tx: Transaction, source: str, seen: Iterable[tuple[Entry, str]], *, now: datetime) -> None:
    """Which source announced which paper (by public id), and when it first did."""
    pairs = list(seen)
    row_ids = _row_ids(tx, (public_id for _, public_id in pairs))
    rows = [
        {
            "source": source,
            "guid": entry.guid,
            "paper_id": row_ids[public_id],
            "announce_type": entry.announce_type.value,
            "seen_at": now,
        }
        for entry, public_id in pairs
    ]
    if rows and tx.execute(backend(tx).insert_or_ignore(sightings).returning(sightings.c.guid), rows).first():
        _changed(tx)


def list_sightings(tx: Transaction, public_id: str) -> list[Sighting]:
    """Where a paper was announced, the first time first."""
    rows = tx.execute(
        sa.select(sightings.c.source, sightings.c.announce_type, sightings.c.seen_at)
        .join(papers, papers.c.id == sightings.c.paper_id)
        .where(papers.c.public_id == public_id)
        .order_by(sightings.c.seen_at, sightings.c.source, sightings.c.guid)
    )
    return [Sighting(source=row.source, announce_type=AnnounceType(row.announce_type), at=row.seen_at) for row in rows]


def list_keys(tx: Transaction, public_id: str) -> list[str]:
    """Every key that a paper is known by, its own id among them."""
    known = sa.select(identities.c.key).join(papers, papers.c.id == identities.c.paper_id)
    return list(tx.scalars(known.where(papers.c.public_id == public_id).order_by(identities.c.key)))


def _changed(tx: Transaction) -> None:
    counters.reserve(tx, Counter.PAPERS_VERSION)


def _row_ids(tx: Transaction, public_ids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _batched(public_ids):
        rows = tx.execute(sa.select(papers.c.public_id, papers.c.id).where(papers.c.public_id.in_(some)))
        found.update((row.public_id, row.id) for row in rows)
    return found


def _batched(values: Iterable[str]) -> Iterator[list[str]]:
    distinct = iter(dict.fromkeys(values))
    while some := list(islice(distinct, _BATCH)):
        yield some


def _shown_columns() -> list[sa.Column[Any]]:
    return [paper_revisions.c[column] for column in _SHOWN]


def _shown(paper: Paper) -> dict[str, Any]:
    return {column: getattr(paper, column) for column in _SHOWN} | {"announce_type": paper.announce_type.value}


def _paper(row: sa.Row[Any]) -> Paper:
    return Paper(
        id=row.public_id,
        title=row.title,
        abstract=row.abstract,
        title_source=row.title_source,
        abstract_source=row.abstract_source,
        authors=tuple(row.authors),
        categories=tuple(row.categories),
        url=row.url,
        pdf_url=row.pdf_url,
        code_url=row.code_url,
        discussion_url=row.discussion_url,
        announce_type=AnnounceType(row.announce_type),
        published_at=row.published_at,
        upvotes=row.upvotes,
        stars=row.stars,
        revision=row.revision,
        first_seen_at=row.first_seen_at,
    )

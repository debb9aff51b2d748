"""Papers: each work once, with all its revisions and the keys by which it is recognised."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from digest.models import AnnounceType, Entry, Paper, Sighting
from digest.store.database import Counter, Transaction, backend, newsletter_timezone, reserve_numbers, rows_with
from digest.store.database import last_number as last_of_counter
from digest.store.schema import identities, paper_revisions, papers, read_member, sightings
from digest.timezones import find_zone

_CURRENT = sa.and_(paper_revisions.c.paper_id == papers.c.id, paper_revisions.c.revision == papers.c.revision)
_REVISED = [c.name for c in paper_revisions.c if c.name not in {"paper_id", "revision"}]
_PLAIN_COLUMNS = (  # stored exactly as the fields of a Paper
    *("title", "abstract", "title_source", "abstract_source", "url", "pdf_url", "code_url", "discussion_url"),
    *("published_at", "upvotes", "stars", "revision", "first_seen_at", "from_arxiv"),
)
_REVISED_COLUMNS = [paper_revisions.c[column] for column in _REVISED]
_SELECT_CURRENT = sa.select(papers, *_REVISED_COLUMNS).join(paper_revisions, _CURRENT)
_NOT_MERGED = papers.c.merged_into.is_(None)


class Order(StrEnum):
    """The order of an edition's papers."""

    NEWEST = "newest"
    TRENDING = "trending"  # most upvotes, then most stars


_NEWEST = (papers.c.first_seen_at.desc(), papers.c.id.desc())
_POPULARITY = [sa.func.coalesce(count, 0).desc() for count in (papers.c.upvotes, papers.c.stars)]
_ORDERS = {Order.NEWEST: _NEWEST, Order.TRENDING: (*_POPULARITY, *_NEWEST)}


def version(tx: Transaction) -> int:
    """Return a number that rises with every change of papers, their keys and sightings."""
    return last_of_counter(tx, Counter.PAPERS_VERSION)


def find_by_keys(tx: Transaction, keys: Iterable[str]) -> dict[str, Paper]:
    """Return the known papers among `keys` (see sources/identity.py), by key, in their current revision."""
    known = (
        sa.select(identities.c.key, papers, *_REVISED_COLUMNS)
        .join(papers, papers.c.id == identities.c.paper_id)
        .join(paper_revisions, _CURRENT)
    )
    return {row.key: _paper(row) for row in rows_with(tx, known, identities.c.key, keys)}


def find_revisions(tx: Transaction, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Paper]:
    """Return papers as they were in a revision, by (public id, revision)."""
    pairs = set(wanted)
    revisions = sa.select(papers, *_REVISED_COLUMNS, paper_revisions.c.revision.label("shown_revision")).join(
        paper_revisions, paper_revisions.c.paper_id == papers.c.id
    )
    return {
        (row.public_id, row.shown_revision): replace(_paper(row), revision=row.shown_revision)
        for row in rows_with(tx, revisions, papers.c.public_id, (public_id for public_id, _ in pairs))
        if (row.public_id, row.shown_revision) in pairs
    }


def list_first_seen(tx: Transaction, *, after: datetime, until: datetime) -> list[Paper]:
    """Return the papers first seen in (after, until], oldest first, without those merged into an older one."""
    rows = tx.execute(
        _SELECT_CURRENT.where(papers.c.first_seen_at > after, papers.c.first_seen_at <= until, _NOT_MERGED).order_by(
            papers.c.first_seen_at, papers.c.id
        )
    )
    return [_paper(row) for row in rows]


def list_for_selection(tx: Transaction, *, above: int, since: datetime) -> list[Paper]:
    """Return the papers with a number above `above`, and those first seen after `since`, oldest first.

    Papers that were merged into an older one are left out.
    """
    wanted = sa.or_(papers.c.id > above, papers.c.first_seen_at > since)
    rows = tx.execute(_SELECT_CURRENT.where(wanted, _NOT_MERGED).order_by(papers.c.first_seen_at, papers.c.id))
    return [_paper(row) for row in rows]


def last_number(tx: Transaction) -> int:
    """Return the number of the last paper that was ingested, or 0."""
    return tx.scalar(sa.select(sa.func.max(papers.c.id))) or 0


def correct_future_times(tx: Transaction, *, after: datetime, now: datetime) -> None:
    """Take papers that were first seen after `after`, while a clock was wrong, as first seen at `now`."""
    edition_on = now.astimezone(find_zone(newsletter_timezone(tx))).date()
    corrected = {"first_seen_at": now, "edition_on": edition_on}
    tx.execute(sa.update(papers).where(papers.c.first_seen_at > after).values(corrected))
    reserve_numbers(tx, Counter.PAPERS_VERSION)


def has_first_seen(tx: Transaction, *, after: datetime, until: datetime) -> bool:
    """Return True if any paper was first seen in (after, until]."""
    return bool(
        tx.scalar(sa.select(sa.exists().where(papers.c.first_seen_at > after, papers.c.first_seen_at <= until)))
    )


def count_times_after(tx: Transaction, at: datetime) -> int:
    """Return the number of different times after `at` when papers were first seen: one for each run."""
    times = sa.select(sa.func.count(sa.distinct(papers.c.first_seen_at))).where(papers.c.first_seen_at > at)
    return tx.execute(times).scalar_one()


def count_first_seen_after(tx: Transaction, at: datetime) -> int:
    """Return the number of papers first seen after `at`."""
    counted = sa.select(sa.func.count()).select_from(papers).where(papers.c.first_seen_at > at)
    return tx.execute(counted).scalar_one()


def list_in_editions(
    tx: Transaction, first_on: date, last_on: date, order: Order, *, offset: int, limit: int
) -> list[Paper]:
    """Return one page of the papers of the editions in [first_on, last_on]."""
    ids = sa.select(papers.c.id).where(_within(first_on, last_on)).order_by(*_ORDERS[order])
    return _list_by_row_ids(tx, tx.scalars(ids.offset(offset).limit(limit)).all())


def list_with_edition_dates(tx: Transaction, first_on: date, last_on: date) -> list[tuple[Paper, date]]:
    """Return all papers of the editions in [first_on, last_on], with their edition's date, in the order first seen."""
    ids = sa.select(papers.c.id, papers.c.edition_on).where(_within(first_on, last_on))
    rows = tx.execute(ids.order_by(papers.c.first_seen_at, papers.c.id)).all()
    found = _list_by_row_ids(tx, [row.id for row in rows])
    return [(paper, row.edition_on) for paper, row in zip(found, rows, strict=True)]


def list_newest(tx: Transaction, *, limit: int) -> list[Paper]:
    """Return the papers first seen last, from any edition."""
    ids = sa.select(papers.c.id).where(_NOT_MERGED).order_by(*_NEWEST).limit(limit)
    return _list_by_row_ids(tx, tx.scalars(ids).all())


def count_by_edition(tx: Transaction, first_on: date, last_on: date) -> dict[date, int]:
    """Return the number of papers of each edition in [first_on, last_on], by date. Empty ones are left out."""
    counted = sa.select(papers.c.edition_on, sa.func.count().label("papers")).where(_within(first_on, last_on))
    rows = tx.execute(counted.group_by(papers.c.edition_on).order_by(papers.c.edition_on))
    return {row.edition_on: row.papers for row in rows}


def has_popular(tx: Transaction, first_on: date, last_on: date) -> bool:
    """Return True if any paper of these editions has upvotes or stars."""
    popular = sa.or_(papers.c.upvotes > 0, papers.c.stars > 0)
    return bool(tx.scalar(sa.select(sa.exists().where(_within(first_on, last_on), popular))))


def find_previous_edition(tx: Transaction, day: date) -> date | None:
    """Return the date of the last edition before `day`, or None."""
    last = sa.select(sa.func.max(papers.c.edition_on)).where(_NOT_MERGED, papers.c.edition_on < day)
    found: date | None = tx.scalar(last)
    return found


def find_next_edition(tx: Transaction, day: date) -> date | None:
    """Return the date of the first edition after `day`, or None."""
    first = sa.select(sa.func.min(papers.c.edition_on)).where(_NOT_MERGED, papers.c.edition_on > day)
    found: date | None = tx.scalar(first)
    return found


def find_edition_of(tx: Transaction, public_id: str) -> date | None:
    """Return the date of the edition that has a paper, or None."""
    return tx.scalar(sa.select(papers.c.edition_on).where(_NOT_MERGED, papers.c.public_id == public_id))


def add(tx: Transaction, new: Sequence[Paper], *, first_seen_at: datetime, edition_on: date) -> None:
    """Add papers that are not known yet. Each can be found by its public id at once."""
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
    added = list(zip(tx.execute(statement, rows).scalars().all(), new, strict=True))
    tx.execute(sa.insert(paper_revisions), [{"paper_id": i, "revision": 1, **_revised(p)} for i, p in added])
    tx.execute(sa.insert(identities), [{"key": p.id, "paper_id": i} for i, p in added])
    reserve_numbers(tx, Counter.PAPERS_VERSION)


def add_revision(tx: Transaction, paper: Paper) -> None:
    """Store a paper's changed text as a new revision. Digests keep showing the one they were made with."""
    row_id, revision = tx.execute(sa.select(papers.c.id, papers.c.revision).where(papers.c.public_id == paper.id)).one()
    tx.execute(sa.insert(paper_revisions), {"paper_id": row_id, "revision": revision + 1, **_revised(paper)})
    tx.execute(sa.update(papers).where(papers.c.id == row_id).values(revision=revision + 1))
    reserve_numbers(tx, Counter.PAPERS_VERSION)


def set_popularity(tx: Transaction, counted: Sequence[Paper]) -> None:
    """Store the upvotes and stars of papers. They change daily, and make no revision."""
    if not counted:
        return
    tx.execute(
        sa.update(papers).where(papers.c.public_id == sa.bindparam("of")),
        [{"of": paper.id, "upvotes": paper.upvotes, "stars": paper.stars} for paper in counted],
    )
    reserve_numbers(tx, Counter.PAPERS_VERSION)


def add_keys(tx: Transaction, keys: dict[str, str]) -> None:
    """Store further keys of papers, as key -> public id. A key that another paper has stays with it."""
    row_ids = _row_ids(tx, keys.values())
    rows = [{"key": key, "paper_id": row_ids[public_id]} for key, public_id in keys.items()]
    new = backend(tx).insert_or_ignore(identities).returning(identities.c.key)
    if rows and tx.execute(new, rows).first():
        reserve_numbers(tx, Counter.PAPERS_VERSION)


def merge(tx: Transaction, *, younger: str, older: str) -> None:
    """Merge two papers that are the same work, by their public ids. The older id stays, the younger leads to it."""
    row_ids = _row_ids(tx, (younger, older))
    gone, kept = row_ids[younger], row_ids[older]
    tx.execute(sa.update(identities).where(identities.c.paper_id == gone).values(paper_id=kept))
    tx.execute(sa.update(sightings).where(sightings.c.paper_id == gone).values(paper_id=kept))
    merged = sa.or_(papers.c.id == gone, papers.c.merged_into == gone)
    tx.execute(sa.update(papers).where(merged).values(merged_into=kept))
    reserve_numbers(tx, Counter.PAPERS_VERSION)


def merged_ids(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """Return which of these public ids were merged into another paper: old id -> id of the paper that stayed."""
    kept = papers.alias()
    merged = sa.select(papers.c.public_id, kept.c.public_id.label("kept")).join(kept, kept.c.id == papers.c.merged_into)
    return {row.public_id: row.kept for row in rows_with(tx, merged, papers.c.public_id, ids)}


def list_public_ids(tx: Transaction, public_id: str) -> list[str]:
    """Return a paper's public id, followed by those that were merged into it."""
    kept = papers.alias()
    gone = sa.select(papers.c.public_id).join(kept, kept.c.id == papers.c.merged_into)
    return [public_id, *tx.scalars(gone.where(kept.c.public_id == public_id).order_by(papers.c.id))]


def record_sightings(tx: Transaction, source: str, seen: Iterable[tuple[Entry, str]], *, now: datetime) -> None:
    """Record that a source announced papers, as (entry, public id). Only the first time counts."""
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
    new = backend(tx).insert_or_ignore(sightings).returning(sightings.c.guid)
    if rows and tx.execute(new, rows).first():
        reserve_numbers(tx, Counter.PAPERS_VERSION)


def list_sightings(tx: Transaction, public_id: str) -> list[Sighting]:
    """Return where a paper was announced, oldest first."""
    rows = tx.execute(
        sa.select(sightings.c.source, sightings.c.announce_type, sightings.c.seen_at)
        .join(papers, papers.c.id == sightings.c.paper_id)
        .where(papers.c.public_id == public_id)
        .order_by(sightings.c.seen_at, sightings.c.source, sightings.c.guid)
    )
    return [Sighting(source=row.source, announce_type=_announce_type(row), at=row.seen_at) for row in rows]


def list_keys(tx: Transaction, public_id: str) -> list[str]:
    """Return all keys of a paper, its public id among them."""
    known = sa.select(identities.c.key).join(papers, papers.c.id == identities.c.paper_id)
    return list(tx.scalars(known.where(papers.c.public_id == public_id).order_by(identities.c.key)))


def _within(first_on: date, last_on: date) -> sa.ColumnElement[bool]:
    return sa.and_(_NOT_MERGED, papers.c.edition_on.between(first_on, last_on))


def _list_by_row_ids(tx: Transaction, row_ids: Sequence[int]) -> list[Paper]:
    """Return the papers with these row ids, in this order."""
    found = {row.id: _paper(row) for row in rows_with(tx, _SELECT_CURRENT, papers.c.id, row_ids)}
    return [found[row_id] for row_id in row_ids]


def _row_ids(tx: Transaction, public_ids: Iterable[str]) -> dict[str, int]:
    known = sa.select(papers.c.public_id, papers.c.id)
    return {row.public_id: row.id for row in rows_with(tx, known, papers.c.public_id, public_ids)}


def _revised(paper: Paper) -> dict[str, Any]:
    return {column: getattr(paper, column) for column in _REVISED} | {"announce_type": paper.announce_type.value}


def _announce_type(row: Any) -> AnnounceType:
    return read_member(AnnounceType, row.announce_type, AnnounceType.NEW)


def _paper(row: sa.Row[Any]) -> Paper:
    return Paper(
        id=row.public_id,
        number=row.id,
        authors=tuple(map(str, row.authors)),
        categories=tuple(map(str, row.categories)),
        announce_type=_announce_type(row),
        **{column: getattr(row, column) for column in _PLAIN_COLUMNS},
    )

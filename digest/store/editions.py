"""Editions: the papers by the date on which they were first seen, without those merged into an older one."""

from datetime import date
from enum import StrEnum

import sqlalchemy as sa

from digest.models import Paper
from digest.store.database import Transaction
from digest.store.papers import list_by_row_ids
from digest.store.schema import papers

_NOT_MERGED = papers.c.merged_into.is_(None)


class Order(StrEnum):
    """The order of an edition's papers."""

    NEWEST = "newest"
    TRENDING = "trending"  # most upvotes, then most stars


_NEWEST = (papers.c.first_seen_at.desc(), papers.c.id.desc())
_POPULARITY = [sa.func.coalesce(count, 0).desc() for count in (papers.c.upvotes, papers.c.stars)]
_ORDERS = {Order.NEWEST: _NEWEST, Order.TRENDING: (*_POPULARITY, *_NEWEST)}


def list_papers(
    tx: Transaction, first_on: date, last_on: date, order: Order, *, offset: int, limit: int
) -> list[Paper]:
    """Return one page of the papers of the editions in [first_on, last_on]."""
    ids = sa.select(papers.c.id).where(_within(first_on, last_on)).order_by(*_ORDERS[order])
    return list_by_row_ids(tx, tx.scalars(ids.offset(offset).limit(limit)).all())


def list_papers_with_dates(tx: Transaction, first_on: date, last_on: date) -> list[tuple[Paper, date]]:
    """Return all papers of the editions in [first_on, last_on], with their edition's date, in the order first seen."""
    ids = sa.select(papers.c.id, papers.c.edition_on).where(_within(first_on, last_on))
    rows = tx.execute(ids.order_by(papers.c.first_seen_at, papers.c.id)).all()
    found = list_by_row_ids(tx, [row.id for row in rows])
    return [(paper, row.edition_on) for paper, row in zip(found, rows, strict=True)]


def list_newest_papers(tx: Transaction, *, limit: int) -> list[Paper]:
    """Return the papers first seen last, from any edition."""
    ids = sa.select(papers.c.id).where(_NOT_MERGED).order_by(*_NEWEST).limit(limit)
    return list_by_row_ids(tx, tx.scalars(ids).all())


def count_by_day(tx: Transaction, first_on: date, last_on: date) -> dict[date, int]:
    """Return the number of papers of each edition in [first_on, last_on], by date. Empty ones are left out."""
    counted = sa.select(papers.c.edition_on, sa.func.count().label("papers")).where(_within(first_on, last_on))
    rows = tx.execute(counted.group_by(papers.c.edition_on).order_by(papers.c.edition_on))
    return {row.edition_on: row.papers for row in rows}


def has_popular(tx: Transaction, first_on: date, last_on: date) -> bool:
    """Return True if any paper of these editions has upvotes or stars."""
    popular = sa.or_(papers.c.upvotes > 0, papers.c.stars > 0)
    return bool(tx.scalar(sa.select(sa.exists().where(_within(first_on, last_on), popular))))


def find_previous_date(tx: Transaction, day: date) -> date | None:
    """Return the date of the last edition before `day`, or None."""
    last = sa.select(sa.func.max(papers.c.edition_on)).where(_NOT_MERGED, papers.c.edition_on < day)
    found: date | None = tx.scalar(last)
    return found


def find_next_date(tx: Transaction, day: date) -> date | None:
    """Return the date of the first edition after `day`, or None."""
    first = sa.select(sa.func.min(papers.c.edition_on)).where(_NOT_MERGED, papers.c.edition_on > day)
    found: date | None = tx.scalar(first)
    return found


def find_date_of(tx: Transaction, public_id: str) -> date | None:
    """Return the date of the edition that has a paper, or None."""
    return tx.scalar(sa.select(papers.c.edition_on).where(_NOT_MERGED, papers.c.public_id == public_id))


def _within(first_on: date, last_on: date) -> sa.ColumnElement[bool]:
    return sa.and_(_NOT_MERGED, papers.c.edition_on.between(first_on, last_on))

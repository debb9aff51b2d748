"""Editions: the papers by the date on which they were first seen. Papers merged into an older one are left out."""

from datetime import date
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from digest.models import Paper
from digest.store.database import Transaction
from digest.store.papers import list_by_row_ids
from digest.store.schema import papers

_THERE = papers.c.merged_into.is_(None)


class Order(StrEnum):
    """Which papers of an edition come first."""

    NEWEST = "newest"
    TRENDING = "trending"  # upvotes, then stars


_NEWEST = (papers.c.first_seen_at.desc(), papers.c.id.desc())
_COUNTS = [sa.func.coalesce(count, 0).desc() for count in (papers.c.upvotes, papers.c.stars)]  # not said is none
_ORDERS = {Order.NEWEST: _NEWEST, Order.TRENDING: (*_COUNTS, *_NEWEST)}


def list_papers(
    tx: Transaction, first_on: date, last_on: date, order: Order, *, offset: int, limit: int
) -> list[Paper]:
    """Of the papers of the editions in [first_on, last_on], `limit` from number `offset` on."""
    wanted = sa.select(papers.c.id).where(_within(first_on, last_on)).order_by(*_ORDERS[order])
    return list_by_row_ids(tx, tx.scalars(wanted.offset(offset).limit(limit)).all())


def list_papers_with_dates(tx: Transaction, first_on: date, last_on: date) -> list[tuple[Paper, date]]:
    """All papers of the editions in [first_on, last_on], each with the date of its own, the first seen first."""
    wanted = sa.select(papers.c.id, papers.c.edition_on).where(_within(first_on, last_on))
    rows = tx.execute(wanted.order_by(papers.c.first_seen_at, papers.c.id)).all()
    found = list_by_row_ids(tx, [row.id for row in rows])
    return [(paper, row.edition_on) for paper, row in zip(found, rows, strict=True)]


def list_newest_papers(tx: Transaction, *, limit: int) -> list[Paper]:
    """The papers first seen last, of whatever editions."""
    return list_by_row_ids(tx, tx.scalars(sa.select(papers.c.id).where(_THERE).order_by(*_NEWEST).limit(limit)).all())


def count_by_day(tx: Transaction, first_on: date, last_on: date) -> dict[date, int]:
    """How many papers the editions in [first_on, last_on] have, by date; without those that have none."""
    counted = sa.select(papers.c.edition_on, sa.func.count().label("held")).where(_within(first_on, last_on))
    rows = tx.execute(counted.group_by(papers.c.edition_on).order_by(papers.c.edition_on))
    return {row.edition_on: row.held for row in rows}


def has_popular(tx: Transaction, first_on: date, last_on: date) -> bool:
    """Whether anything in these editions has upvotes or stars."""
    popular = sa.or_(papers.c.upvotes > 0, papers.c.stars > 0)
    return bool(tx.scalar(sa.select(sa.exists().where(_within(first_on, last_on), popular))))


def find_previous_date(tx: Transaction, day: date) -> date | None:
    """The last date before `day` that has an edition."""
    return _date(tx, sa.select(sa.func.max(papers.c.edition_on)).where(_THERE, papers.c.edition_on < day))


def find_next_date(tx: Transaction, day: date) -> date | None:
    """The first date after `day` that has an edition."""
    return _date(tx, sa.select(sa.func.min(papers.c.edition_on)).where(_THERE, papers.c.edition_on > day))


def find_date_of(tx: Transaction, public_id: str) -> date | None:
    """The date of the edition that a paper is in."""
    return _date(tx, sa.select(papers.c.edition_on).where(_THERE, papers.c.public_id == public_id))


def _within(first_on: date, last_on: date) -> sa.ColumnElement[bool]:
    return sa.and_(_THERE, papers.c.edition_on.between(first_on, last_on))


def _date(tx: Transaction, wanted: sa.Select[Any]) -> date | None:
    found: date | None = tx.scalar(wanted)
    return found

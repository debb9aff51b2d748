"""Numbers that are given out once: what is removed leaves its number to nobody, since old links still have it.

Of papers, whose rows number themselves, and of profiles (versions.py knows their numbers), what is counted here are the
changes.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from digest.store.database import Transaction
from digest.store.schema import numbers


def reserve_ids(tx: Transaction, table: sa.Table, count: int) -> Iterable[int]:
    """The next `count` numbers for rows of a table."""
    first = insert(numbers).values(of=table.name, last=count)
    more = {"last": numbers.c.last + count}
    statement = first.on_conflict_do_update(index_elements=["of"], set_=more).returning(numbers.c.last)
    last = tx.execute(statement).scalar_one()
    return range(last - count + 1, last + 1)


def current(tx: Transaction, table: sa.Table) -> int:
    """The last number that was given out; 0 before there was one."""
    return tx.execute(sa.select(numbers.c.last).where(numbers.c.of == table.name)).scalar() or 0

"""Numbers that are given out once. An id is never reused after its row was deleted, since old links still hold it."""

from enum import StrEnum

import sqlalchemy as sa

from digest.store.database import Transaction, backend
from digest.store.schema import numbers


class Counter(StrEnum):
    """What is counted, as the table `numbers` names it."""

    SUBSCRIBER_IDS = "subscribers"
    DELIVERY_IDS = "deliveries"
    PROFILE_IDS = "profile_ids"
    PAPERS_VERSION = "papers"  # changes of papers, since when caches are out of date
    PROFILES_VERSION = "profiles"  # changes of shared profiles


def reserve(tx: Transaction, counter: Counter, count: int = 1) -> range:
    """Return the next `count` numbers of a counter."""
    first = {"of": counter.value, "last": count}
    more = {"last": numbers.c.last + count}
    statement = backend(tx).upsert(numbers, first, key=["of"], changes=more).returning(numbers.c.last)
    last = tx.execute(statement).scalar_one()
    return range(last - count + 1, last + 1)


def current(tx: Transaction, counter: Counter) -> int:
    """Return the last number that was reserved, or 0."""
    return tx.execute(sa.select(numbers.c.last).where(numbers.c.of == counter.value)).scalar() or 0

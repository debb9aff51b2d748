"""Finds subscribers by a text, in pages, in the order of their addresses.

A page begins at an address, not at an offset, so the thousandth page costs what the first does. Texts of three letters
or more are looked up in an index. Where that has very many matches, the addresses are read in order instead, because
the next page of matches is near.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.models import Subscriber, SubscriberState
from digest.security import addresses
from digest.store.database import Transaction, backend, batches
from digest.store.schema import subscribers
from digest.store.subscribers import find_by_ids

_FEW = 2000  # matches that are all loaded and counted
_NEAR = 50_000  # addresses that are read in order, where there are more matches
_BATCH = 1000  # subscribers loaded by one query
_NO_LIMIT = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFilter:
    """Selects subscribers in `state`, or in any, with `text` anywhere in their address or name.

    One or two ASCII letters match only the beginning of an address.
    """

    state: SubscriberState | None = None
    text: str = ""
    has_problem: bool = False  # only those with a problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """The part of a list after or before an address, which need not be in the list; else from its beginning."""

    after: str = ""
    before: str = ""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberPage:
    """Subscribers by address, and where the neighbouring pages begin."""

    people: Sequence[Subscriber]
    total: int | None  # on all pages; None where counting would take long
    before: str  # an address; "" if there is no page before
    after: str


def list_page(tx: Transaction, wanted: SubscriberFilter, cursor: PageCursor) -> SubscriberPage:
    """Return one page of the subscribers that a filter selects. The last page is as fast as the first."""
    ids, total = _search(tx, wanted, cursor)
    more = len(ids) > cursor.limit
    page = ids[: cursor.limit][::-1] if cursor.before else ids[: cursor.limit]
    people = _list_in_order(tx, page)
    first, last = (people[0].email, people[-1].email) if people else (cursor.after, cursor.before)
    has_before, has_after = (more, True) if cursor.before else (bool(cursor.after), more)
    return SubscriberPage(
        people=people, total=total, before=first if has_before else "", after=last if has_after else ""
    )


def list_matching(tx: Transaction, wanted: SubscriberFilter, *, after: str = "") -> list[Subscriber]:
    """Return all subscribers that a filter selects, by address, from the one after `after` on."""
    ids, _ = _search(tx, wanted, PageCursor(after=after, limit=_NO_LIMIT))
    return [s for batch in batches(ids, _BATCH) for s in _list_in_order(tx, batch)]


def list_after(tx: Transaction, email: str, *, limit: int) -> list[Subscriber]:
    """Return the next `limit` subscribers after an address ("": from the beginning), by address."""
    return _list_in_order(tx, tx.scalars(_from_cursor(PageCursor(after=email, limit=limit)).limit(limit)).all())


def _search(tx: Transaction, wanted: SubscriberFilter, cursor: PageCursor) -> tuple[Sequence[int], int | None]:
    """Return (ids in the cursor's direction, number on all pages or None where counting would take long).

    One id more than the cursor's limit is returned if there is a further page.
    """
    text = " ".join(wanted.text.replace("\0", " ").split()).casefold()  # a NUL would end the index's query
    conditions, key = _conditions(tx, wanted, text), subscribers.c.found_by
    in_order = _from_cursor(cursor).limit(cursor.limit + 1)
    if 0 < len(text) < backend(tx).indexed_length:
        return tx.scalars(in_order.where(*conditions)).all(), None
    if text:
        matches = backend(tx).select_containing(text)
        few = tx.scalars(matches.limit(_FEW + 1)).all()
        if len(few) > _FEW:
            scanned = _from_cursor(cursor).where(*_conditions(tx, wanted, ""))
            end = tx.scalar(scanned.with_only_columns(key).offset(_NEAR).limit(1))
            within_reach = sa.true() if end is None else key > end if cursor.before else key < end
            near = tx.scalars(in_order.where(*conditions, within_reach)).all()
            if len(near) > cursor.limit:
                return near, None
            # The matches are together and far away, such as all addresses that begin with a late letter.
            found = matches.subquery()
            matched = in_order.join(found, subscribers.c.id == found.c.id).where(*conditions)
            return tx.scalars(matched).all(), None
        conditions = [subscribers.c.id.in_(few), *conditions]
    total = tx.execute(sa.select(sa.func.count()).select_from(subscribers).where(*conditions)).scalar_one()
    return tx.scalars(in_order.where(*conditions)).all(), total


def _from_cursor(cursor: PageCursor) -> sa.Select[int]:
    """Return a query for the ids from the cursor on, in its direction."""
    ids, key = sa.select(subscribers.c.id), subscribers.c.found_by
    if cursor.before:
        return ids.where(key < f"{addresses.key(cursor.before)}\n").order_by(key.desc())
    if cursor.after:
        ids = ids.where(key >= f"{addresses.key(cursor.after)}\x0b")  # the character after "\n"
    return ids.order_by(key)


def _conditions(tx: Transaction, wanted: SubscriberFilter, text: str) -> list[sa.ColumnElement[bool]]:
    conditions = [] if wanted.state is None else [subscribers.c.state == wanted.state.value]
    if wanted.has_problem:
        conditions.append(subscribers.c.problem != "")
    if not text:
        return conditions
    # Scripts like Chinese write a whole name with one or two characters: those match anywhere.
    if len(text) >= backend(tx).indexed_length or not text.isascii():
        return [*conditions, backend(tx).contains(subscribers.c.found_by, text)]
    end = text[:-1] + chr(ord(text[-1]) + 1)
    return [*conditions, subscribers.c.found_by >= text, subscribers.c.found_by < end]


def _list_in_order(tx: Transaction, ids: Sequence[int]) -> list[Subscriber]:
    found = find_by_ids(tx, ids)
    return [found[i] for i in ids]

"""Pages of subscribers, by address: all, those in one state, or those with a text in their address or name.

A page begins at an address, not at an offset, so the thousandth page costs what the first does. Texts of three letters
or more are looked up in an index. Where that has very many matches, the addresses are read in order instead, because
the next page of matches is near.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.models import SubscriberState
from digest.security import addresses
from digest.store.database import Transaction, backend
from digest.store.schema import subscribers

_FEW = 2000  # matches that are all loaded and counted
_NEAR = 50_000  # addresses that are read in order, where there are more matches


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFilter:
    """Selects subscribers in `state`, or in any, with `text` anywhere in their address or name.

    One or two ASCII letters match only the beginning of an address.
    """

    state: SubscriberState | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """The part of a list after or before an address, which need not be in the list; else from its beginning."""

    after: str = ""
    before: str = ""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPage:
    """Ids of subscribers, by address."""

    ids: Sequence[int]
    more: bool  # in the direction of the cursor
    total: int | None  # on all pages; None where counting would take long


def search_key(email: str, name: str) -> str:
    """Return the text in which a subscriber is found. It sorts by address: no address has a character below "\\n"."""
    return f"{addresses.key(email)}\n{name.casefold()}"


def find(tx: Transaction, wanted: SubscriberFilter, cursor: PageCursor) -> IdPage:
    """Return one page of the subscribers that a filter selects."""
    text = " ".join(wanted.text.replace("\0", " ").split()).casefold()  # a NUL would end the index's query
    conditions = _conditions(tx, wanted, text)
    in_order = _from_cursor(cursor)
    if len(text) < backend(tx).indexed_length:
        return _page(tx, in_order.where(*conditions), cursor, total=None if text else _count(tx, conditions))
    matches = backend(tx).select_containing(text)
    ids = list(tx.scalars(matches.limit(_FEW + 1)))
    if len(ids) <= _FEW:
        conditions = [subscribers.c.id.in_(ids), *conditions]
        return _page(tx, in_order.where(*conditions), cursor, total=_count(tx, conditions))
    near = _page(tx, in_order.where(*conditions, *_within_reach(tx, wanted, cursor)), cursor, total=None)
    if near.more:
        return near
    # The matches are together and far away, such as all addresses that begin with a letter late in the alphabet.
    found = matches.subquery()
    matched = in_order.join(found, subscribers.c.id == found.c.id).where(*conditions)
    return _page(tx, matched, cursor, total=None)


def list_after(tx: Transaction, cursor: PageCursor) -> Sequence[int]:
    """Return the ids of the subscribers in one part of the list, by address, without counting any."""
    return list(tx.scalars(_from_cursor(cursor).limit(cursor.limit)))


def _page(tx: Transaction, selected: sa.Select[int], cursor: PageCursor, *, total: int | None) -> IdPage:
    ids = list(tx.scalars(selected.limit(cursor.limit + 1)))
    page = ids[: cursor.limit]
    return IdPage(ids=page[::-1] if cursor.before else page, more=len(ids) > cursor.limit, total=total)


def _from_cursor(cursor: PageCursor) -> sa.Select[int]:
    """Selects ids from the cursor on, in its direction."""
    ids, key = sa.select(subscribers.c.id), subscribers.c.found_by
    if cursor.before:
        return ids.where(key < f"{addresses.key(cursor.before)}\n").order_by(key.desc())
    if cursor.after:
        ids = ids.where(key >= f"{addresses.key(cursor.after)}\x0b")  # the character after "\n"
    return ids.order_by(key)


def _within_reach(tx: Transaction, wanted: SubscriberFilter, cursor: PageCursor) -> list[sa.ColumnElement[bool]]:
    in_order = _from_cursor(cursor).where(*_conditions(tx, wanted, ""))
    end = tx.scalar(in_order.with_only_columns(subscribers.c.found_by).offset(_NEAR).limit(1))
    if end is None:
        return []
    return [subscribers.c.found_by > end if cursor.before else subscribers.c.found_by < end]


def _count(tx: Transaction, conditions: Sequence[sa.ColumnElement[bool]]) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(subscribers).where(*conditions)).scalar_one()


def _conditions(tx: Transaction, wanted: SubscriberFilter, text: str) -> list[sa.ColumnElement[bool]]:
    conditions = [] if wanted.state is None else [subscribers.c.state == wanted.state.value]
    if not text:
        return conditions
    # Scripts like Chinese write a whole name with one or two characters: those match anywhere.
    if len(text) >= backend(tx).indexed_length or not text.isascii():
        return [*conditions, backend(tx).contains(subscribers.c.found_by, text)]
    end = text[:-1] + chr(ord(text[-1]) + 1)
    return [*conditions, subscribers.c.found_by >= text, subscribers.c.found_by < end]

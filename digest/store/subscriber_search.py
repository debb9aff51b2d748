"""Finding subscribers among a million: pages by address, of a state, and by any part of an address or a name.

Pages go from an address on, so the thousandth costs what the first does. Three letters or more are looked up in an
index of all threes; where that knows very many the next page is near, and the addresses are walked through in order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.models import SubscriberState
from digest.security import addresses
from digest.store.database import Transaction
from digest.store.schema import SUBSCRIBERS_SEARCH, subscribers

_FEW = 2000  # that are all looked at
_NEAR = 50_000  # addresses that are walked through, where there are more
_LETTERS = 3  # together, in the index

_index: sa.TableClause = sa.table(SUBSCRIBERS_SEARCH, *map(sa.column, ("rowid", "found_by", SUBSCRIBERS_SEARCH)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFilter:
    """Whom a list shows: those of a state, if one is given, with `text` anywhere in address or name.

    One or two letters stand where an address begins; of scripts that write a whole name with them, anywhere.
    """

    state: SubscriberState | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """Which part of a list: behind an address, or before one, which need not be on it; else from the beginning."""

    after: str = ""
    before: str = ""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdPage:
    """Numbers of subscribers, by address; whether there are more in that direction; how many in all, where known."""

    ids: Sequence[int]
    more: bool
    total: int | None


def search_key(email: str, name: str) -> str:
    """What a subscriber is found by. Sorts by address: the line end comes before everything that one may hold."""
    return f"{addresses.key(email)}\n{name.casefold()}"


def add(tx: Transaction, ids: Collection[int]) -> None:
    """Index subscribers who were stored, or changed, just now."""
    rows = sa.select(subscribers.c.id, subscribers.c.found_by).where(subscribers.c.id.in_(ids))
    tx.execute(sa.insert(_index).from_select(["rowid", "found_by"], rows))


def remove(tx: Transaction, subscriber_id: int) -> None:
    """Remove a subscriber from the index, before the row is changed or deleted."""
    row = sa.select(sa.literal("delete"), subscribers.c.id, subscribers.c.found_by)
    row = row.where(subscribers.c.id == subscriber_id)
    tx.execute(sa.insert(_index).from_select([SUBSCRIBERS_SEARCH, "rowid", "found_by"], row))


def find(tx: Transaction, wanted: SubscriberFilter, place: PageCursor) -> IdPage:
    """One page of a list."""
    text = " ".join(wanted.text.replace("\0", " ").split()).casefold()  # a NUL would end what the index is asked
    these = _conditions(wanted, text)
    everybody = _placed(sa.select(subscribers.c.id), place)
    if not _is_indexed(text):
        return _page(tx, everybody.where(*these), place, total=None if text else _count(tx, these))
    matches = sa.select(_index.c.rowid).where(sa.column(SUBSCRIBERS_SEARCH).op("MATCH")(_threes(text)))
    ids = list(tx.scalars(matches.limit(_FEW + 1)))
    if len(ids) <= _FEW:
        these = [subscribers.c.id.in_(ids), *these]
        return _page(tx, everybody.where(*these), place, total=_count(tx, these))
    near = _page(tx, everybody.where(*these, *_near(tx, wanted, place)), place, total=None)
    if near.more:
        return near
    # They stand close together, far from here: those whose address begins so, if it is late in the alphabet.
    found = matches.subquery()
    matched = everybody.join(found, subscribers.c.id == found.c.rowid).where(*these)
    return _page(tx, matched, place, total=None)


def list_after(tx: Transaction, place: PageCursor) -> Sequence[int]:
    """The numbers of everybody in a part of the list, by address, and nothing is counted."""
    return list(tx.scalars(_placed(sa.select(subscribers.c.id), place).limit(place.limit)))


def _page(tx: Transaction, asked: sa.Select[int], place: PageCursor, *, total: int | None) -> IdPage:
    ids = list(tx.scalars(asked.limit(place.limit + 1)))
    page = ids[: place.limit]
    return IdPage(ids=page[::-1] if place.before else page, more=len(ids) > place.limit, total=total)


def _placed(asked: sa.Select[int], place: PageCursor) -> sa.Select[int]:
    """From that place on, in its direction."""
    key = subscribers.c.found_by
    if place.before:
        return asked.where(key < f"{addresses.key(place.before)}\n").order_by(key.desc())
    if place.after:
        asked = asked.where(key >= f"{addresses.key(place.after)}\x0b")  # behind the line end
    return asked.order_by(key)


def _near(tx: Transaction, wanted: SubscriberFilter, place: PageCursor) -> list[sa.ColumnElement[bool]]:
    """What holds of the next addresses, so that they are walked through no further."""
    walked = _placed(sa.select(subscribers.c.id).where(*_conditions(wanted, "")), place)
    end = tx.scalar(walked.with_only_columns(subscribers.c.found_by).offset(_NEAR).limit(1))
    if end is None:
        return []
    return [subscribers.c.found_by > end if place.before else subscribers.c.found_by < end]


def _count(tx: Transaction, these: Sequence[sa.ColumnElement[bool]]) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(subscribers).where(*these)).scalar_one()


def _conditions(wanted: SubscriberFilter, text: str) -> list[sa.ColumnElement[bool]]:
    these = [] if wanted.state is None else [subscribers.c.state == wanted.state.value]
    if not text:
        return these
    if _is_indexed(text) or not text.isascii():
        return [*these, sa.func.instr(subscribers.c.found_by, text) > 0]
    return [*these, subscribers.c.found_by >= text, subscribers.c.found_by < text[:-1] + chr(ord(text[-1]) + 1)]


def _is_indexed(text: str) -> bool:
    return len(text) >= _LETTERS


def _threes(text: str) -> str:
    """What the index is asked for a text. Threes that lie side by side will do: each row is looked at anyway."""
    starts = {*range(0, len(text) - _LETTERS, _LETTERS), len(text) - _LETTERS}
    threes = (text[at : at + _LETTERS].replace('"', '""') for at in sorted(starts))
    return " AND ".join(f'"{three}"' for three in threes)

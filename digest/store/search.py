"""Finding subscribers among a million: pages by address, of a state, and by any part of an address or a name.

Pages go from an address on, so the thousandth costs what the first does. Three letters or more are looked up in an
index of all threes; where that knows very many the next page is near, and the addresses are walked through in order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from digest import addresses
from digest.models import SubscriberState
from digest.store.database import Transaction
from digest.store.schema import SUBSCRIBERS_SEARCH, subscribers

_FEW = 2000  # that are all looked at; of more, one in five hundred of a million is found soon enough
_LETTERS = 3  # together, in the index

_index: sa.TableClause = sa.table(SUBSCRIBERS_SEARCH, *map(sa.column, ("rowid", "found_by", SUBSCRIBERS_SEARCH)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whom a list shows: those of a state, if one is given, with `text` anywhere in address or name.

    One or two letters stand where an address begins; of scripts that write a whole name with them, anywhere.
    """

    state: SubscriberState | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which part of a list: behind an address, or before one, which need not be on it; else from the beginning."""

    after: str = ""
    before: str = ""
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Numbers of subscribers, by address; whether there are more in that direction; how many in all, where known."""

    ids: Sequence[int]
    more: bool
    total: int | None


def found_by(email: str, name: str) -> str:
    """What a subscriber is found by. Sorts by address: the line end comes before everything that one may hold."""
    return f"{addresses.key(email)}\n{name.casefold()}"


def know(tx: Transaction, ids: Collection[int]) -> None:
    """Index subscribers who were stored, or changed, just now."""
    rows = sa.select(subscribers.c.id, subscribers.c.found_by).where(subscribers.c.id.in_(ids))
    tx.execute(sa.insert(_index).from_select(["rowid", "found_by"], rows))


def forget(tx: Transaction, subscriber_id: int) -> None:
    """Take somebody out of the index, who is going to be removed or changed. `Store.empty_log` wipes what they left."""
    row = sa.select(sa.literal("delete"), subscribers.c.id, subscribers.c.found_by)
    row = row.where(subscribers.c.id == subscriber_id)
    tx.execute(sa.insert(_index).from_select([SUBSCRIBERS_SEARCH, "rowid", "found_by"], row))


def find(tx: Transaction, wanted: Wanted, place: Place) -> Found:
    """One page of a list."""
    text = wanted.text.strip().casefold()
    if _is_indexed(text) and (few := _few(tx, text)) is not None:
        these = [subscribers.c.id.in_(few), *_conditions(wanted, text)]
        return _page(tx, these, place, total=_count(tx, these))
    these = _conditions(wanted, text)
    return _page(tx, these, place, total=None if text else _count(tx, these))


def _page(tx: Transaction, these: Sequence[sa.ColumnElement[bool]], place: Place, *, total: int | None) -> Found:
    key = subscribers.c.found_by
    back = bool(place.before)
    asked = sa.select(subscribers.c.id).where(*these).order_by(key.desc() if back else key).limit(place.limit + 1)
    if back:
        asked = asked.where(key < f"{addresses.key(place.before)}\n")
    elif place.after:
        asked = asked.where(key >= f"{addresses.key(place.after)}\x0b")  # behind the line end
    ids = list(tx.scalars(asked))
    page = ids[: place.limit]
    return Found(ids=page[::-1] if back else page, more=len(ids) > place.limit, total=total)


def _count(tx: Transaction, these: Sequence[sa.ColumnElement[bool]]) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(subscribers).where(*these)).scalar_one()


def _conditions(wanted: Wanted, text: str) -> list[sa.ColumnElement[bool]]:
    these = [] if wanted.state is None else [subscribers.c.state == wanted.state.value]
    if not text:
        return these
    if _is_indexed(text) or not text.isascii():
        return [*these, sa.func.instr(subscribers.c.found_by, text) > 0]
    return [*these, subscribers.c.found_by >= text, subscribers.c.found_by < text[:-1] + chr(ord(text[-1]) + 1)]


def _is_indexed(text: str) -> bool:
    return len(text) >= _LETTERS


def _few(tx: Transaction, text: str) -> list[Any] | None:
    """The numbers of all who may have it, or None where there are many."""
    # Threes that lie side by side will do: each row is looked at anyway.
    starts = {*range(0, len(text) - _LETTERS, _LETTERS), len(text) - _LETTERS}
    threes = (text[at : at + _LETTERS].replace('"', '""') for at in sorted(starts))
    asked = " AND ".join(f'"{three}"' for three in threes)
    matches = sa.column(SUBSCRIBERS_SEARCH).op("MATCH")(asked)
    ids = list(tx.scalars(sa.select(_index.c.rowid).where(matches).limit(_FEW + 1)))
    return ids if len(ids) <= _FEW else None

"""Finding subscribers among a million: pages by address, of a state, and by any part of an address or a name.

Pages go from an address on, so the thousandth costs what the first does. Three letters or more are looked up in an
index of all threes; where that knows very many the next page is near, and the addresses are walked through in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.models import SubscriberState
from digest.security import addresses
from digest.store.database import Transaction, backend
from digest.store.schema import subscribers

_FEW = 2000  # that are all looked at
_NEAR = 50_000  # addresses that are walked through, where there are more


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


def find(tx: Transaction, wanted: SubscriberFilter, place: PageCursor) -> IdPage:
    """One page of a list."""
    text = " ".join(wanted.text.replace("\0", " ").split()).casefold()  # a NUL would end what the index is asked
    these = _conditions(tx, wanted, text)
    everybody = _placed(sa.select(subscribers.c.id), place)
    if len(text) < backend(tx).indexed_length:
        return _page(tx, everybody.where(*these), place, total=None if text else _count(tx, these))
    matches = backend(tx).select_containing(text)
    ids = list(tx.scalars(matches.limit(_FEW + 1)))
    if len(ids) <= _FEW:
        these = [subscribers.c.id.in_(ids), *these]
        return _page(tx, everybody.where(*these), place, total=_count(tx, these))
    near = _page(tx, everybody.where(*these, *_near(tx, wanted, place)), place, total=None)
    if near.more:
        return near
    # They stand close together, far from here: those whose address begins so, if it is late in the alphabet.
    found = matches.subquery()
    matched = everybody.join(found, subscribers.c.id == found.c.id).where(*these)
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
    walked = _placed(sa.select(subscribers.c.id).where(*_conditions(tx, wanted, "")), place)
    end = tx.scalar(walked.with_only_columns(subscribers.c.found_by).offset(_NEAR).limit(1))
    if end is None:
        return []
    return [subscribers.c.found_by > end if place.before else subscribers.c.found_by < end]


def _count(tx: Transaction, these: Sequence[sa.ColumnElement[bool]]) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(subscribers).where(*these)).scalar_one()


def _conditions(tx: Transaction, wanted: SubscriberFilter, text: str) -> list[sa.ColumnElement[bool]]:
    these = [] if wanted.state is None else [subscribers.c.state == wanted.state.value]
    if not text:
        return these
    if len(text) >= backend(tx).indexed_length or not text.isascii():
        return [*these, backend(tx).contains(subscribers.c.found_by, text)]
    return [*these, subscribers.c.found_by >= text, subscribers.c.found_by < text[:-1] + chr(ord(text[-1]) + 1)]

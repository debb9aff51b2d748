"""Finding deliveries among very many: the newest first, in a state, of a kind, to somebody."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from digest.models import Delivery, DeliveryState, MailKind
from digest.store import outbox
from digest.store.database import Transaction
from digest.store.schema import deliveries

_NEAR = 200_000  # deliveries that are gone through for a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which deliveries: in a state, of a kind, to some subscribers (by id). None is all."""

    state: DeliveryState | None = None
    kind: MailKind | None = None
    subscriber_ids: Collection[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Deliveries, newest first, without their digests. Older ones are `before` that number; 0 where there are none."""

    deliveries: Sequence[Delivery]
    before: int


def page(tx: Transaction, sought: Sought, *, before: int = 0, limit: int) -> Page:
    """The newest that are sought, of those numbered less than `before` if it is given.

    What has no index is looked for among some hundred thousand: a page may hold few, and older ones all the same.
    """
    beyond = _walked_to(tx, before) if _is_walked(sought) else 0
    these = [*_conditions(sought), deliveries.c.id > beyond]
    if before:
        these.append(deliveries.c.id < before)
    asked = sa.select(deliveries.c.id).where(*these).order_by(deliveries.c.id.desc()).limit(limit + 1)
    ids = list(tx.scalars(asked))
    older = ids[limit - 1] if len(ids) > limit else beyond + 1 if beyond else 0
    return Page(deliveries=outbox.list_by_ids(tx, ids[:limit]), before=older)


def _is_walked(sought: Sought) -> bool:
    """Whether the deliveries are gone through one by one: most are digests, and were sent."""
    found_by_state = sought.state not in {None, DeliveryState.SENT}
    return sought.subscriber_ids is None and not found_by_state and (sought.kind, sought.state) != (None, None)


def _walked_to(tx: Transaction, before: int) -> int:
    """The number down to which they are gone through; 0 for all."""
    last = tx.scalar(sa.select(sa.func.max(deliveries.c.id))) or 0
    return max(0, (min(before, last + 1) if before else last + 1) - 1 - _NEAR)


def _conditions(sought: Sought) -> list[sa.ColumnElement[bool]]:
    these: list[sa.ColumnElement[bool]] = []
    if sought.state is DeliveryState.SENT:  # nearly all: in their own order, and not by the index of states
        these.append(deliveries.c.state.not_in([state.value for state in DeliveryState if state is not sought.state]))
    elif sought.state is not None:
        these.append(deliveries.c.state == sought.state.value)
    if sought.kind is not None:
        these.append(deliveries.c.kind == sought.kind.value)
    if sought.subscriber_ids is not None:
        these.append(deliveries.c.subscriber_id.in_(sought.subscriber_ids))
    return these

"""Subscribers: who gets digests, when, and which slot they were last served for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import EVERY_TYPE, AnnounceType, Schedule, Subscriber, SubscriberState, Weekday
from digest.security import addresses
from digest.store import profiles as profile_store
from digest.store.database import (
    Counter,
    Transaction,
    backend,
    last_number,
    newsletter_timezone,
    reserve_numbers,
    rows_with,
)
from digest.store.schema import consents, digests, follows, profiles, read_member, subscribers

_MAX_COUNTED = 20_000  # subscribers whose schedules are all counted
_SAMPLE = 5000  # subscribers whose schedules are counted where there are more

_PLAIN_COLUMNS = (  # stored exactly as the fields of a Subscriber
    *("email", "name", "max_papers", "language", "epoch", "wants_trending", "new_email", "feed"),
    *("slots_from", "last_slot_at", "last_digest_at", "papers_from", "papers_to", "problem", "resumes_at"),
)
_IS_ACTIVE = subscribers.c.state == SubscriberState.ACTIVE.value


def version(tx: Transaction) -> int:
    """Return a number that rises when a subscriber changes or is removed, or an address is suppressed."""
    return last_number(tx, Counter.RECIPIENTS_VERSION)


def find(tx: Transaction, email: str) -> Subscriber | None:
    """Return the subscriber with this address, in any letter case, or None."""
    found = _select(tx, subscribers.c.email_key == addresses.key(email))
    return found[0] if found else None


def get(tx: Transaction, email: str) -> Subscriber:
    """Return the subscriber with this address. Raises NotFoundError with the most similar address."""
    found = find(tx, email)
    if found is None:
        known = tx.execute(sa.select(subscribers.c.email).limit(1000)).scalars()
        raise NotFoundError("subscriber", email, known, listed_by="digest subscriber list")
    return found


def existing_keys(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Return which of these addresses, written as `addresses.key` does, belong to subscribers."""
    return set(tx.scalars(sa.select(subscribers.c.email_key).where(subscribers.c.email_key.in_(keys))))


def find_ids(tx: Transaction, emails: Collection[str]) -> dict[str, int]:
    """Return the ids of the subscribers with these addresses, by address."""
    keys = {addresses.key(email): email for email in emails}
    selected = sa.select(subscribers.c.email_key, subscribers.c.id)
    return {keys[row.email_key]: row.id for row in rows_with(tx, selected, subscribers.c.email_key, keys)}


def get_dates(tx: Transaction, subscriber_id: int) -> dict[str, datetime | None]:
    """Return when a subscriber was added and when they confirmed, as `created_at` and `confirmed_at`."""
    columns = (subscribers.c.created_at, subscribers.c.confirmed_at)
    row = tx.execute(sa.select(*columns).where(subscribers.c.id == subscriber_id)).one()
    return {"created_at": row.created_at, "confirmed_at": row.confirmed_at}


def list_all(tx: Transaction) -> list[Subscriber]:
    """Return all subscribers, by address."""
    return sorted(_select(tx, sa.true()), key=lambda s: addresses.key(s.email))


def list_active(tx: Transaction, *, after_id: int = 0, limit: int) -> list[Subscriber]:
    """Return the next `limit` active subscribers after `after_id`, by id. schedule.slot_due tells who is due."""
    return _select(tx, sa.and_(_IS_ACTIVE, subscribers.c.id > after_id), limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleGroup:
    """Active subscribers who are due at the same times."""

    schedule: Schedule
    confirmed_at: datetime | None
    slots_from: datetime | None
    last_slot_at: datetime | None


def count_by_schedule(tx: Transaction) -> tuple[dict[ScheduleGroup, int], bool]:
    """Return (number of active subscribers in each group, True if exact).

    Of very many subscribers a sample is counted, since counting a million takes two seconds.
    """
    if tx.scalar(sa.select(subscribers.c.id).where(_IS_ACTIVE).offset(_MAX_COUNTED).limit(1)) is None:
        return _count_schedules(tx, _IS_ACTIVE), True
    last = tx.execute(sa.select(sa.func.max(subscribers.c.id))).scalar_one()
    step = last // _SAMPLE or 1
    # One random id of each stretch, so that a pattern in the order of an import does not distort the sample. The seed
    # is fixed: a page that is loaded twice shows the same.
    chance = Random(0)  # noqa: S311
    sample = [begin + chance.randrange(step) for begin in range(1, last + 1, step)]
    counts = _count_schedules(tx, sa.and_(_IS_ACTIVE, subscribers.c.id.in_(sample)))
    return {group: step * count for group, count in counts.items()}, False


def _count_schedules(tx: Transaction, condition: sa.ColumnElement[bool]) -> dict[ScheduleGroup, int]:
    c = subscribers.c
    # Once a slot was served, it does not matter when they confirmed: else each would be a group.
    confirmed_at = sa.case((c.last_slot_at.is_(None), c.confirmed_at), else_=None).label("confirmed_at")
    slots_from = sa.case((c.last_slot_at >= c.slots_from, None), else_=c.slots_from).label("slots_from")
    columns = (c.timezone, c.send_at, c.days, c.last_slot_at, confirmed_at, slots_from)
    counts: dict[ScheduleGroup, int] = {}
    for row in tx.execute(sa.select(*columns, sa.func.count().label("of")).where(condition).group_by(*columns)):
        group = ScheduleGroup(
            schedule=_schedule(tx, row),
            confirmed_at=row.confirmed_at,
            slots_from=row.slots_from,
            last_slot_at=row.last_slot_at,
        )
        counts[group] = counts.get(group, 0) + row.of
    return counts


def list_by_schedules(tx: Transaction, schedules: Collection[Schedule], *, limit: int) -> list[Subscriber]:
    """Return the first `limit` active subscribers with one of these schedules (a few hundred at most), by id."""
    columns = sa.tuple_(subscribers.c.timezone, subscribers.c.send_at, subscribers.c.days)
    matches = columns.in_([(s.timezone, s.send_at, _join_days(s.days)) for s in schedules])
    return _select(tx, sa.and_(_IS_ACTIVE, matches), limit=limit)


def list_ended_pauses(tx: Transaction, *, now: datetime) -> list[Subscriber]:
    """Return the paused subscribers whose pause has ended at `now`, by id."""
    ended = sa.and_(subscribers.c.resumes_at <= now, subscribers.c.state == SubscriberState.PAUSED.value)
    return _select(tx, ended)


def find_by_id(tx: Transaction, subscriber_id: int) -> Subscriber | None:
    """Return the subscriber with this id, or None."""
    return find_by_ids(tx, [subscriber_id]).get(subscriber_id)


def get_by_id(tx: Transaction, subscriber_id: int) -> Subscriber:
    """Return the subscriber with this id. Raises NotFoundError, also if they were removed: ids are used once."""
    found = find_by_id(tx, subscriber_id)
    if found is None:
        raise NotFoundError("subscriber", str(subscriber_id), listed_by="digest subscriber list")
    return found


def find_by_ids(tx: Transaction, ids: Sequence[int]) -> dict[int, Subscriber]:
    """Return subscribers by their ids."""
    return {s.id: s for s in _select(tx, subscribers.c.id.in_(ids))}


def list_unconfirmed(tx: Transaction, *, before: datetime) -> list[str]:
    """Return the addresses that never confirmed, and were last asked to before `before`."""
    asked_since = sa.exists().where(consents.c.subscriber_id == subscribers.c.id, consents.c.at >= before)
    unconfirmed = sa.select(subscribers.c.email).where(
        subscribers.c.state == SubscriberState.PENDING.value,
        subscribers.c.created_at < before,
        subscribers.c.confirmed_at.is_(None),
        ~asked_since,
    )
    return list(tx.scalars(unconfirmed))


def add(tx: Transaction, new: Subscriber, *, now: datetime) -> Subscriber:
    """Add a subscriber with the shared profiles they follow. Raises UsageError if the address is taken."""
    if find(tx, new.email) is not None:
        raise UsageError(f"{new.email} is already a subscriber; `digest subscriber edit` changes them")
    add_all(tx, [new], now=now)
    return get(tx, new.email)


def add_all(tx: Transaction, new: Sequence[Subscriber], *, now: datetime) -> list[Subscriber]:
    """Add up to a few hundred subscribers, whose addresses must be free, and return them with their ids.

    Raises NotFoundError if a profile does not exist.
    """
    if not new:
        return []
    ids = reserve_numbers(tx, Counter.SUBSCRIBER_IDS, len(new))
    added = [
        replace(s, id=new_id, confirmed_at=now if s.state.is_subscribed else None)
        for s, new_id in zip(new, ids, strict=True)
    ]
    rows = [{"id": s.id, "created_at": now, "confirmed_at": s.confirmed_at} | _values(s) for s in added]
    tx.execute(sa.insert(subscribers), rows)
    backend(tx).index_subscribers(tx, [s.id for s in added])
    profile_store.add_followers(tx, {s.id: s.profiles for s in added})
    return added


def save(tx: Transaction, changed: Subscriber) -> Subscriber:
    """Store a changed subscriber, with the profiles they follow. Raises NotFoundError."""
    this, values = subscribers.c.id == changed.id, _values(changed)
    key_changed = tx.scalar(sa.select(subscribers.c.found_by).where(this)) != values["found_by"]
    if key_changed:
        backend(tx).unindex_subscriber(tx, changed.id)
    tx.execute(sa.update(subscribers).where(this).values(values))
    reserve_numbers(tx, Counter.RECIPIENTS_VERSION)
    if key_changed:
        backend(tx).index_subscribers(tx, [changed.id])
    profile_store.set_followed(tx, changed.id, changed.profiles)
    return get(tx, changed.email)


def confirm(tx: Transaction, subscriber: Subscriber, *, now: datetime) -> Subscriber:
    """Make a subscriber active and record when. Cancels a pause and an unfinished change of address."""
    tx.execute(sa.update(subscribers).where(subscribers.c.id == subscriber.id).values(confirmed_at=now))
    return save(tx, replace(subscriber, state=SubscriberState.ACTIVE, slots_from=now, resumes_at=None, new_email=""))


def remove(tx: Transaction, email: str) -> None:
    """Delete a subscriber as `remove_all` does. Raises NotFoundError."""
    remove_all(tx, [email])


def remove_all(tx: Transaction, emails: Collection[str]) -> None:
    """Delete subscribers with their own profiles, digests and deliveries. Raises NotFoundError.

    Also deletes the queries of rules that no profile has any more, which they may have written at any time.
    """
    for email in emails:
        removed = get(tx, email).id
        backend(tx).unindex_subscriber(tx, removed)
        tx.execute(sa.delete(subscribers).where(subscribers.c.id == removed))
    profile_store.delete_unused_queries(tx)
    reserve_numbers(tx, Counter.REMOVALS)
    reserve_numbers(tx, Counter.RECIPIENTS_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A subscriber whose digest was decided, and which papers it looked at."""

    subscriber_id: int
    slot_at: datetime | None  # None for a digest out of turn, after which the next slot counts as usual
    papers_from: datetime | None = None
    papers_to: int | None = None


def mark_slots_served(tx: Transaction, slots: Sequence[tuple[int, datetime]]) -> None:
    """Record (subscriber id, slot) pairs for which nothing more is to be decided."""
    if slots:
        tx.execute(
            sa.update(subscribers)
            .where(subscribers.c.id == sa.bindparam("subscriber_id"))
            .values(last_slot_at=sa.bindparam("slot_at")),
            [{"subscriber_id": subscriber_id, "slot_at": slot_at} for subscriber_id, slot_at in slots],
        )


def mark_served(tx: Transaction, served: Sequence[Served], *, now: datetime) -> None:
    """Record the digests that were decided at `now`. What was wrong with a subscriber before is forgotten."""
    if not served:
        return
    new_from = sa.bindparam("new_from", type_=subscribers.c.papers_from.type)
    papers_from = sa.func.coalesce(new_from, subscribers.c.papers_from)
    papers_to = sa.func.coalesce(sa.bindparam("new_to", type_=sa.Integer), subscribers.c.papers_to)
    tx.execute(
        sa.update(subscribers)
        .where(subscribers.c.id == sa.bindparam("subscriber_id"))
        .values(last_digest_at=now, papers_from=papers_from, papers_to=papers_to, problem=""),
        [{"subscriber_id": s.subscriber_id, "new_from": s.papers_from, "new_to": s.papers_to} for s in served],
    )
    mark_slots_served(tx, [(s.subscriber_id, s.slot_at) for s in served if s.slot_at is not None])


def find_unchanged(tx: Transaction, people: Sequence[Subscriber]) -> set[int]:
    """Return the ids of those who are still active, with the same address, schedule and last digest."""
    c = subscribers.c
    columns = (c.id, c.email, c.epoch, c.timezone, c.send_at, c.days, c.slots_from, c.last_slot_at, c.papers_to)
    rows = tx.execute(sa.select(*columns).where(_IS_ACTIVE, c.id.in_([s.id for s in people])))
    current = {r.id: (r.email, r.epoch, _schedule(tx, r), r.slots_from, r.last_slot_at, r.papers_to) for r in rows}
    return {
        s.id
        for s in people
        if current.get(s.id) == (s.email, s.epoch, s.schedule, s.slots_from, s.last_slot_at, s.papers_to)
    }


def record_problem(tx: Transaction, subscriber_ids: Collection[int], problem: str) -> None:
    """Store what is wrong with subscribers; "" for nothing."""
    tx.execute(sa.update(subscribers).where(subscribers.c.id.in_(subscriber_ids)).values(problem=problem))


def count_problems(tx: Transaction) -> int:
    """Return the number of subscribers with a problem."""
    return tx.execute(sa.select(sa.func.count()).where(subscribers.c.problem != "")).scalar_one()


def correct_future_times(tx: Transaction, subscriber_ids: Collection[int], *, now: datetime) -> None:
    """Correct times later than `now`, which were written while a clock was wrong, from the digests until `now`.

    Papers that only such a digest looked at are known by their numbers. If it was the first one, the next looks back as
    a first one does.
    """
    c = subscribers.c
    own = digests.c.subscriber_id == c.id
    last_slot_at = sa.select(sa.func.max(digests.c.slot_at)).where(own, digests.c.slot_at <= now)
    last_digest_at = sa.select(sa.func.max(digests.c.created_at)).where(own, digests.c.created_at <= now)
    before = sa.exists().where(own, digests.c.created_at <= now)
    was_first = sa.and_(c.last_digest_at > now, ~before)
    tx.execute(
        sa.update(subscribers)
        .where(c.id.in_(subscriber_ids))
        .values(
            confirmed_at=sa.case((c.confirmed_at > now, now), else_=c.confirmed_at),
            slots_from=sa.case((c.slots_from > now, now), else_=c.slots_from),
            last_slot_at=sa.case((c.last_slot_at > now, last_slot_at.scalar_subquery()), else_=c.last_slot_at),
            last_digest_at=sa.case((c.last_digest_at > now, last_digest_at.scalar_subquery()), else_=c.last_digest_at),
            papers_from=sa.case((was_first, None), else_=c.papers_from),
            papers_to=sa.case((was_first, None), else_=c.papers_to),
        )
    )


def search_key(email: str, name: str) -> str:
    """Return the text in which a subscriber is found. It sorts by address: no address has a character below "\\n"."""
    return f"{addresses.key(email)}\n{name.casefold()}"


def _select(tx: Transaction, condition: sa.ColumnElement[bool], *, limit: int | None = None) -> list[Subscriber]:
    rows = tx.execute(sa.select(subscribers).where(condition).order_by(subscribers.c.id).limit(limit)).all()
    last_id = rows[-1].id if rows else 0
    names = tx.execute(
        sa.select(follows.c.subscriber_id, profiles.c.name)
        .join(profiles, profiles.c.id == follows.c.profile_id)
        .join(subscribers, subscribers.c.id == follows.c.subscriber_id)
        .where(condition, subscribers.c.id <= last_id)
        .order_by(profiles.c.name)
    )
    followed: dict[int, list[str]] = {}
    for row in names:
        followed.setdefault(row.subscriber_id, []).append(row.name)
    return [
        Subscriber(
            id=row.id,
            schedule=_schedule(tx, row),
            state=read_member(SubscriberState, row.state, SubscriberState.PAUSED),  # no mail until an admin decides
            profiles=tuple(followed.get(row.id, ())),
            announce_types=_types(row.announce_types),
            confirmed_at=row.confirmed_at,
            **{column: getattr(row, column) for column in _PLAIN_COLUMNS},
        )
        for row in rows
    ]


def _schedule(tx: Transaction, row: Any) -> Schedule:
    return Schedule(timezone=row.timezone, send_at=row.send_at, days=_days(row.days), fallback=newsletter_timezone(tx))


def _values(subscriber: Subscriber) -> dict[str, Any]:
    types = subscriber.announce_types
    return {column: getattr(subscriber, column) for column in _PLAIN_COLUMNS} | {
        "email_key": addresses.key(subscriber.email),
        "found_by": search_key(subscriber.email, subscriber.name),
        "timezone": subscriber.schedule.timezone,
        "send_at": subscriber.schedule.send_at,
        "days": _join_days(subscriber.schedule.days),
        "state": subscriber.state.value,
        "announce_types": "" if types == EVERY_TYPE else ",".join(kind for kind in AnnounceType if kind in types),
    }


def _join_days(days: frozenset[Weekday]) -> str:
    return ",".join(day for day in Weekday if day in days)


@lru_cache(maxsize=128)  # all sets of days of the week
def _days(stored: str) -> frozenset[Weekday]:
    return frozenset(day for day in Weekday if day in stored.split(","))


@lru_cache(maxsize=16)  # all sets of types
def _types(stored: str) -> frozenset[AnnounceType]:
    return frozenset(kind for kind in AnnounceType if kind in stored.split(",")) or EVERY_TYPE

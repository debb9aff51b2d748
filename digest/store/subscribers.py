"""Subscribers: who gets digests, when, and how far they have been served."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from random import Random
from typing import Any

import sqlalchemy as sa

from digest.errors import NotFoundError, UsageError
from digest.models import EVERY_TYPE, AnnounceType, Schedule, Subscriber, SubscriberState, Weekday
from digest.security import addresses
from digest.store import counters, subscriber_search
from digest.store import profiles as profiles_of
from digest.store.counters import Counter
from digest.store.database import Transaction, backend
from digest.store.schema import consents, follows, profiles, subscribers
from digest.store.subscriber_search import PageCursor, SubscriberFilter

_TOGETHER = 1000  # read from the database
_EVERYBODY = 2**31
_COUNTED = 20_000  # whose schedules are looked at one by one
_SAMPLED = 5000  # of more than that


_IS_ACTIVE = subscribers.c.state == SubscriberState.ACTIVE.value


def find(tx: Transaction, email: str) -> Subscriber | None:
    """The subscriber with this address, however its letters' case is written, or None."""
    found = _select(tx, subscribers.c.email_key == addresses.key(email))
    return found[0] if found else None


def get(tx: Transaction, email: str) -> Subscriber:
    """The subscriber with this address. Raises NotFoundError with the nearest address."""
    found = find(tx, email)
    if found is None:
        known = tx.execute(sa.select(subscribers.c.email).limit(1000)).scalars()
        raise NotFoundError("subscriber", email, known, listed_by="digest subscriber list")
    return found


def existing_keys(tx: Transaction, keys: Collection[str]) -> set[str]:
    """Those of these addresses (as addresses.key has them) that belong to a subscriber."""
    return set(tx.scalars(sa.select(subscribers.c.email_key).where(subscribers.c.email_key.in_(keys))))


def get_dates(tx: Transaction, subscriber_id: int) -> dict[str, datetime | None]:
    """When they were added, and when they agreed."""
    columns = (subscribers.c.created_at, subscribers.c.confirmed_at)
    row = tx.execute(sa.select(*columns).where(subscribers.c.id == subscriber_id)).one()
    return {"created_at": row.created_at, "confirmed_at": row.confirmed_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberPage:
    """Subscribers by address; where the pages beside it begin (`before`, `after`), "" where there is none."""

    people: Sequence[Subscriber]
    total: int | None  # on all pages; None where counting would take long
    before: str
    after: str


def list_page(tx: Transaction, wanted: SubscriberFilter, place: PageCursor) -> SubscriberPage:
    """One page of those who are wanted. As fast with a million subscribers as with a hundred, also the last page."""
    found = subscriber_search.find(tx, wanted, place)
    known = find_by_ids(tx, found.ids)
    people = [known[i] for i in found.ids]
    ends = (people[0].email, people[-1].email) if people else (place.after, place.before)
    earlier, later = (found.more, True) if place.before else (bool(place.after), found.more)
    return SubscriberPage(
        people=people, total=found.total, before=ends[0] if earlier else "", after=ends[1] if later else ""
    )


def list_all(tx: Transaction) -> list[Subscriber]:
    """Every subscriber, by address."""
    return sorted(_select(tx, sa.true()), key=lambda s: addresses.key(s.email))


def list_matching(tx: Transaction, wanted: SubscriberFilter, *, after: str = "") -> list[Subscriber]:
    """All who are wanted, by address, behind one."""
    ids = subscriber_search.find(tx, wanted, PageCursor(after=after, limit=_EVERYBODY)).ids
    people: list[Subscriber] = []
    for at in range(0, len(ids), _TOGETHER):
        known = find_by_ids(tx, ids[at : at + _TOGETHER])
        people += (known[i] for i in ids[at : at + _TOGETHER])
    return people


def list_after(tx: Transaction, email: str, *, limit: int) -> list[Subscriber]:
    """The next `limit` subscribers behind an address, or from the first on, by address."""
    ids = subscriber_search.list_after(tx, PageCursor(after=email, limit=limit))
    known = find_by_ids(tx, ids)
    return [known[i] for i in ids]


def list_active(tx: Transaction, *, after_id: int = 0, limit: int) -> list[Subscriber]:
    """The next `limit` active subscribers behind `after_id`, by id."""
    return _select(tx, sa.and_(_IS_ACTIVE, subscribers.c.id > after_id), limit=limit)


@dataclass(frozen=True, slots=True)
class ScheduleCounts:
    """When active subscribers want their digest, and how many each time."""

    counts: Mapping[Schedule, int]
    is_exact: bool  # else taken from some thousand of them, evenly


def count_by_schedule(tx: Transaction) -> ScheduleCounts:
    """Of all active subscribers, or of very many by a sample: to look at each takes two seconds for a million."""
    if tx.scalar(sa.select(subscribers.c.id).where(_IS_ACTIVE).offset(_COUNTED).limit(1)) is None:
        return ScheduleCounts(_counted(tx, _IS_ACTIVE), is_exact=True)
    last = tx.execute(sa.select(sa.func.max(subscribers.c.id))).scalar_one()
    step = last // _SAMPLED or 1
    # One of each stretch: the same ones each time, and not in step with how a list was made.
    chance = Random(0)  # noqa: S311
    numbers_taken = [begin + chance.randrange(step) for begin in range(1, last + 1, step)]
    counts = _counted(tx, sa.and_(_IS_ACTIVE, subscribers.c.id.in_(numbers_taken)))
    return ScheduleCounts({schedule: step * count for schedule, count in counts.items()}, is_exact=False)


def _counted(tx: Transaction, these: sa.ColumnElement[bool]) -> dict[Schedule, int]:
    columns = (subscribers.c.timezone, subscribers.c.send_at, subscribers.c.days)
    rows = tx.execute(sa.select(*columns, sa.func.count().label("of")).where(these).group_by(*columns))
    return {Schedule(timezone=r.timezone, send_at=r.send_at, days=_days(r.days)): r.of for r in rows}


def list_by_schedules(tx: Transaction, schedules: Collection[Schedule], *, limit: int) -> list[Subscriber]:
    """The first `limit` active subscribers who want their digest at one of some hundred times, by id."""
    columns = sa.tuple_(subscribers.c.timezone, subscribers.c.send_at, subscribers.c.days)
    wanted = columns.in_([(s.timezone, s.send_at, _written_days(s.days)) for s in schedules])
    return _select(tx, sa.and_(_IS_ACTIVE, wanted), limit=limit)


def list_ended_pauses(tx: Transaction, *, now: datetime) -> list[Subscriber]:
    """Those whose pause is over at `now`, by id. Found by an index."""
    over = sa.and_(subscribers.c.resumes_at <= now, subscribers.c.state == SubscriberState.PAUSED.value)
    return _select(tx, over)


def find_by_id(tx: Transaction, subscriber_id: int) -> Subscriber | None:
    """The subscriber with this number, or None."""
    return find_by_ids(tx, [subscriber_id]).get(subscriber_id)


def find_by_ids(tx: Transaction, ids: Sequence[int]) -> dict[int, Subscriber]:
    """Subscribers by id."""
    return {s.id: s for s in _select(tx, subscribers.c.id.in_(ids))}


def list_unconfirmed(tx: Transaction, *, before: datetime) -> list[str]:
    """The addresses that have never said yes, and were last asked before then."""
    asked_since = sa.exists().where(consents.c.subscriber_id == subscribers.c.id, consents.c.at >= before)
    silent = sa.select(subscribers.c.email).where(
        subscribers.c.state == SubscriberState.PENDING.value,
        subscribers.c.created_at < before,
        subscribers.c.confirmed_at.is_(None),
        ~asked_since,
    )
    return list(tx.scalars(silent))


def add(tx: Transaction, new: Subscriber, *, now: datetime) -> Subscriber:
    """A new subscriber with the shared profiles they follow. Raises UsageError if the address is taken."""
    if find(tx, new.email) is not None:
        raise UsageError(f"{new.email} is a subscriber already; `digest subscriber edit` changes them")
    add_all(tx, [new], now=now)
    return get(tx, new.email)


def add_all(tx: Transaction, new: Sequence[Subscriber], *, now: datetime) -> list[Subscriber]:
    """Some hundred new subscribers whose addresses are known to be free, with their numbers. Raises NotFoundError."""
    if not new:
        return []
    ids = counters.reserve(tx, Counter.SUBSCRIBER_IDS, len(new))
    added = [replace(s, id=number) for s, number in zip(new, ids, strict=True)]
    rows = [
        {"id": s.id, "created_at": now, "confirmed_at": now if s.state.is_subscribed else None} | _values(s)
        for s in added
    ]
    tx.execute(sa.insert(subscribers), rows)
    backend(tx).index_subscribers(tx, [s.id for s in added])
    profiles_of.add_followers(tx, {s.id: s.profiles for s in added})
    return added


def save(tx: Transaction, changed: Subscriber) -> Subscriber:
    """Write back a subscriber that was changed with `dataclasses.replace`, profiles included. Raises NotFoundError."""
    this, values = subscribers.c.id == changed.id, _values(changed)
    is_found_anew = tx.scalar(sa.select(subscribers.c.found_by).where(this)) != values["found_by"]
    if is_found_anew:
        backend(tx).unindex_subscriber(tx, changed.id)
    tx.execute(sa.update(subscribers).where(this).values(values))
    if is_found_anew:
        backend(tx).index_subscribers(tx, [changed.id])
    profiles_of.set_followed(tx, changed.id, changed.profiles)
    return get(tx, changed.email)


def confirm(tx: Transaction, subscriber: Subscriber, *, now: datetime) -> Subscriber:
    """They said yes (or the admin did for them): active from now on, without what they had begun before they left."""
    tx.execute(sa.update(subscribers).where(subscribers.c.id == subscriber.id).values(confirmed_at=now))
    return save(tx, replace(subscriber, state=SubscriberState.ACTIVE, resumes_at=None, new_email=""))


def remove(tx: Transaction, email: str) -> None:
    """Forget a subscriber, with their own profile, digests and deliveries. Raises NotFoundError."""
    gone = get(tx, email).id
    backend(tx).unindex_subscriber(tx, gone)
    tx.execute(sa.delete(subscribers).where(subscribers.c.id == gone))


def mark_served(tx: Transaction, served: Sequence[tuple[int, datetime]], *, now: datetime) -> None:
    """(subscriber id, slot) pairs whose digest was decided at `now`."""
    if served:
        tx.execute(
            sa.update(subscribers)
            .where(subscribers.c.id == sa.bindparam("of"))
            .values(last_slot_at=sa.bindparam("slot_at"), last_digest_at=now),
            [{"of": subscriber_id, "slot_at": slot_at} for subscriber_id, slot_at in served],
        )


def _select(tx: Transaction, condition: sa.ColumnElement[bool], *, limit: int | None = None) -> list[Subscriber]:
    rows = tx.execute(sa.select(subscribers).where(condition).order_by(subscribers.c.id).limit(limit)).all()
    last_id = rows[-1].id if rows else 0
    named = tx.execute(
        sa.select(follows.c.subscriber_id, profiles.c.name)
        .join(profiles, profiles.c.id == follows.c.profile_id)
        .join(subscribers, subscribers.c.id == follows.c.subscriber_id)
        .where(condition, subscribers.c.id <= last_id)
        .order_by(profiles.c.name)
    )
    followed: dict[int, list[str]] = {}
    for row in named:
        followed.setdefault(row.subscriber_id, []).append(row.name)
    return [_subscriber(row, followed.get(row.id, ())) for row in rows]


def _values(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "email": subscriber.email,
        "email_key": addresses.key(subscriber.email),
        "found_by": subscriber_search.search_key(subscriber.email, subscriber.name),
        "name": subscriber.name,
        "timezone": subscriber.schedule.timezone,
        "send_at": subscriber.schedule.send_at,
        "days": _written_days(subscriber.schedule.days),
        "state": subscriber.state.value,
        "max_papers": subscriber.max_papers,
        "language": subscriber.language,
        "epoch": subscriber.epoch,
        "last_slot_at": subscriber.last_slot_at,
        "last_digest_at": subscriber.last_digest_at,
        "announce_types": _written_types(subscriber.announce_types),
        "wants_trending": subscriber.wants_trending,
        "resumes_at": subscriber.resumes_at,
        "new_email": subscriber.new_email,
        "feed": subscriber.feed,
    }


def _written_days(days: frozenset[Weekday]) -> str:
    return ",".join(day for day in Weekday if day in days)


def _written_types(types: frozenset[AnnounceType]) -> str:
    return "" if types == EVERY_TYPE else ",".join(kind for kind in AnnounceType if kind in types)


def _subscriber(row: sa.Row[Any], followed: Sequence[str]) -> Subscriber:
    return Subscriber(
        id=row.id,
        email=row.email,
        name=row.name,
        schedule=Schedule(timezone=row.timezone, send_at=row.send_at, days=_days(row.days)),
        state=SubscriberState(row.state),
        profiles=tuple(followed),
        max_papers=row.max_papers,
        language=row.language,
        epoch=row.epoch,
        last_slot_at=row.last_slot_at,
        last_digest_at=row.last_digest_at,
        announce_types=_types(row.announce_types),
        wants_trending=row.wants_trending,
        resumes_at=row.resumes_at,
        new_email=row.new_email,
        feed=row.feed,
    )


@lru_cache(maxsize=128)  # there are no more ways to choose days of the week
def _days(written: str) -> frozenset[Weekday]:
    return frozenset(Weekday(day) for day in written.split(",") if day)


@lru_cache(maxsize=16)  # nor of types
def _types(written: str) -> frozenset[AnnounceType]:
    return frozenset(AnnounceType(kind) for kind in written.split(",")) if written else EVERY_TYPE

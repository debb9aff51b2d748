"""Digests: what every subscriber got for every slot, frozen, and why where it was nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Digest, DigestItem, Evidence, Field, MailKind, Paper, Subscriber
from digest.store import counters, papers
from digest.store.counters import Counter
from digest.store.database import Transaction, backend
from digest.store.schema import deliveries, digests
from digest.store.subscribers import find_by_ids, mark_served

# An item is [public id, revision, profile, score, [[field, start, end, rule], …], [also, …]],
# a trending paper [public id, revision, upvotes, stars].
_Compact = list[Any]

_SHOWN = digests.c.empty_reason == ""

_FIELDS = {field.value: field for field in Field}  # looked up faster than Field(…) finds them


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestSummary:
    """One line of a list of digests."""

    slot_at: datetime
    dated_on: date
    count: int  # papers in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One time that somebody's papers were chosen, also where none came of it."""

    slot_at: datetime
    created_at: datetime
    previous_at: datetime | None  # when they were chosen the time before
    is_welcome: bool
    empty_reason: str


def freeze(tx: Transaction, decided: Sequence[Digest], *, kind: MailKind = MailKind.DIGEST, now: datetime) -> int:
    """Write down digests and queue a delivery for each that has items (a welcome without, too). How many were queued.

    The database says what was already decided: a digest that exists for (subscriber, slot) is left as it is.
    """
    if not decided:
        return 0
    new = backend(tx).insert_or_ignore(digests).returning(digests.c.id, digests.c.subscriber_id, digests.c.slot_at)
    made = {(row.subscriber_id, row.slot_at): row.id for row in tx.execute(new, [_values(d) for d in decided])}
    mark_served(tx, [(d.subscriber.id, d.slot_at) for d in decided], now=now)
    queued = [
        {
            "kind": kind.value,
            "subscriber_id": d.subscriber.id,
            "digest_id": made[d.subscriber.id, d.slot_at],
            "message_id": d.message_id,
            "queued_at": now,
            "next_at": now,
        }
        for d in decided
        if (d.items or kind is MailKind.WELCOME) and (d.subscriber.id, d.slot_at) in made
    ]
    if queued:
        given = counters.reserve(tx, Counter.DELIVERY_IDS, len(queued))
        tx.execute(sa.insert(deliveries), [{"id": number} | row for number, row in zip(given, queued, strict=True)])
    return len(queued)


def known_paper_ids(tx: Transaction, subscriber_ids: Collection[int], *, after: datetime) -> dict[int, set[str]]:
    """For each subscriber the ids of the papers that their digests decided after `after` show or mention as more.

    Papers that were merged since are there under both their names.
    """
    held: dict[int, set[str]] = {i: set() for i in subscriber_ids}
    rows = tx.execute(
        sa.select(digests.c.subscriber_id, digests.c["items"], digests.c.more, digests.c.trending).where(
            digests.c.subscriber_id.in_(subscriber_ids), digests.c.created_at > after
        )
    )
    for row in rows:
        held[row.subscriber_id].update(item[0] for item in (*row.items, *row.trending))
        held[row.subscriber_id].update(row.more)
    merged = papers.merged_ids(tx, set().union(*held.values()))
    for ids in held.values():
        ids.update([merged[i] for i in ids if i in merged])
    return held


def find_last(tx: Transaction, subscriber_id: int) -> Digest | None:
    """The newest digest of a subscriber that shows papers, or None."""
    found = list_last(tx, subscriber_id, limit=1)
    return found[0] if found else None


def list_last(tx: Transaction, subscriber_id: int, *, limit: int) -> list[Digest]:
    """The newest digests of a subscriber that show papers, newest first."""
    return _list_sent(tx, subscriber_id, _SHOWN, limit=limit)


def find_by_slot(tx: Transaction, subscriber_id: int, slot_at: datetime) -> Digest | None:
    """The digest that a subscriber was sent for the slot within this second, or None."""
    then = sa.and_(digests.c.slot_at >= slot_at, digests.c.slot_at < slot_at + timedelta(seconds=1))
    found = _list_sent(tx, subscriber_id, then, limit=1)
    return found[0] if found else None


def list_summaries(tx: Transaction, subscriber_id: int, *, offset: int, limit: int) -> list[DigestSummary]:
    """A subscriber's digests that show papers, newest first, without what is in them."""
    rows = tx.execute(
        sa.select(digests.c.slot_at, digests.c.dated_on, sa.func.json_array_length(digests.c["items"]).label("papers"))
        .where(digests.c.subscriber_id == subscriber_id, _SHOWN)
        .order_by(digests.c.slot_at.desc())
        .offset(offset)
        .limit(limit)
    )
    return [DigestSummary(slot_at=row.slot_at, dated_on=row.dated_on, count=row.papers) for row in rows]


def find_first_decision(tx: Transaction, subscriber_id: int, *, since: datetime) -> Decision | None:
    """The first time at or after `since` that papers were chosen for a subscriber, or None."""
    theirs = digests.c.subscriber_id == subscriber_id
    row = tx.execute(
        sa.select(digests.c.slot_at, digests.c.created_at, digests.c.empty_reason, deliveries.c.kind)
        .outerjoin(deliveries, deliveries.c.digest_id == digests.c.id)
        .where(theirs, digests.c.created_at >= since)
        .order_by(digests.c.created_at)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    before = sa.select(sa.func.max(digests.c.created_at)).where(theirs, digests.c.created_at < since)
    return Decision(
        slot_at=row.slot_at,
        created_at=row.created_at,
        previous_at=tx.scalar(before),
        is_welcome=row.kind == MailKind.WELCOME.value,
        empty_reason=row.empty_reason,
    )


def select_with_papers(tx: Transaction, subscriber_id: int, paper_ids: Collection[str]) -> sa.Select[Any]:
    """Selects the row ids of a subscriber's digests that show or mention one of these papers."""
    shown = [backend(tx).has_element_beginning(digests.c[column], paper_ids) for column in ("items", "trending")]
    mentioned = backend(tx).has_element(digests.c.more, paper_ids)
    return sa.select(digests.c.id).where(digests.c.subscriber_id == subscriber_id, sa.or_(*shown, mentioned))


def _list_sent(tx: Transaction, subscriber_id: int, condition: sa.ColumnElement[bool], *, limit: int) -> list[Digest]:
    rows = tx.execute(
        sa.select(digests.c.id, deliveries.c.message_id)
        .join(deliveries, deliveries.c.digest_id == digests.c.id)
        .where(digests.c.subscriber_id == subscriber_id, condition)
        .order_by(digests.c.created_at.desc(), digests.c.id.desc())
        .limit(limit)
    ).all()
    frozen = find_by_row_ids(tx, {row.id: row.message_id for row in rows}, find_by_ids(tx, [subscriber_id]))
    return [frozen[row.id] for row in rows]


def list_by_subscriber(tx: Transaction, subscriber_id: int) -> list[dict[str, Any]]:
    """What was decided for one subscriber, oldest first: slots, the papers' ids with their profiles, or why none."""
    rows = tx.execute(sa.select(digests).where(digests.c.subscriber_id == subscriber_id).order_by(digests.c.id))
    return [
        {
            "slot_at": row.slot_at,
            "created_at": row.created_at,
            "papers": [
                {"id": item[0], "profile": item[2], "score": item[3], "rules": sorted({found[3] for found in item[4]})}
                for item in row.items
            ],
            "more": row.more,
            "trending": [paper[0] for paper in row.trending],
            "empty_reason": row.empty_reason,
        }
        for row in rows
    ]


def find_by_row_ids(
    tx: Transaction, message_ids: Mapping[int, str], people: Mapping[int, Subscriber]
) -> dict[int, Digest]:
    """Frozen digests by row id, with every paper as it was shown.

    `message_ids` are their deliveries', by row id; `people` has their subscribers, by id.
    """
    rows = tx.execute(sa.select(digests).where(digests.c.id.in_(list(message_ids)))).all() if message_ids else []
    shown = papers.find_revisions(tx, ((item[0], item[1]) for row in rows for item in (*row.items, *row.trending)))
    return {
        row.id: Digest(
            subscriber=people[row.subscriber_id],
            slot_at=row.slot_at,
            created_at=row.created_at,
            dated_on=row.dated_on,
            message_id=message_ids[row.id],
            items=_items(row.items, shown),
            more=tuple(row.more),
            trending=tuple(
                replace(shown[paper_id, revision], upvotes=upvotes, stars=stars)
                for paper_id, revision, upvotes, stars in row.trending
            ),
            empty_reason=row.empty_reason,
        )
        for row in rows
    }


def _values(digest: Digest) -> dict[str, Any]:
    return {
        "subscriber_id": digest.subscriber.id,
        "slot_at": digest.slot_at,
        "created_at": digest.created_at,
        "dated_on": digest.dated_on,
        "items": [_compact(item) for item in digest.items],
        "more": list(digest.more),
        "trending": [[paper.id, paper.revision, paper.upvotes, paper.stars] for paper in digest.trending],
        "empty_reason": digest.empty_reason,
    }


def _compact(item: DigestItem) -> _Compact:
    found = [[e.field.value, e.start, e.end, e.rule] for e in item.evidence]
    return [item.paper.id, item.paper.revision, item.profile, round(item.score, 4), found, list(item.also)]


def _items(compact: Iterable[_Compact], shown: dict[tuple[str, int], Paper]) -> tuple[DigestItem, ...]:
    return tuple(
        DigestItem(
            paper=shown[paper_id, revision],
            profile=profile,
            score=score,
            evidence=tuple(Evidence(field=_FIELDS[f], start=start, end=end, rule=r) for f, start, end, r in found),
            also=tuple(also),
        )
        for paper_id, revision, profile, score, found, also in compact
    )

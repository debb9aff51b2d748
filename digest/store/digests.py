"""Digests: what every subscriber got for every slot, frozen, or why they got nothing.

An item is stored as [public id, revision, profile, score, [[field, start, end, rule], …], [also, …]], a trending paper
as [public id, revision, upvotes, stars]: half the size of JSON objects.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest.models import Digest, DigestItem, Evidence, Field, MailKind, Paper, Subscriber
from digest.store import papers
from digest.store.database import Counter, Transaction, backend, reserve_numbers
from digest.store.schema import deliveries, digests
from digest.store.subscribers import Served, find_by_ids, mark_served, mark_slots_served

_HAS_PAPERS = digests.c.empty_reason == ""

_FIELDS = {field.value: field for field in Field}  # a faster look-up than Field(…)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestSummary:
    """One line of a list of digests."""

    slot_at: datetime
    dated_on: date
    count: int  # papers in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One time that papers were selected for a subscriber, also if there were none."""

    slot_at: datetime
    created_at: datetime
    previous_at: datetime | None  # the time before
    is_welcome: bool
    empty_reason: str


def freeze(
    tx: Transaction,
    decided: Sequence[Digest],
    *,
    kind: MailKind = MailKind.DIGEST,
    out_of_turn: Collection[int] = (),
    now: datetime,
) -> int:
    """Store digests, and queue a delivery for each that has items, or is a welcome. Returns how many were queued.

    A digest that a subscriber already has for a slot is left as it is, and nothing of the new one is recorded: another
    digest will have its papers. The next slot of the subscribers in `out_of_turn` counts as usual.
    """
    if not decided:
        return 0
    insert = backend(tx).insert_or_ignore(digests)
    returning = insert.returning(digests.c.id, digests.c.subscriber_id, digests.c.slot_at)
    rows = tx.execute(returning, [_values(digest) for digest in decided])
    new_ids = {(row.subscriber_id, row.slot_at): row.id for row in rows}
    extra = {d.subscriber.id for d in decided} if kind is MailKind.WELCOME else set(out_of_turn)
    new = [d for d in decided if (d.subscriber.id, d.slot_at) in new_ids]
    mark_served(
        tx,
        [
            Served(
                subscriber_id=d.subscriber.id,
                slot_at=None if d.subscriber.id in extra else d.slot_at,
                papers_from=d.papers_from,
                papers_to=d.papers_to,
            )
            for d in new
        ],
        now=now,
    )
    known = [d for d in decided if (d.subscriber.id, d.slot_at) not in new_ids]
    mark_slots_served(tx, [(d.subscriber.id, d.slot_at) for d in known if d.subscriber.id not in extra])
    mailed = [d for d in new if d.items or kind is MailKind.WELCOME]
    _queue(tx, [(d, new_ids[d.subscriber.id, d.slot_at]) for d in mailed], kind=kind, now=now)
    return len(mailed)


def _queue(tx: Transaction, mailed: Sequence[tuple[Digest, int]], *, kind: MailKind, now: datetime) -> None:
    """Queue a delivery for each (digest, its row's id)."""
    if not mailed:
        return
    delivery_ids = reserve_numbers(tx, Counter.DELIVERY_IDS, len(mailed))
    rows = [
        {
            "id": delivery_id,
            "kind": kind.value,
            "subscriber_id": digest.subscriber.id,
            "digest_id": digest_id,
            "message_id": digest.message_id,
            "queued_at": now,
            "next_at": now,
        }
        for delivery_id, (digest, digest_id) in zip(delivery_ids, mailed, strict=True)
    ]
    tx.execute(sa.insert(deliveries), rows)


def count_times_after(tx: Transaction, at: datetime) -> int:
    """Return the number of different times after `at` when digests were decided: one for each run."""
    times = sa.select(sa.func.count(sa.distinct(digests.c.created_at))).where(digests.c.created_at > at)
    return tx.execute(times).scalar_one()


def count_created_after(tx: Transaction, at: datetime) -> int:
    """Return the number of digests decided after `at`."""
    counted = sa.select(sa.func.count()).select_from(digests).where(digests.c.created_at > at)
    return tx.execute(counted).scalar_one()


def correct_future_times(tx: Transaction, *, after: datetime, now: datetime) -> None:
    """Take digests that were decided after `after`, while a clock was wrong, as decided at `now`."""
    tx.execute(sa.update(digests).where(digests.c.created_at > after).values(created_at=now))


def known_paper_ids(tx: Transaction, subscriber_ids: Collection[int], *, after: datetime) -> dict[int, set[str]]:
    """Return the ids of the papers in subscribers' digests decided after `after`, shown or mentioned, by subscriber.

    Of a paper that was merged into another one since, both ids are included.
    """
    known: dict[int, set[str]] = {i: set() for i in subscriber_ids}
    rows = tx.execute(
        sa.select(digests.c.subscriber_id, digests.c["items"], digests.c.more, digests.c.trending).where(
            digests.c.subscriber_id.in_(subscriber_ids), digests.c.created_at > after
        )
    )
    for row in rows:
        known[row.subscriber_id].update(item[0] for item in (*row.items, *row.trending) if _is_entry(item))
        known[row.subscriber_id].update(paper_id for paper_id in row.more if isinstance(paper_id, str))
    merged = papers.merged_ids(tx, set().union(*known.values()))
    for ids in known.values():
        ids.update([merged[i] for i in ids if i in merged])
    return known


def list_last(tx: Transaction, subscriber_id: int, *, limit: int) -> list[Digest]:
    """Return a subscriber's newest digests with papers, newest first."""
    return _list_mailed(tx, subscriber_id, _HAS_PAPERS, limit=limit)


def find_by_slot(tx: Transaction, subscriber_id: int, slot_at: datetime) -> Digest | None:
    """Return the digest that a subscriber got for the slot within this second, or None."""
    within = sa.and_(digests.c.slot_at >= slot_at, digests.c.slot_at < slot_at + timedelta(seconds=1))
    return next(iter(_list_mailed(tx, subscriber_id, within, limit=1)), None)


def list_summaries(tx: Transaction, subscriber_id: int, *, offset: int, limit: int) -> list[DigestSummary]:
    """Return one page of a subscriber's digests with papers, newest first, without their content."""
    rows = tx.execute(
        sa.select(digests.c.slot_at, digests.c.dated_on, sa.func.json_array_length(digests.c["items"]).label("papers"))
        .where(digests.c.subscriber_id == subscriber_id, _HAS_PAPERS)
        .order_by(digests.c.slot_at.desc())
        .offset(offset)
        .limit(limit)
    )
    return [DigestSummary(slot_at=row.slot_at, dated_on=row.dated_on, count=row.papers) for row in rows]


def find_first_decision(tx: Transaction, subscriber_id: int, *, since: datetime) -> Decision | None:
    """Return the first time at or after `since` that papers were selected for a subscriber, or None."""
    own = digests.c.subscriber_id == subscriber_id
    row = tx.execute(
        sa.select(digests.c.slot_at, digests.c.created_at, digests.c.empty_reason, deliveries.c.kind)
        .outerjoin(deliveries, deliveries.c.digest_id == digests.c.id)
        .where(own, digests.c.created_at >= since)
        .order_by(digests.c.created_at)
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Decision(
        slot_at=row.slot_at,
        created_at=row.created_at,
        previous_at=tx.scalar(sa.select(sa.func.max(digests.c.created_at)).where(own, digests.c.created_at < since)),
        is_welcome=row.kind == MailKind.WELCOME.value,
        empty_reason=row.empty_reason,
    )


def select_with_papers(tx: Transaction, subscriber_id: int, paper_ids: Collection[str]) -> sa.Select[Any]:
    """Return a query for the row ids of a subscriber's digests that show or mention one of these papers."""
    shown = [backend(tx).has_element_beginning(digests.c[column], paper_ids) for column in ("items", "trending")]
    mentioned = backend(tx).has_element(digests.c.more, paper_ids)
    return sa.select(digests.c.id).where(digests.c.subscriber_id == subscriber_id, sa.or_(*shown, mentioned))


def list_by_subscriber(tx: Transaction, subscriber_id: int) -> list[dict[str, Any]]:
    """Return what was decided for a subscriber, oldest first: paper ids with profiles, or why there were none."""
    rows = tx.execute(sa.select(digests).where(digests.c.subscriber_id == subscriber_id).order_by(digests.c.id))
    exported: list[dict[str, Any]] = []
    for row in rows:
        try:
            shown = [
                {"id": paper_id, "profile": profile, "score": score, "rules": sorted({rule for *_, rule in evidence})}
                for paper_id, _, profile, score, evidence, _ in row.items
            ]
        except (TypeError, ValueError):  # damaged
            shown = row.items
        exported.append(
            {
                "slot_at": row.slot_at,
                "created_at": row.created_at,
                "papers": shown,
                "more": row.more,
                "trending": [paper[0] for paper in row.trending if _is_entry(paper)],
                "empty_reason": row.empty_reason,
            }
        )
    return exported


def find_by_row_ids(
    tx: Transaction, message_ids: Mapping[int, str], people: Mapping[int, Subscriber]
) -> dict[int, Digest]:
    """Return digests by row id, with every paper as it was shown.

    `message_ids` has the Message-ID of each digest's delivery, by row id; `people` the subscribers, by id.
    """
    rows = tx.execute(sa.select(digests).where(digests.c.id.in_(list(message_ids)))).all() if message_ids else []
    wanted = [(item[0], item[1]) for row in rows for item in (*row.items, *row.trending) if _is_entry(item)]
    shown = papers.find_revisions(tx, wanted)
    found: dict[int, Digest] = {}
    for row in rows:
        # One whose content was damaged is left out: the others must be read.
        with suppress(KeyError, TypeError, ValueError):
            found[row.id] = _digest(row, shown, message_ids[row.id], people[row.subscriber_id])
    return found


def _values(digest: Digest) -> dict[str, Any]:
    """Return a digest as it is stored. `_digest` reads it."""
    return {
        "subscriber_id": digest.subscriber.id,
        "slot_at": digest.slot_at,
        "created_at": digest.created_at,
        "dated_on": digest.dated_on,
        "items": [
            [
                item.paper.id,
                item.paper.revision,
                item.profile,
                round(item.score, 4),
                [[e.field.value, e.start, e.end, e.rule] for e in item.evidence],
                list(item.also),
            ]
            for item in digest.items
        ],
        "more": list(digest.more),
        "trending": [[paper.id, paper.revision, paper.upvotes, paper.stars] for paper in digest.trending],
        "empty_reason": digest.empty_reason,
    }


def _digest(
    row: sa.Row[Any], shown: Mapping[tuple[str, int], Paper], message_id: str, subscriber: Subscriber
) -> Digest:
    """Return a digest. Raises KeyError, TypeError or ValueError if its content is not as `_values` writes it."""
    return Digest(
        subscriber=subscriber,
        slot_at=row.slot_at,
        created_at=row.created_at,
        dated_on=row.dated_on,
        message_id=message_id,
        items=tuple(
            DigestItem(
                paper=shown[paper_id, revision],
                profile=profile,
                score=score,
                evidence=tuple(Evidence(field=_FIELDS[f], start=s, end=e, rule=r) for f, s, e, r in evidence),
                also=tuple(also),
            )
            for paper_id, revision, profile, score, evidence, also in row.items
        ),
        more=tuple(row.more),
        trending=tuple(
            replace(shown[paper_id, revision], upvotes=upvotes, stars=stars)
            for paper_id, revision, upvotes, stars in row.trending
        ),
        empty_reason=row.empty_reason,
    )


def _is_entry(item: object) -> bool:
    """Return True for a list that begins with a paper's id and revision."""
    return isinstance(item, list) and len(item) > 1 and isinstance(item[0], str) and isinstance(item[1], int)


def _list_mailed(tx: Transaction, subscriber_id: int, condition: sa.ColumnElement[bool], *, limit: int) -> list[Digest]:
    rows = tx.execute(
        sa.select(digests.c.id, deliveries.c.message_id)
        .join(deliveries, deliveries.c.digest_id == digests.c.id)
        .where(digests.c.subscriber_id == subscriber_id, condition)
        .order_by(digests.c.created_at.desc(), digests.c.id.desc())
        .limit(limit)
    ).all()
    found = find_by_row_ids(tx, {row.id: row.message_id for row in rows}, find_by_ids(tx, [subscriber_id]))
    return [found[row.id] for row in rows if row.id in found]

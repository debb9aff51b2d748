"""The newsletter's numbers of one day, and its problems, for the admin pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from digest.models import (
    CLOCK_SKEW,
    NOT_SENT,
    BounceKind,
    Cancellation,
    DeliveryState,
    Hold,
    Stage,
    StageState,
    StageStatus,
)
from digest.store import digests as digest_store
from digest.store import outbox, papers, sources
from digest.store import subscribers as subscriber_store
from digest.store.database import Transaction
from digest.store.schema import bounces, deliveries, digests, profiles, read_member, subscribers
from digest.store.sources import SourceState

_SOURCE_SILENT = timedelta(days=4)  # longer than a weekend with a holiday
_OVERDUE = timedelta(hours=1)
_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)
_UNFINISHED = (*_WAITING, DeliveryState.LEASED.value, DeliveryState.SENDING.value, DeliveryState.IN_DOUBT.value)


class Trouble(StrEnum):
    """A problem that an admin has to solve, the most urgent first."""

    HOLD = "hold"  # nothing is sent
    STAGE = "stage"  # a stage fails: its last run could not do its work
    SILENT = "silent"  # a stage has not run for long: it hangs, or `digest serve` is stopped
    IN_DOUBT = "in-doubt"  # mails wait for an admin's decision
    OVERDUE = "overdue"  # mails are late: `digest serve` or the mail server may be down
    FAILED = "failed"  # mails were refused permanently, not because of their readers
    CLOCK = "clock"  # stored times are in the future: a clock is, or was, wrong
    SUBSCRIBERS = "subscribers"  # the digests of some could not be made, or not as they want them
    SOURCES = "sources"  # none could be fetched
    SOURCE = "source"  # one could not be fetched for days


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyStatus:
    """The newsletter's numbers of one day."""

    now: datetime
    papers: int  # in today's edition
    digests: int  # with papers, decided today
    deliveries: Mapping[DeliveryState, int]  # queued today, or unfinished
    overdue_since: datetime | None  # since when the oldest due mail waits
    hold: Hold | None
    sources: Sequence[SourceState]
    stages: Sequence[StageStatus] = ()  # of those that should run
    future_times: int = 0  # papers and digests with a time in the future
    problems: int = 0  # subscribers with a problem
    settled: int = 0  # of the failed deliveries: cancelled, or recorded as a bounce of their reader

    @property
    def trouble(self) -> Trouble | None:
        """The most urgent problem, or None."""
        return next(iter(self.troubles), None)

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """All problems, the most urgent first."""
        failing = [source for source in self.sources if source.failure]
        no_source = bool(self.sources) and len(failing) == len(self.sources)
        states = {stage.state for stage in self.stages if not (no_source and stage.record.stage is Stage.INGEST)}
        found = {
            Trouble.HOLD: self.hold is not None,
            Trouble.STAGE: StageState.FAILING in states,
            Trouble.SILENT: StageState.SILENT in states,
            Trouble.IN_DOUBT: bool(self.deliveries.get(DeliveryState.IN_DOUBT)),
            Trouble.OVERDUE: self.hold is None  # which is why they wait
            and self.overdue_since is not None
            and self.now - self.overdue_since > _OVERDUE,
            Trouble.FAILED: self.deliveries.get(DeliveryState.FAILED, 0) > self.settled,
            Trouble.CLOCK: self.future_times > 0,
            Trouble.SUBSCRIBERS: self.problems > 0,
            Trouble.SOURCES: no_source,
            Trouble.SOURCE: not no_source
            and any(
                source.succeeded_at is None or self.now - source.succeeded_at > _SOURCE_SILENT for source in failing
            ),
        }
        return tuple(trouble for trouble in Trouble if found[trouble])


def get(
    tx: Transaction, *, on: date, since: datetime, now: datetime, stages: Sequence[StageStatus] = ()
) -> DailyStatus:
    """Return the status of the day `on`, which began at `since`."""
    counts: dict[DeliveryState, int] = {}
    for condition in (  # each of the two queries uses an index
        sa.and_(deliveries.c.queued_at >= since, deliveries.c.state.not_in(_UNFINISHED)),
        deliveries.c.state.in_(_UNFINISHED),
    ):
        counted = sa.select(deliveries.c.state, sa.func.count().label("of")).where(condition)
        rows = tx.execute(counted.group_by(deliveries.c.state))
        for row in rows:
            state = read_member(DeliveryState, row.state, DeliveryState.FAILED)
            counts[state] = counts.get(state, 0) + row.of
    due = sa.and_(deliveries.c.state.in_(_WAITING), deliveries.c.next_at <= now)
    # A requested mail is due before it was queued (see outbox.queue_mails), but waits since it was queued.
    is_later = deliveries.c.next_at > deliveries.c.queued_at
    waits_since = sa.case((is_later, deliveries.c.next_at), else_=deliveries.c.queued_at)
    with_papers = sa.and_(digests.c.created_at >= since, digests.c.empty_reason == "")
    return DailyStatus(
        now=now,
        papers=papers.count_by_edition(tx, on, on).get(on, 0),
        digests=tx.execute(sa.select(sa.func.count()).select_from(digests).where(with_papers)).scalar_one(),
        deliveries=counts,
        overdue_since=tx.scalar(sa.select(waits_since).where(due).order_by(waits_since).limit(1)),
        hold=outbox.find_hold(tx),
        sources=list(sources.list_states(tx).values()),
        stages=stages,
        future_times=papers.count_first_seen_after(tx, now + CLOCK_SKEW)
        + digest_store.count_created_after(tx, now + CLOCK_SKEW),
        problems=subscriber_store.count_problems(tx),
        settled=_count_settled(tx, since) if counts.get(DeliveryState.FAILED) else 0,
    )


def _count_settled(tx: Transaction, since: datetime) -> int:
    """Return how many mails queued since a time failed as a matter of course, so that no admin has to act."""
    evidence = bounces.c.kind.in_([BounceKind.HARD.value, BounceKind.SOFT.value, BounceKind.COMPLAINT.value])
    bounced = sa.select(bounces.c.delivery_id).where(
        bounces.c.bounced_at >= since, bounces.c.delivery_id.is_not(None), evidence
    )
    cancelled = (deliveries.c.reply.startswith(f"{NOT_SENT}{reason}", autoescape=True) for reason in Cancellation)
    failed = sa.and_(deliveries.c.queued_at >= since, deliveries.c.state == DeliveryState.FAILED.value)
    settled = sa.or_(deliveries.c.id.in_(bounced), *cancelled)
    return tx.execute(sa.select(sa.func.count()).select_from(deliveries).where(failed, settled)).scalar_one()


def missing_for_launch(tx: Transaction) -> str:
    """Return what to add first: "profile" if none is shared, "people" if there are no subscribers, or ""."""
    if tx.scalar(sa.select(sa.exists().where(subscribers.c.id.is_not(None)))):
        return ""
    has_shared = tx.scalar(sa.select(sa.exists().where(profiles.c.owner_id.is_(None))))
    return "people" if has_shared else "profile"

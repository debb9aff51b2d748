"""Publish: select the papers for every subscriber who is due, and store each selection as a digest.

selection.py decides which papers; this module decides which subscribers are due, and writes the result. Nothing is
rendered or sent here. If a digest cannot be decided, the reason is stored with its subscriber, and the others
get their digests.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from digest.models import Digest, MailKind, Stage, Subscriber, SubscriberState
from digest.pipeline.compiled_profiles import CompiledProfiles
from digest.pipeline.isolation import describe_fault, do_for_all, log_fault
from digest.pipeline.selection import PaperSelector, SelectionSettings
from digest.pipeline.wrong_clocks import correct_future_digests, correct_future_papers, is_plausible
from digest.security.links import TOKEN_LIFETIMES, Scope
from digest.store import Store, Transaction, digests, stages, subscribers
from digest.store.database import batches
from digest.subscribers.problems import future_times, unknown_zone
from digest.subscribers.schedule import catches_up, digest_due, next_digest_at, resumed

log = structlog.get_logger()

_BATCH = 1000  # subscribers whose digests are selected and committed together
_FEW = 10  # subscribers whose faults are their own
_MAX_ROUNDS = 3  # in which subscribers are decided again who were changed while they were decided

_Due = tuple[Subscriber, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What one run did."""

    digests: int = 0  # queued for delivery
    empty: int = 0  # due, but nothing to send
    empty_reasons: tuple[tuple[str, str], ...] = ()  # (subscriber's address, reason)
    invalid_rules: tuple[tuple[str, str], ...] = ()  # (owner, first error), left out of this run
    failures: tuple[tuple[str, str], ...] = ()  # (address, reason) of subscribers whose digest could not be decided

    @property
    def failure(self) -> str:
        """Why the stage failed, or "": it did if no digest could be decided, and there were several."""
        if len(self.failures) < _FEW or self.digests or self.empty:
            return ""
        return f"no digest could be decided, of {len(self.failures)} subscribers; the first: {self.failures[0][1]}"


def publish(
    store: Store,
    compiled_profiles: CompiledProfiles,
    settings: SelectionSettings,
    *,
    now: datetime,
    everyone: bool = False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[int], None] = lambda _: None,
) -> PublishReport:
    """Store one digest for each active subscriber who is due at `now`; with `everyone`, for each active subscriber.

    Also ends expired pauses and deletes subscribers who never confirmed. Safe to repeat and to run in several processes
    at once: the store keeps one digest per subscriber and slot. `clock` is the real time: what was decided after it and
    after `now` was decided while a clock was wrong.
    """
    latest = max(now, clock())
    can_correct = is_plausible(store, latest=latest)
    if can_correct:
        correct_future_papers(store, latest=latest)
    end_expired_pauses(store, now=now)
    delete_unconfirmed(store, compiled_profiles, now=now)
    run = _Run(store, compiled_profiles, settings, now, everyone)
    for batch in _active_subscribers(store):
        active = _correct_future_times(store, batch, latest=latest) if can_correct else batch
        run.mark_unknown_zones(active)
        due = run.list_due(active)
        if due:
            run.decide_all(due)
            progress(len(due))
    if can_correct:
        correct_future_digests(store, latest=latest)
    return run.report()


@dataclass(slots=True)
class _Run:
    """One run, and what it has done so far."""

    store: Store
    compiled_profiles: CompiledProfiles
    settings: SelectionSettings
    now: datetime
    everyone: bool

    selector: PaperSelector = field(init=False)
    catch_up: PaperSelector = field(init=False)
    queued: int = 0
    changed: list[int] = field(default_factory=list)  # subscribers to decide again
    empty: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # After a pause a digest looks back thirty days. A selector of its own saves matching all others over them.
        self.selector, self.catch_up = (
            PaperSelector(self.compiled_profiles, self.settings, now=self.now) for _ in range(2)
        )

    def list_due(self, people: Sequence[Subscriber]) -> list[_Due]:
        """Return those who are due, with their slots."""
        slots = [(s, digest_due(s, self.now) or (self.now if self.everyone else None)) for s in people]
        return [(s, slot_at) for s, slot_at in slots if slot_at is not None]

    def decide_all(self, due: Sequence[_Due]) -> None:
        """Store the digests of subscribers. If one cannot be decided, the others are stored."""
        with self.store.read() as tx:  # an error here is about the papers, not about one subscriber
            self.selector.prepare(tx, [s for s, _ in due if not catches_up(s)])
            self.catch_up.prepare(tx, [s for s, _ in due if catches_up(s)])
        for _ in range(_MAX_ROUNDS):
            do_for_all([(s, at) for s, at in due if not s.problem], self._decide, failed=self._record_failure)
            for one in due:
                if one[0].problem:  # they may fail again
                    do_for_all([one], self._decide, failed=self._record_failure)
            if not self.changed:
                return
            with self.store.read() as tx:
                current = subscribers.find_by_ids(tx, self.changed)
            self.changed.clear()
            due = self.list_due([s for s in current.values() if s.state is SubscriberState.ACTIVE])

    def _decide(self, due: Sequence[_Due]) -> None:
        """Select and store digests, but not for subscribers who were changed or erased meanwhile."""
        # Selection only reads, and can take seconds. A separate, short write keeps the database free for the web pages.
        with self.store.read() as tx:
            selected = self.selector.select(tx, [(s, slot_at) for s, slot_at in due if not catches_up(s)])
            selected += self.catch_up.select(tx, [(s, slot_at) for s, slot_at in due if catches_up(s)])
        out_of_turn = {s.id for s, _ in due if digest_due(s, self.now) is None}
        with self.store.write() as tx:
            unchanged = subscribers.find_unchanged(tx, [s for s, _ in due])
            decided = [d for d in selected if d.subscriber.id in unchanged]
            queued = digests.freeze(tx, decided, out_of_turn=out_of_turn, now=self.now)
            _record_problems(tx, (d.subscriber for d in decided))
        self.queued += queued
        self.empty += [(d.subscriber.email, d.empty_reason) for d in decided if not d.items]
        self.changed += [s.id for s, _ in due if s.id not in unchanged]

    def mark_unknown_zones(self, people: Sequence[Subscriber]) -> None:
        """Record which subscribers are served by the newsletter's time zone because theirs is not known."""
        new = [s for s in people if not s.problem and unknown_zone(s)]
        if new:
            with self.store.write() as tx:
                _record_problems(tx, new)

    def _record_failure(self, due: _Due, error: Exception) -> None:
        """Record why the digest of one subscriber cannot be decided. The log has the stack, once for each reason."""
        subscriber, _ = due
        reason = describe_fault(error)
        self.failures.append((subscriber.email, reason))
        if reason != subscriber.problem:
            log_fault("no digest for a subscriber", error, subscriber=subscriber.id)
            with self.store.write() as tx:
                subscribers.record_problem(tx, [subscriber.id], reason)

    def report(self) -> PublishReport:
        """Return what was done."""
        return PublishReport(
            digests=self.queued,
            empty=len(self.empty),
            empty_reasons=tuple(self.empty),
            invalid_rules=tuple((self.selector.invalid_rules | self.catch_up.invalid_rules).items()),
            failures=tuple(self.failures),
        )


def _record_problems(tx: Transaction, people: Iterable[Subscriber]) -> None:
    """Record what is wrong with subscribers who are served nevertheless."""
    by_problem: dict[str, list[int]] = {}
    for subscriber in people:
        if problem := unknown_zone(subscriber):
            by_problem.setdefault(problem, []).append(subscriber.id)
    for problem, ids in by_problem.items():
        subscribers.record_problem(tx, ids, problem)


def _correct_future_times(store: Store, people: Sequence[Subscriber], *, latest: datetime) -> list[Subscriber]:
    """Return the subscribers, after correcting stored times that are later than `latest`: a clock was wrong."""
    wrong = [s.id for s in people if future_times(s, latest)]
    if not wrong:
        return list(people)
    with store.write() as tx:
        subscribers.correct_future_times(tx, wrong, now=latest)
        corrected = subscribers.find_by_ids(tx, wrong)
    log.warning("stored times in the future are corrected: a clock was wrong", subscribers=len(wrong))
    current = (corrected.get(s.id) if s.id in corrected or s.id in wrong else s for s in people)
    return [s for s in current if s is not None and s.state is SubscriberState.ACTIVE]


def publish_welcome(
    store: Store,
    compiled_profiles: CompiledProfiles,
    subscriber: Subscriber,
    settings: SelectionSettings,
    *,
    now: datetime,
) -> Digest:
    """Queue the first digest of a subscriber who has just confirmed, from the papers of the last days.

    It is sent even without papers, to say that they are subscribed. Subscribers confirmed by an admin get none.
    """
    selector = PaperSelector(compiled_profiles, settings.for_welcome, now=now)
    with store.read() as tx:
        selected = selector.select(tx, [(subscriber, now)])
    with store.write() as tx:
        digests.freeze(tx, selected, kind=MailKind.WELCOME, now=now)
    return selected[0]


def next_publish_at(store: Store, *, now: datetime) -> datetime | None:
    """Return when the next active subscriber is due, or None if there is none."""
    slots = (next_digest_at(s, now) for active in _active_subscribers(store) for s in active)
    return min((slot for slot in slots if slot is not None), default=None)


def end_expired_pauses(store: Store, *, now: datetime) -> None:
    """Reactivate the subscribers whose pause ended before `now`."""
    with store.read() as tx:
        ended = [s.id for s in subscribers.list_ended_pauses(tx, now=now)]

    def resume(ids: Sequence[int]) -> None:
        with store.write() as tx:
            for subscriber in subscribers.find_by_ids(tx, ids).values():
                if subscriber.state is SubscriberState.PAUSED and (subscriber.resumes_at or now) <= now:
                    subscribers.save(tx, resumed(subscriber, now))

    def failed(subscriber_id: int, error: Exception) -> None:
        log_fault("a pause cannot be ended", error, subscriber=subscriber_id)

    for ids in batches(ended, _BATCH):
        do_for_all(ids, resume, failed=failed)


def delete_unconfirmed(store: Store, compiled_profiles: CompiledProfiles, *, now: datetime) -> None:
    """Delete subscribers whose confirmation link has expired. The consent log keeps the request under a pseudonym.

    It has to have expired at the last run, too: a clock that is ahead for one run deletes none.
    """
    with store.read() as tx:
        record = stages.list_records(tx).get(Stage.PUBLISH)
        last_run_at = record.succeeded_at if record else None
        before = min(now, last_run_at or now) - TOKEN_LIFETIMES[Scope.CONFIRM]
        unconfirmed = subscribers.list_unconfirmed(tx, before=before)
    if not unconfirmed:
        return

    def delete(emails: Sequence[str]) -> None:
        with store.write() as tx:
            still = set(subscribers.list_unconfirmed(tx, before=before))
            subscribers.remove_all(tx, [email for email in emails if email in still])

    def failed(_email: str, error: Exception) -> None:
        log_fault("a subscriber who never confirmed cannot be deleted", error)

    do_for_all(unconfirmed, delete, failed=failed)
    compiled_profiles.discard_snapshot()
    store.erase_deleted_rows()


def _active_subscribers(store: Store) -> Iterator[list[Subscriber]]:
    last_id = 0
    while True:
        with store.read() as tx:
            batch = subscribers.list_active(tx, after_id=last_id, limit=_BATCH)
        if not batch:
            return
        yield batch
        last_id = batch[-1].id

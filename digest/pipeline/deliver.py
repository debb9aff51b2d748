"""Deliver: render and send what is stored in the outbox. The only decision made here is when to try again.

Results are recorded in small groups: if a process dies, at most one group and the mails in flight are sent twice, with
the same Message-ID. None is lost.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from digest.errors import AddressError, DigestError, HeaderError, TransportError
from digest.mail import Composer
from digest.models import (
    NOT_SENT,
    Bounce,
    Cancellation,
    Delivery,
    DeliveryState,
    DoubtPolicy,
    Hold,
    MailKind,
    Message,
    Outcome,
    Receipt,
)
from digest.pipeline.isolation import describe_fault, log_fault
from digest.store import Store, Transaction, bounces, deliveries, outbox, subscribers
from digest.store.database import savepoint
from digest.store.outbox import AttemptResult
from digest.subscribers.bounce_evidence import BouncingDays
from digest.subscribers.membership import Membership
from digest.transport import Transport
from digest.transport.retry import GAVE_UP, LONGEST_DELAY, RefusalWatch, bounce_from_reply, is_worth_a_retry, retry_at

# Deliveries leased together. Each lease is a write transaction; but the more are leased, the more mails wait for their
# lease to expire when the host of this process fails.
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What one run did. Everything it could not send is still queued."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    in_doubt: int = 0  # deliveries that wait for an admin's decision, also of earlier runs
    failure: str = ""  # why sending stopped early
    hold: Hold | None = None  # why nothing is sent
    waiting: int = 0  # deliveries that are due and were not tried
    refused: tuple[tuple[str, str], ...] = ()  # (address, the server's reply) of those that were not sent


def deliver(
    store: Store,
    transport: Transport,
    composer: Composer,
    membership: Membership,
    *,
    now: datetime,
    group_size: int = 40,
    doubt: DoubtPolicy = DoubtPolicy.RESEND,
    refusals: RefusalWatch | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> DeliveryReport:
    """Send every delivery that is due at `now`, and record what became of each.

    If the mail server cannot be reached, the report says so and the deliveries stay queued. Addresses that the server
    does not know are suppressed. If it refuses us, sending is put on hold and the mails stay queued; `refusals` notices
    that, also over several runs.

    `stopping` is asked before each mail. `clock` is the real time, by which leases expire. Mails are started, and their
    results recorded, in groups of `group_size`. If the process dies, `doubt` decides about one group and the mails in
    flight.
    """
    refusals = refusals or RefusalWatch()
    refusals.start_run()
    with store.watch_commits() as last_commit:
        sender = _Sender(
            store, composer, membership, now, group_size, doubt, refusals, clock, stopping, progress, last_commit
        )
        try:
            while not stopping() and sender.lease_batch():
                sender.send_batch(transport)
        except TransportError as error:
            sender.report = replace(sender.report, failure=str(error))
        finally:
            sender.release()
    return sender.report


def lease_due_deliveries(
    tx: Transaction,
    membership: Membership,
    *,
    worker: str,
    now: datetime,
    clock: datetime,
    limit: int,
    doubt: DoubtPolicy = DoubtPolicy.RESEND,
) -> list[Delivery]:
    """Lease the next deliveries that are due at `now` to `worker`, from the real time `clock` on; none during a hold.

    A delivery that would wait longer than any retry was queued or deferred while a clock was wrong: it is due now.
    Deliveries to suppressed addresses fail here. Deliveries of dead workers are leased again; `doubt` decides about the
    mails that were being sent.
    """
    outbox.reclaim_expired_leases(tx, clock=clock, doubt=doubt)
    latest = max(now, clock)
    outbox.correct_future_times(tx, after=latest + LONGEST_DELAY, now=latest)
    if outbox.find_hold(tx) is not None:
        return []
    while due := outbox.list_due_mails(tx, now=now, limit=limit):
        refusals = membership.find_refusals(tx, due)
        outbox.fail(tx, refusals, now=now)
        if allowed := [mail.id for mail in due if mail.id not in refusals]:
            return outbox.lease(tx, allowed, worker=worker, clock=clock)
    return []


@dataclass(slots=True)
class _Sender:
    """Sends leased deliveries in groups, and records the results of one group when the next one starts."""

    store: Store
    composer: Composer
    membership: Membership
    now: datetime
    group_size: int
    doubt: DoubtPolicy
    refusals: RefusalWatch
    clock: Callable[[], datetime]
    stopping: Callable[[], bool]
    progress: Callable[[int], None]
    last_commit: Callable[[], object]  # its value changes when anyone has changed the database

    worker: str = field(default_factory=outbox.new_worker_name)
    report: DeliveryReport = field(default_factory=DeliveryReport)
    batch: dict[int, Delivery] = field(default_factory=dict)
    lease_ends_at: datetime = field(init=False)
    pending: list[AttemptResult] = field(default_factory=list)  # results that are not recorded yet
    days: BouncingDays = field(default_factory=BouncingDays)
    leased_version: int = 0  # of the recipients: their state when the batch was leased
    version: int = 0  # of the recipients, when those of the current group were looked at last
    seen_commit: object = None  # the last one that was looked at
    unanswered: set[int] = field(default_factory=set)  # handed over, without a receipt so far

    def lease_batch(self) -> bool:
        """Lease the next deliveries. Returns False if none are due."""
        leased_at = self.clock()
        with self.store.write() as tx:
            self.leased_version = subscribers.version(tx)
            outbox.release(tx, self.worker)  # deliveries that were not started before the last lease ended
            leased = lease_due_deliveries(
                tx, self.membership, worker=self.worker, now=self.now, clock=leased_at, limit=_BATCH, doubt=self.doubt
            )
        self.batch = {delivery.id: delivery for delivery in leased}
        self.lease_ends_at = leased_at + outbox.LEASE
        self.unanswered.clear()
        return bool(self.batch)

    def send_batch(self, transport: Transport) -> None:
        """Send the leased deliveries. Raises TransportError when no more can be sent."""
        try:
            for receipt in transport.send(self._start_messages()):
                self.unanswered.discard(receipt.delivery_id)
                delivery = self.batch[receipt.delivery_id]
                jitter = random.random()  # noqa: S311
                self.pending.append(settle(delivery, receipt, now=self.now, jitter=jitter, doubt=self.doubt))
                if refused := self.refusals.add(delivery, receipt):
                    self._hold(refused)
        except TransportError:
            self.unanswered.clear()  # mails without a receipt were not sent
            raise
        finally:
            if self.pending:
                with self._recording_results():
                    pass

    def release(self) -> None:
        """Record the remaining results and release the lease, in one transaction: a result must not be lost."""
        with self._recording_results() as tx:
            if self.pending or self.report.sent or self.report.failed:
                today = self.now.astimezone(UTC).date()
                self.membership.withdraw_bounces(tx, self.days.review(tx, today), now=self.now)
            outbox.release(tx, self.worker, in_doubt=self.unanswered if self.doubt is DoubtPolicy.PARK else ())
            waiting, in_doubt = outbox.count_due(tx, now=self.now), deliveries.count_in_doubt(tx)
            hold = outbox.find_hold(tx)
        self.report = replace(self.report, waiting=waiting, in_doubt=in_doubt, hold=hold)

    def _hold(self, refused: set[int]) -> None:
        """Put sending on hold, and leave these deliveries queued as if they had not been tried."""
        self.pending = [result for result in self.pending if result.delivery_id not in refused]
        with self.store.write() as tx:
            outbox.start_hold(tx, self.refusals.reason, now=self.now)
            states = Counter(outbox.undo_attempts(tx, refused, now=self.now).values())
            self.membership.withdraw_bounces(tx, bounces.list_of_deliveries(tx, refused), now=self.now)
        self.report = replace(
            self.report,
            deferred=max(0, self.report.deferred - states[DeliveryState.DEFERRED]),  # some may be of an earlier run
            failed=max(0, self.report.failed - states[DeliveryState.FAILED]),
        )

    def _start_messages(self) -> Iterator[Message]:
        """Compose each leased delivery, after marking its group as being sent."""
        leased = list(self.batch.values())
        for first in range(0, len(leased), self.group_size):
            group = leased[first : first + self.group_size]
            started_at = self.clock()
            if started_at >= self.lease_ends_at:
                return
            # One transaction records the last group and starts this one: each commit waits for the disk.
            with self._recording_results() as tx:
                started = outbox.start_sending(tx, [d.id for d in group], worker=self.worker, clock=started_at)
            self.version, self.seen_commit = self.leased_version, None  # this group was not looked at since
            self.lease_ends_at = started_at + outbox.LEASE
            for delivery in group:
                if delivery.id not in started:
                    continue
                # After the lease another worker may send the mail.
                if self.stopping() or self.clock() >= self.lease_ends_at:
                    return
                if self.refusals.reason:
                    return
                self._look_for_changes(started)
                if delivery.id not in started:
                    continue
                message = self._compose(self.batch[delivery.id])
                if message is None:
                    continue
                started.discard(delivery.id)
                self.unanswered.add(delivery.id)
                yield message

    def _compose(self, delivery: Delivery) -> Message | None:
        """Return the mail of a delivery. If it cannot be composed, that is recorded as its result."""
        state, next_at = DeliveryState.FAILED, None
        try:
            items = delivery.digest.items if delivery.digest else ()
            if (delivery.kind.has_papers and delivery.digest is None) or (
                delivery.kind is MailKind.DIGEST and not items
            ):
                reason = "the stored digest cannot be read"
            else:
                return self.composer.message(delivery)
        except (AddressError, HeaderError) as error:
            reason = str(error)
        except DigestError:  # such as a TemplateError, which concerns all mails
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not stop the others)
            reason = describe_fault(error)
            log_fault("a mail cannot be composed", error, delivery=delivery.id)
            next_at = retry_at(delivery.attempts + 1, queued_at=delivery.queued_at, now=self.now, jitter=0)
            state = DeliveryState.FAILED if next_at is None else DeliveryState.DEFERRED
        reply = f"{NOT_SENT}{reason}"
        self.pending.append(AttemptResult(delivery_id=delivery.id, state=state, reply=reply, next_at=next_at))
        return None

    def _look_for_changes(self, started: set[int]) -> None:
        """Update the mails that are not handed over yet if a subscriber has changed since the last look.

        They are addressed as their subscribers want it now, and those not to be sent are taken out of `started`.
        """
        commit = self.last_commit()
        if commit == self.seen_commit:
            return
        self.seen_commit = commit
        with self.store.read() as tx:
            version = subscribers.version(tx)
            if version == self.version:
                return
            self.version = version
            current = {mail.id: mail for mail in outbox.list_started_mails(tx, started, worker=self.worker)}
            refusals = self.membership.find_refusals(tx, list(current.values()))
            for delivery_id in sorted(started):
                mail, reader = current.get(delivery_id), self.batch[delivery_id].subscriber
                if mail is None:  # its subscriber was erased, or another worker has it
                    started.discard(delivery_id)
                    continue
                has_moved = mail.address != reader.email
                if mail.kind is MailKind.ADDRESS and has_moved:
                    refusals.setdefault(delivery_id, Cancellation.REPLACED)
                if delivery_id in refusals:
                    started.discard(delivery_id)
                    reply = f"{NOT_SENT}{refusals[delivery_id]}"
                    self.pending.append(AttemptResult(delivery_id=delivery_id, state=DeliveryState.FAILED, reply=reply))
                elif has_moved or mail.epoch != reader.epoch:
                    self.batch[delivery_id] = deliveries.get(tx, delivery_id)

    @contextmanager
    def _recording_results(self) -> Iterator[Transaction]:
        """A write transaction that also records the pending results. If it fails, they stay pending."""
        with self.store.write() as tx:
            outbox.record_results(tx, self.pending, worker=self.worker, now=self.now)
            for result in self.pending:
                if result.bounce is not None:
                    self._record_bounce(tx, self.batch[result.delivery_id], result.bounce)
            yield tx
        recorded, self.pending = self.pending, []
        counts = Counter(result.state for result in recorded)
        unsent = [r for r in recorded if r.state is not DeliveryState.SENT]
        refused = ((self.batch[r.delivery_id].subscriber.email, r.reply) for r in unsent)
        self.report = replace(
            self.report,
            sent=self.report.sent + counts[DeliveryState.SENT],
            deferred=self.report.deferred + counts[DeliveryState.DEFERRED],
            failed=self.report.failed + counts[DeliveryState.FAILED],
            refused=(*self.report.refused, *refused),
        )
        if recorded:
            self.progress(len(recorded))

    def _record_bounce(self, tx: Transaction, delivery: Delivery, bounce: Bounce) -> None:
        """Record what a refusal says about an address. If that fails, the results of the other mails are kept."""
        try:
            with savepoint(tx):
                self.membership.record_bounce(
                    tx,
                    delivery.subscriber.email,
                    bounce,
                    delivery_id=delivery.id,
                    fingerprint=f"smtp:{delivery.message_id}:{delivery.attempts + 1}",
                    now=self.now,
                    days=self.days,
                )
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not stop the others)
            log_fault("a bounce cannot be recorded", error, delivery=delivery.id)


def settle(
    delivery: Delivery, receipt: Receipt, *, now: datetime, jitter: float, doubt: DoubtPolicy = DoubtPolicy.RESEND
) -> AttemptResult:
    """Return what a receipt means for a delivery. `jitter` is in [0, 1)."""
    state, reply, next_at = DeliveryState.FAILED, receipt.reply, None
    if receipt.outcome is Outcome.SENT:
        state = DeliveryState.SENT
    elif receipt.outcome is Outcome.UNKNOWN and doubt is DoubtPolicy.PARK:
        state = DeliveryState.IN_DOUBT
    elif receipt.outcome is not Outcome.FAILED or is_worth_a_retry(receipt):
        next_at = retry_at(delivery.attempts + 1, queued_at=delivery.queued_at, now=now, jitter=jitter)
        if next_at is None:
            reply = f"{GAVE_UP}{reply}"
        else:
            state = DeliveryState.DEFERRED
    bounce = bounce_from_reply(reply, receipt.stage) if state is DeliveryState.FAILED else None
    return AttemptResult(delivery_id=delivery.id, state=state, reply=reply, next_at=next_at, bounce=bounce)

"""The third stage: render and send what is written down. Decides nothing but when to try again.

What the server took is marked in small batches, so that a crash sends at most a batch twice, with the same Message-ID,
and loses nothing.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from digest.errors import AddressError, HeaderError, TransportError
from digest.mail import Composer
from digest.models import Bounce, Delivery, DeliveryState, DoubtPolicy, Hold, Message, Outcome, Receipt
from digest.store import Store, Transaction, deliveries, leases, outbox
from digest.store.outbox import AttemptResult
from digest.subscribers.membership import Membership
from digest.transport import Transport
from digest.transport.retry import GAVE_UP, bounce_from_reply, is_policy_rejection, retry_at

# A server that refuses us so often in a row, whatever the mail, will refuse the rest: better ask an admin.
_MOST_REFUSALS = 5

_BATCH = 200  # deliveries leased together

_COUNTED = {
    DeliveryState.SENT: "sent",
    DeliveryState.DEFERRED: "deferred",
    DeliveryState.FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """How many deliveries came to what. `failure` says why sending stopped early; the rest is still queued."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    in_doubt: int = 0  # deliveries, of all there are, that wait for an admin to decide
    failure: str = ""
    hold: Hold | None = None  # why nothing is sent
    waiting: int = 0  # deliveries that may be tried and were not
    refused: tuple[tuple[str, str], ...] = ()  # (address, what the server said) of those that were not sent


def real_time() -> datetime:
    """The clock that leases run by, whatever `--now` says."""
    return datetime.now(UTC)


def deliver(
    store: Store,
    transport: Transport,
    composer: Composer,
    membership: Membership,
    *,
    now: datetime,
    group_size: int = 40,
    doubt: DoubtPolicy = DoubtPolicy.RESEND,
    clock: Callable[[], datetime] = real_time,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> DeliveryReport:
    """Send every delivery that may be tried at `now`, and write down what became of each.

    If the mail server cannot be reached, nothing is lost: the report says so and the deliveries stay queued.
    `stopping` is asked before each mail, `clock` is the real time that leases run by, whatever `now` is.
    `group_size` mails are begun and their receipts marked together: a process that dies leaves no more than that in
    `doubt`, and those in flight. An address that the server says does not exist is suppressed.
    """
    worker = leases.new_worker_name()
    report = DeliveryReport()
    sending: _Sending | None = None
    try:
        while not stopping():
            leased_at = clock()
            with store.write() as tx:
                outbox.release(tx, worker)  # what the lease was too short for was not handed over
                batch = outbox.claim(
                    tx,
                    worker=worker,
                    now=now,
                    clock=leased_at,
                    limit=_BATCH,
                    pseudonyms=membership.pseudonyms,
                    doubt=doubt,
                )
            if not batch:
                break
            sending = _Sending(
                store,
                composer,
                membership,
                batch,
                worker,
                now=now,
                group_size=group_size,
                doubt=doubt,
                leased_at=leased_at,
                clock=clock,
                stopping=stopping,
            )
            for settled in sending.run(transport):
                report = _counted(report, batch, settled)
                progress(len(settled))
    except TransportError as error:  # what has no receipt was not taken
        report = replace(report, failure=str(error))
        sending = None
    finally:
        with store.write() as tx:
            if sending is not None:
                sending.write_down(tx)  # with the rest or not at all: what has a receipt is not to be sent again
            lost = sending.unanswered if sending is not None and doubt is DoubtPolicy.PARK else ()
            outbox.release(tx, worker, in_doubt=lost)
            report = _with_what_is_left(report, tx, now=now)
    return report


def _with_what_is_left(report: DeliveryReport, tx: Transaction, *, now: datetime) -> DeliveryReport:
    return replace(
        report,
        waiting=outbox.count_due(tx, now=now),
        in_doubt=deliveries.count_in_doubt(tx),
        hold=outbox.find_hold(tx),
    )


class _Sending:
    """A leased batch on its way: begun in groups, and what came of one group is written down when the next begins."""

    def __init__(
        self,
        store: Store,
        composer: Composer,
        membership: Membership,
        batch: Sequence[Delivery],
        worker: str,
        *,
        now: datetime,
        group_size: int,
        doubt: DoubtPolicy,
        leased_at: datetime,
        clock: Callable[[], datetime],
        stopping: Callable[[], bool],
    ) -> None:
        self.unanswered: set[int] = set()  # handed over, without a receipt so far
        self._store = store
        self._composer = composer
        self._membership = membership
        self._batch = {delivery.id: delivery for delivery in batch}
        self._worker = worker
        self._now = now
        self._mark_every = group_size
        self._doubt = doubt
        self._until = leased_at + leases.LEASE
        self._clock = clock
        self._stopping = stopping
        self._refusals = 0  # for policy's sake, in a row
        self._pending: list[AttemptResult] = []
        self._marked: list[AttemptResult] = []

    def run(self, transport: Transport) -> Iterator[list[AttemptResult]]:
        """What came of the mails, each batch after it was written down. Raises TransportError."""
        try:
            for receipt in transport.send(self._messages()):
                self.unanswered.discard(receipt.delivery_id)
                self._refusals = self._refusals + 1 if is_policy_rejection(receipt.reply) else 0
                if self._refusals == _MOST_REFUSALS:
                    self._hold(receipt.reply)
                delivery = self._batch[receipt.delivery_id]
                jitter = random.random()  # noqa: S311
                self._pending.append(settle(delivery, receipt, now=self._now, jitter=jitter, doubt=self._doubt))
                yield from self._written()
        except TransportError:
            self._mark_now()
            yield from self._written()
            raise
        finally:
            self._mark_now()
        yield from self._written()

    def _messages(self) -> Iterator[Message]:
        deliveries = list(self._batch.values())
        for at in range(0, len(deliveries), self._mark_every):
            group = deliveries[at : at + self._mark_every]
            begun_at = self._clock()
            if begun_at >= self._until:
                return
            with self._store.write() as tx:
                self.write_down(tx)
                begun = outbox.start_sending(tx, [d.id for d in group], worker=self._worker, clock=begun_at)
            self._until = begun_at + leases.LEASE
            self._written_down()
            for delivery in (delivery for delivery in group if delivery.id in begun):
                if self._must_stop() or self._refusals >= _MOST_REFUSALS:
                    return
                try:
                    message = self._composer.message(delivery)
                except (AddressError, HeaderError) as error:  # this mail's own fault; a template's would be everybody's
                    reply = f"not sent: {error}"
                    self._pending.append(
                        AttemptResult(delivery_id=delivery.id, state=DeliveryState.FAILED, reply=reply)
                    )
                    continue
                self.unanswered.add(delivery.id)
                yield message

    def _must_stop(self) -> bool:
        return self._stopping() or self._clock() >= self._until  # after its lease somebody else may hold the mail

    def _hold(self, reply: str) -> None:
        with self._store.write() as tx:
            outbox.start_hold(tx, f"the mail server refused {_MOST_REFUSALS} mails in a row: {reply}", now=self._now)

    def _mark_now(self) -> None:
        if self._pending:
            with self._store.write() as tx:
                self.write_down(tx)
            self._written_down()

    def write_down(self, tx: Transaction) -> None:
        """What came of the mails and is not written down yet. It is when `tx` was committed."""
        outbox.record_results(tx, self._pending, worker=self._worker, now=self._now)
        for settled in self._pending:
            if settled.state is DeliveryState.FAILED and (bounce := bounce_from_reply(settled.reply)):
                self._bounced(tx, self._batch[settled.delivery_id], bounce)

    def _written_down(self) -> None:
        self._marked += self._pending
        self._pending = []

    def _bounced(self, tx: Transaction, delivery: Delivery, bounce: Bounce) -> None:
        """The server said at once what else comes back as a mail."""
        self._membership.record_bounce(
            tx,
            delivery.subscriber.email,
            bounce,
            delivery_id=delivery.id,
            fingerprint=f"smtp:{delivery.message_id}:{delivery.attempts + 1}",
            now=self._now,
        )

    def _written(self) -> Iterator[list[AttemptResult]]:
        if self._marked:
            marked, self._marked = self._marked, []
            yield marked


def settle(
    delivery: Delivery, receipt: Receipt, *, now: datetime, jitter: float, doubt: DoubtPolicy = DoubtPolicy.RESEND
) -> AttemptResult:
    """What the server's word means for a delivery. `jitter` is in [0, 1)."""

    def settled(state: DeliveryState, reply: str = receipt.reply, next_at: datetime | None = None) -> AttemptResult:
        return AttemptResult(delivery_id=delivery.id, state=state, reply=reply, next_at=next_at)

    match receipt.outcome:
        case Outcome.SENT:
            return settled(DeliveryState.SENT)
        case Outcome.FAILED:
            return settled(DeliveryState.FAILED)
        case Outcome.UNKNOWN if doubt is DoubtPolicy.PARK:
            return settled(DeliveryState.IN_DOUBT)
        case Outcome.DEFERRED | Outcome.UNKNOWN:
            again_at = retry_at(delivery.attempts + 1, queued_at=delivery.queued_at, now=now, jitter=jitter)
            if again_at is None:
                return settled(DeliveryState.FAILED, f"{GAVE_UP}{receipt.reply}")
            return settled(DeliveryState.DEFERRED, next_at=again_at)


def _counted(report: DeliveryReport, batch: Sequence[Delivery], settled: Sequence[AttemptResult]) -> DeliveryReport:
    addresses = {delivery.id: delivery.subscriber.email for delivery in batch}
    count = {name: getattr(report, name) for name in _COUNTED.values()}
    refused = list(report.refused)
    for one in settled:
        if one.state in _COUNTED:
            count[_COUNTED[one.state]] += 1
        if one.state is not DeliveryState.SENT:
            refused.append((addresses[one.delivery_id], one.reply))
    return replace(report, **count, refused=tuple(refused))

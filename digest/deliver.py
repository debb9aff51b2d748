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
from digest.models import Delivery, DeliveryState, Message, Outcome, Receipt
from digest.store import Store, leases, outbox
from digest.store.outbox import Settled
from digest.transport import Transport
from digest.transport.retry import retry_at

_BATCH = 200  # deliveries leased together

_COUNTED = {DeliveryState.SENT: "sent", DeliveryState.DEFERRED: "deferred", DeliveryState.FAILED: "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """How many deliveries came to what. `failure` says why sending stopped early; the rest is still queued."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    failure: str = ""
    waiting: int = 0  # deliveries that may be tried and were not
    refused: tuple[tuple[str, str], ...] = ()  # (address, what the server said) of the deferred and failed


def real_time() -> datetime:
    """The clock that leases run by, whatever `--now` says."""
    return datetime.now(UTC)


def deliver(
    store: Store,
    transport: Transport,
    composer: Composer,
    *,
    now: datetime,
    mark_every: int = 40,
    clock: Callable[[], datetime] = real_time,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> DeliveryReport:
    """Send every delivery that may be tried at `now`, and write down what became of each.

    If the mail server cannot be reached, nothing is lost: the report says so and the deliveries stay queued.
    `stopping` is asked before each mail, `clock` is the real time that leases run by, whatever `now` is.
    `mark_every` receipts are marked together: no more than that many accepted mails are unmarked at any moment.
    """
    worker = leases.this_worker()
    report = DeliveryReport()
    try:
        while not stopping():
            leased_at = clock()
            with store.write() as tx:
                batch = outbox.claim(tx, worker=worker, now=now, clock=leased_at, limit=_BATCH)
            if not batch:
                break

            def must_stop(until: datetime = leased_at + leases.LEASE) -> bool:
                return stopping() or clock() >= until  # after its lease somebody else may hold the mail

            attempts = _attempts(batch, transport, composer, now=now, must_stop=must_stop)
            for settled in _marked(store, attempts, mark_every, now):
                report = _counted(report, batch, settled)
                progress(len(settled))
    except TransportError as error:
        report = replace(report, failure=str(error))
    finally:
        with store.write() as tx:
            outbox.release(tx, worker)
            waiting = outbox.count_ready(tx, now=now)
    return replace(report, waiting=waiting)


def _attempts(
    batch: Sequence[Delivery], transport: Transport, composer: Composer, *, now: datetime, must_stop: Callable[[], bool]
) -> Iterator[Settled]:
    """What each attempt came to, as it becomes known. Raises TransportError."""
    by_id = {delivery.id: delivery for delivery in batch}
    unfit: list[Settled] = []

    def messages() -> Iterator[Message]:
        for delivery in batch:
            if must_stop():
                return
            try:
                yield composer.message(delivery)
            except (AddressError, HeaderError) as error:  # this mail's own fault; a template's would be everybody's
                unfit.append(Settled(delivery_id=delivery.id, state=DeliveryState.FAILED, reply=f"not sent: {error}"))

    for receipt in transport.send(messages()):
        yield settle(by_id[receipt.delivery_id], receipt, now=now, jitter=random.random())  # noqa: S311
    yield from unfit


def settle(delivery: Delivery, receipt: Receipt, *, now: datetime, jitter: float) -> Settled:
    """What the server's word means for a delivery. `jitter` is in [0, 1)."""
    match receipt.outcome:
        case Outcome.SENT:
            return Settled(delivery_id=delivery.id, state=DeliveryState.SENT, reply=receipt.reply)
        case Outcome.FAILED:
            return Settled(delivery_id=delivery.id, state=DeliveryState.FAILED, reply=receipt.reply)
        case Outcome.DEFERRED:
            again_at = retry_at(delivery.attempts + 1, queued_at=delivery.queued_at, now=now, jitter=jitter)
            if again_at is None:
                reply = f"gave up after five days: {receipt.reply}"
                return Settled(delivery_id=delivery.id, state=DeliveryState.FAILED, reply=reply)
            return Settled(delivery_id=delivery.id, state=DeliveryState.DEFERRED, reply=receipt.reply, next_at=again_at)


def _marked(store: Store, attempts: Iterator[Settled], mark_every: int, now: datetime) -> Iterator[list[Settled]]:
    """The attempts in batches, each batch after it was written down; also when sending breaks off."""
    pending: list[Settled] = []
    try:
        for settled in attempts:
            pending.append(settled)
            if len(pending) >= mark_every:
                _record(store, pending, now)
                yield pending
                pending = []
    except TransportError:
        _record(store, pending, now)
        yield pending
        raise
    _record(store, pending, now)
    yield pending


def _record(store: Store, settled: Sequence[Settled], now: datetime) -> None:
    with store.write() as tx:
        outbox.record(tx, settled, now=now)


def _counted(report: DeliveryReport, batch: Sequence[Delivery], settled: Sequence[Settled]) -> DeliveryReport:
    addresses = {delivery.id: delivery.subscriber.email for delivery in batch}
    count = {name: getattr(report, name) for name in _COUNTED.values()}
    refused = list(report.refused)
    for one in settled:
        count[_COUNTED[one.state]] += 1
        if one.state is not DeliveryState.SENT:
            refused.append((addresses[one.delivery_id], one.reply))
    return replace(report, **count, refused=tuple(refused))

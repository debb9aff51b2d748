"""Clocks that jump and processes that sleep: leases expire while in use, and no mail is doubled or stuck."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import pytest

from digest.models import DoubtPolicy, Message, Outcome, Receipt
from digest.pipeline.deliver import DeliveryReport, deliver, lease_due_deliveries
from digest.store import Store
from tests.builders import MEMBERSHIP, NOW
from tests.mail.samples import composer
from tests.pipeline.test_deliver import queue, states

GROUP = 3  # mails that are begun together
MAILS = 10
MOMENTS = [1, GROUP, GROUP + 1, MAILS]  # after which mail something happens: within a group, and at both its ends

WRITER = cache(composer)  # it takes longer to make than ten mails


@dataclass
class Clock:
    """The real time, which a test can change."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def jump(self, **by: float) -> None:
        self.now += timedelta(**by)


class RecordingTransport:
    """A transport that accepts every mail. Calls `meanwhile` when it has accepted the mail with that number."""

    def __init__(self, at: int = 0, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.taken: list[int] = []
        self.outcome = Outcome.SENT
        self._at = at
        self._meanwhile = meanwhile

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        for message in messages:
            self.taken.append(message.delivery_id)
            if len(self.taken) == self._at:
                self._meanwhile()
            yield Receipt(delivery_id=message.delivery_id, outcome=self.outcome, reply="its word")


@pytest.fixture
def full(store: Store) -> Store:
    """With ten mails."""
    queue(store, *(f"{i}@example.org" for i in range(MAILS)))
    return store


def run(
    store: Store, courier: RecordingTransport, clock: Clock, doubt: DoubtPolicy = DoubtPolicy.RESEND
) -> DeliveryReport:
    return deliver(store, courier, WRITER(), MEMBERSHIP, now=NOW, clock=clock, group_size=GROUP, doubt=doubt)


def claim(store: Store, *, worker: str, clock: datetime) -> list[int]:
    with store.write() as tx:
        leased = lease_due_deliveries(tx, MEMBERSHIP, worker=worker, now=NOW, clock=clock, limit=MAILS)
        return [delivery.id for delivery in leased]


@pytest.mark.parametrize("at", MOMENTS)
def test_a_worker_that_slept_past_its_lease_leaves_the_rest_to_others(full: Store, at: int) -> None:
    clock, other = Clock(), RecordingTransport()

    def oversleep() -> None:
        clock.jump(minutes=17)
        run(full, other, clock)

    first = RecordingTransport(at, oversleep)
    run(full, first, clock)
    assert len(first.taken) == at  # and none after it awoke
    times = Counter(first.taken + other.taken)
    assert len(times) == MAILS
    assert times.total() - MAILS <= GROUP
    assert states(full) == {"sent": MAILS}
    assert run(full, RecordingTransport(), clock).sent == 0


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.FAILED, Outcome.UNKNOWN])
def test_a_late_result_does_not_overwrite_a_sent_mail(full: Store, outcome: Outcome) -> None:
    clock, other = Clock(), RecordingTransport()

    def oversleep() -> None:
        clock.jump(minutes=17)
        run(full, other, clock)
        first.outcome = outcome

    first = RecordingTransport(4, oversleep)
    run(full, first, clock)
    assert states(full) == {"sent": MAILS}


@pytest.mark.parametrize("at", MOMENTS)
def test_with_park_a_sleeping_worker_sends_nothing_twice(full: Store, at: int) -> None:
    clock, other = Clock(), RecordingTransport()

    def oversleep() -> None:
        clock.jump(minutes=17)
        run(full, other, clock, DoubtPolicy.PARK)

    first = RecordingTransport(at, oversleep)
    report = run(full, first, clock, DoubtPolicy.PARK)
    assert set(Counter(first.taken + other.taken).values()) == {1}
    assert report.in_doubt <= GROUP
    assert states(full).get("sent", 0) + report.in_doubt == MAILS


@pytest.mark.parametrize("doubt", list(DoubtPolicy))
@pytest.mark.parametrize("jump", [{"minutes": 5}, {"days": 365}, {"days": -1}], ids=str)
@pytest.mark.parametrize("at", MOMENTS)
def test_a_clock_jump_during_sending_loses_and_doubles_no_mail(
    full: Store, at: int, jump: dict[str, float], doubt: DoubtPolicy
) -> None:
    clock = Clock()
    courier = RecordingTransport(at, lambda: clock.jump(**jump))
    assert run(full, courier, clock, doubt).sent == MAILS
    assert len(courier.taken) == MAILS
    assert states(full) == {"sent": MAILS}


def test_a_clock_a_day_behind_does_not_take_leases_of_a_living_process(full: Store) -> None:
    clock, other = Clock(), RecordingTransport()

    def yesterday() -> None:
        clock.jump(days=-1)
        run(full, other, clock)

    first = RecordingTransport(4, yesterday)
    run(full, first, clock)
    assert (len(first.taken), other.taken) == (MAILS, [])


def test_a_lease_from_a_clock_a_year_ahead_is_reclaimed(full: Store) -> None:
    claim(full, worker="elsewhere/1/1", clock=NOW + timedelta(days=365))
    assert run(full, RecordingTransport(), Clock()).sent == MAILS


def test_a_lease_from_a_clock_slightly_ahead_is_kept(full: Store) -> None:
    claim(full, worker="elsewhere/1/1", clock=NOW + timedelta(minutes=30))
    clock = Clock()
    assert run(full, RecordingTransport(), clock).sent == 0
    clock.jump(minutes=35)
    assert run(full, RecordingTransport(), clock).sent == MAILS


@pytest.mark.parametrize("days", [-1, 400])
def test_a_time_given_by_the_admin_ends_no_lease(full: Store, days: int) -> None:
    claim(full, worker="elsewhere/1/1", clock=NOW)
    other = RecordingTransport()
    deliver(full, other, WRITER(), MEMBERSHIP, now=NOW + timedelta(days=days), clock=Clock())
    assert other.taken == []


def test_mails_are_tried_once_and_not_before_they_are_due(full: Store) -> None:
    sent = [
        deliver(full, RecordingTransport(), WRITER(), MEMBERSHIP, now=NOW + timedelta(days=days), clock=Clock()).sent
        for days in (-1, 400, 0, 401)
    ]
    assert sent == [0, MAILS, 0, 0]


def test_a_mail_deferred_far_into_the_future_is_retried_today(full: Store) -> None:
    busy = RecordingTransport()
    busy.outcome = Outcome.DEFERRED
    deliver(full, busy, WRITER(), MEMBERSHIP, now=NOW + timedelta(days=4), clock=Clock())
    assert run(full, RecordingTransport(), Clock()).sent == MAILS


def test_a_mail_queued_by_a_clock_that_was_ahead_is_sent_today(full: Store) -> None:
    with full.write() as tx:
        tx.exec_driver_sql("UPDATE deliveries SET queued_at = '2027-01-01 07:00:00', next_at = '2027-01-01 07:00:00'")
    assert run(full, RecordingTransport(), Clock()).sent == MAILS

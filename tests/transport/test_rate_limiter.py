"""How fast mails are sent: the configured limit, and backing off when the server complains."""

import time
from collections.abc import Callable

import pytest

from digest.models import Message
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp import SmtpTransport
from tests.faults.server import Fault, FaultyServer, Step


class Clock:
    """A clock that advances when a caller waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent_in(rate_limiter: RateLimiter, clock: Clock, seconds: float) -> int:
    """How many mails go in this time, as fast as the rate_limiter lets them."""
    end, count = clock.now + seconds, 0
    while clock.now + rate_limiter.delay() < end:
        clock.now += rate_limiter.delay() + 0.0001
        rate_limiter.record()
        count += 1
    clock.now = end
    return count


@pytest.mark.parametrize("rate", [0.1, 3, 14, 200])
def test_no_more_go_than_the_rate_allows(rate: float) -> None:
    clock = Clock()
    assert sent_in(RateLimiter(rate, clock=clock), clock, 100) == pytest.approx(rate * 100, rel=0.02, abs=1)


def test_without_a_limit_nothing_waits() -> None:
    rate_limiter = RateLimiter()
    rate_limiter.record()
    assert rate_limiter.delay() == 0


def test_a_pause_is_not_caught_up_with_in_a_burst() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(10, clock=clock)
    sent_in(rate_limiter, clock, 10)
    clock.now += 60
    assert sent_in(rate_limiter, clock, 1) <= 11


def test_after_a_complaint_half_as_many_go_and_twice_as_many_every_half_minute() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(100, clock=clock)
    assert sent_in(rate_limiter, clock, 10) == pytest.approx(1000, rel=0.02)
    rate_limiter.back_off()
    rate_limiter.back_off()  # heard on another connection
    assert sent_in(rate_limiter, clock, 1) == pytest.approx(50, rel=0.1)
    clock.now += 14
    rate_limiter.back_off()
    assert sent_in(rate_limiter, clock, 1) == pytest.approx(35, rel=0.1)  # of 71 by now
    clock.now += 600
    assert sent_in(rate_limiter, clock, 10) == pytest.approx(1000, rel=0.02)


def test_a_complaint_also_slows_unlimited_sending_and_expires() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock=clock)
    for _ in range(2000):
        clock.now += 0.001
        rate_limiter.record()
    rate_limiter.back_off()
    assert sent_in(rate_limiter, clock, 1) == pytest.approx(500, rel=0.1)
    clock.now += 600
    rate_limiter.record()
    assert rate_limiter.delay() == 0


def test_a_complaint_halves_the_recent_rate() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock=clock)
    clock.now += 86_400  # a day without mail
    for _ in range(6000):
        clock.now += 0.002
        rate_limiter.record()
    rate_limiter.back_off()
    assert sent_in(rate_limiter, clock, 1) == pytest.approx(250, rel=0.1)


def test_a_complaint_before_the_first_mail_does_not_stop_sending() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(clock=clock)
    rate_limiter.back_off()
    assert 0 < rate_limiter.delay() <= 1


def some_mails(count: int) -> list[Message]:
    return [
        Message(
            delivery_id=i, sender=f"s{i}@example.org", recipient=f"r{i}@example.org", content=b"Subject: x\r\n\r\nx\r\n"
        )
        for i in range(count)
    ]


def timed(send: Callable[[], int]) -> tuple[int, float]:
    begun = time.monotonic()
    return send(), time.monotonic() - begun


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("rate_limiter", "connection_rate"), [(RateLimiter(40), 0.0), (None, 20.0)])
def test_the_rate_limits_hold_overall_and_for_each_connection(
    rate_limiter: RateLimiter | None, connection_rate: float, pipelining: bool
) -> None:
    with (
        FaultyServer(pipelining=pipelining) as server,
        SmtpTransport(
            "127.0.0.1", server.port, connections=2, rate_limiter=rate_limiter, connection_rate=connection_rate
        ) as transport,
    ):
        count, seconds = timed(lambda: len(list(transport.send(some_mails(22)))))
    assert count == 22
    assert seconds > 0.4  # forty a second, less what may go early


@pytest.mark.parametrize(
    ("step", "answer"), [(Step.DOT, "451 4.7.28 too fast"), (Step.MAIL, "421 too many"), (Step.RCPT, "421 too many")]
)
def test_a_complaint_about_one_mail_slows_all_connections(step: Step, answer: str) -> None:
    mails = some_mails(30)
    with (
        FaultyServer([Fault(mails[1].sender, step, answer=answer)]) as server,
        SmtpTransport("127.0.0.1", server.port, connections=2, rate_limiter=RateLimiter(40)) as transport,
    ):
        count, seconds = timed(lambda: len(list(transport.send(mails))))
    assert count == 30
    assert seconds > 0.9  # 1.2 at twenty a second; without the complaint 0.7

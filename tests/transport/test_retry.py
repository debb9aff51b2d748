"""When a deferred email is tried again."""

from datetime import timedelta

import pytest

from digest.models import BounceKind
from digest.transport.bounces.classification import asks_to_slow_down
from digest.transport.retry import bounce_from_reply, retry_at
from tests.builders import NOW


def wait(attempts: int, *, age: timedelta = timedelta(0), jitter: float = 0.0) -> timedelta | None:
    again_at = retry_at(attempts, queued_at=NOW - age, now=NOW, jitter=jitter)
    return None if again_at is None else again_at - NOW


def test_the_wait_doubles_from_five_minutes_to_four_hours() -> None:
    assert [wait(n) for n in (1, 2, 3, 6, 7, 500)] == [
        timedelta(minutes=m) for m in (5, 10, 20, 160, 240, 240)
    ]  # fmt: skip


def test_jitter_lengthens_the_wait_by_up_to_a_half() -> None:
    assert wait(1, jitter=0.5) == timedelta(minutes=6, seconds=15)


def test_after_five_days_it_is_given_up() -> None:
    assert wait(9, age=timedelta(days=5)) is None
    assert wait(9, age=timedelta(days=4, hours=23)) is not None
    assert wait(5, age=timedelta(days=5)) is None


def test_a_mail_is_tried_five_times_however_old_it_looks() -> None:
    assert wait(4, age=timedelta(days=400)) == timedelta(minutes=40)
    assert wait(1, age=timedelta(days=6)) == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("550 5.1.1 no such user", BounceKind.HARD),
        ("551 user not local", BounceKind.SOFT),
        ("550 5.2.2 mailbox full", BounceKind.SOFT),
        ("552 5.3.4 too big", None),
        ("554 transaction failed", None),
        ("550 5.7.1 blocked", None),
        ("450 4.1.1 not now", None),
        ("not sent: it has 3 bytes", None),
    ],
)
def test_a_rejection_is_a_bounce_only_if_it_is_about_the_address(reply: str, kind: BounceKind | None) -> None:
    bounce = bounce_from_reply(reply)
    assert (bounce.kind if bounce else None) == kind


@pytest.mark.parametrize(
    "reply",
    [
        "421 4.3.2 too busy",
        "432 4.3.2 STOREDRV; recipient thread limit",
        "450 4.7.28 unusual rate",
        "451 4.7.1 come back later",
        "450 4.7.650 not trusted yet",
        "452 4.3.1 insufficient system storage",
        "454 Throttling failure: Maximum sending rate exceeded.",
        "550 5.7.1 Rate limit reached",
        "554 Too many messages from this client",
        "550 Requests are being throttled",
    ],
)
def test_whatever_says_slower_slows_us(reply: str) -> None:
    assert asks_to_slow_down(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "250 2.0.0 queued as 421, too many to count",
        "451 4.3.0 temporary failure",
        "450 4.2.1 mailbox busy",
        "452 4.2.2 mailbox full",
        "554 5.4.6 too many hops",
        "550 5.1.1 no such user at corporate",
    ],
)
def test_other_replies_do_not_slow_us(reply: str) -> None:
    assert not asks_to_slow_down(reply)

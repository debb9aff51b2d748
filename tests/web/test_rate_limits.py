"""Rate limits for strangers."""

import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from digest.web.rate_limits import ConcurrencyLimit, RateLimit, SignInLimit, network_of
from tests.builders import NOW

HOUR = timedelta(hours=1)


def test_a_client_has_a_limit_per_hour_and_is_told_how_long_to_wait() -> None:
    limits = RateLimit(per_client=2, overall=100)
    assert limits.wait("192.0.2.7", now=NOW) == 0
    assert limits.wait("192.0.2.7", now=NOW + HOUR / 2) == 0
    assert limits.wait("192.0.2.7", now=NOW + HOUR / 2) == 1800
    assert limits.wait("192.0.2.8", now=NOW + HOUR / 2) == 0
    assert limits.wait("192.0.2.7", now=NOW + HOUR) == 0
    assert limits.wait("192.0.2.7", now=NOW + HOUR) == 1800


def test_the_time_may_be_another() -> None:
    limits = RateLimit(per_client=1, overall=100, within=timedelta(minutes=1))
    assert [limits.wait("192.0.2.7", now=NOW + timedelta(seconds=second)) for second in (0, 20, 60)] == [0, 40, 0]


def test_all_together_have_so_many() -> None:
    limits = RateLimit(per_client=2, overall=3)
    assert [limits.wait(f"192.0.2.{n}", now=NOW) for n in range(4)] == [0, 0, 0, 3600]
    assert limits.wait("192.0.2.9", now=NOW + HOUR) == 0


def test_requests_over_one_limit_do_not_count_for_the_other() -> None:
    limits = RateLimit(per_client=1, overall=2)
    assert [limits.wait("192.0.2.7", now=NOW) > 0 for _ in range(5)] == [False, True, True, True, True]
    assert limits.wait("192.0.2.8", now=NOW) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("an unknown address", "an unknown address", True),
    ],
)
def test_of_ipv6_a_network_counts_as_one_client(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


def test_larger_ipv6_networks_have_two_and_four_times_as_many() -> None:
    limits = RateLimit(per_client=3, overall=1000)

    def let_through(addresses: Iterable[str]) -> int:
        return sum(limits.wait(address, now=NOW) == 0 for address in addresses)

    assert let_through(f"2001:db8:0:{n:x}::1" for n in range(256)) == 6  # of one /56
    assert let_through(f"2001:db8:0:{n:x}::1" for n in range(256, 65536, 64)) == 6  # the rest of its /48
    assert let_through(f"2001:db8:{n:x}::1" for n in range(1, 5)) == 4
    assert let_through(f"2001:db8:0:{n:x}::1" for n in range(9)) == 0


def test_what_is_counted_for_larger_networks_is_forgotten_as_well() -> None:
    limits = RateLimit(per_client=3, overall=50)
    for n in range(500):
        limits.wait(f"2001:db8:{n:x}::1", now=NOW + timedelta(seconds=n))
    limits.wait("192.0.2.7", now=NOW + 2 * HOUR)
    assert [len(kept) for kept in (limits._all, limits._by_network)] == [1, 1]


def test_strangers_cannot_use_up_what_known_browsers_and_networks_have() -> None:
    limits = SignInLimit(per_client=2, overall=4)
    limits.remember("192.0.2.7")
    limits.remember("2001:db8::1")

    def let_through(client: str, known: int | None = None) -> bool:
        try:
            limits.check(client, known, now=NOW)
        except HTTPException:
            return False
        return True

    assert [let_through(f"198.51.100.{n}") for n in range(6)] == [True] * 4 + [False] * 2
    assert [let_through("192.0.2.7") for _ in range(3)] == [True, True, False]
    assert [let_through("2001:db8::2") for _ in range(3)] == [True, True, False]
    assert [let_through("2001:db8:0:1::1"), let_through("198.51.100.9")] == [False, False]
    assert [let_through(f"198.51.100.{n}", 1) for n in range(3)] == [True, True, False]
    assert let_through("192.0.2.7", 2)


def test_the_owner_of_many_networks_gets_little_by_signing_in_from_each() -> None:
    limits = SignInLimit(per_client=2, overall=1000)
    let_through = 0
    for n in range(1000):
        client = f"2001:db8:0:{n:x}::1"
        limits.remember(client)
        with suppress(HTTPException):
            limits.check(client, now=NOW)
            let_through += 1
    assert let_through == 2 * 8  # of a /48: as a known network, and as a stranger


def test_the_memory_of_known_networks_is_bounded() -> None:
    limits = SignInLimit(per_client=2, overall=4)
    for n in range(70_000):
        limits.remember(f"2001:db8:{n >> 8:x}:{n & 255:x}::")
    assert len(limits._networks) == 10_000


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2000)), max_size=60), st.integers(1, 4), st.integers(1, 8))
def test_no_hour_holds_more_than_may_be_and_nothing_is_kept_for_longer(
    asks: list[tuple[int, int]], per_client: int, overall: int
) -> None:
    limits = RateLimit(per_client=per_client, overall=overall)
    let_through: list[tuple[int, int]] = []
    second = 0
    for client, later in asks:
        second += later
        lately = [whose for at, whose in let_through if at > second - 3600]
        wait = limits.wait(f"192.0.2.{client}", now=NOW + timedelta(seconds=second))
        assert (wait == 0) is (len(lately) < overall and lately.count(client) < per_client)
        if wait == 0:
            let_through.append((second, client))
        assert len(limits._all) == sum(len(times) for times in limits._by_network.values()) <= overall
        assert all(limits._by_network.values())


def test_a_slow_request_counts_once_per_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    worked = iter([0.0, 0.09, 10.0, 10.25])
    monkeypatch.setattr("digest.web.rate_limits.thread_time", lambda: next(worked))
    limits = RateLimit(per_client=4, overall=100)
    for _ in range(2):  # counts as one, and as three
        with limits.count_work("192.0.2.7", now=NOW):
            pass
    with pytest.raises(HTTPException), limits.count_work("192.0.2.7", now=NOW + HOUR / 2):
        pass
    assert limits.wait("192.0.2.8", now=NOW) == 0
    assert limits.wait("192.0.2.7", now=NOW + HOUR) == 0


def test_a_client_far_over_the_limit_waits_until_it_is_below(monkeypatch: pytest.MonkeyPatch) -> None:
    worked = iter([0.0, 0.0, 0.0, 7.0])
    monkeypatch.setattr("digest.web.rate_limits.thread_time", lambda: next(worked))
    limits = RateLimit(per_client=10, overall=10)
    with limits.count_work("192.0.2.7", now=NOW):
        pass
    with pytest.raises(ValueError, match="x"), limits.count_work("192.0.2.7", now=NOW + HOUR / 2):  # also what fails
        raise ValueError("x")
    assert limits.wait("192.0.2.7", now=NOW + HOUR / 2) == 3600
    assert limits.wait("192.0.2.7", now=NOW + HOUR * 1.5 - timedelta(seconds=1)) == 1
    assert limits.wait("192.0.2.7", now=NOW + HOUR * 1.5) == 0


def test_threads_together_get_no_more_than_one_could() -> None:
    limits = RateLimit(per_client=1000, overall=500)
    passed: list[int] = []

    def ask() -> None:
        passed.extend(1 for _ in range(200) if limits.wait("192.0.2.7", now=NOW) == 0)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 500


def test_at_the_same_time_each_may_have_so_much_done_and_again_when_it_is() -> None:
    at_once = ConcurrencyLimit(2)
    with at_once.hold_place("a"), at_once.hold_place("a"), at_once.hold_place("b"):
        with pytest.raises(HTTPException) as refused, at_once.hold_place("a"):
            pass
        assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "5"})
    with pytest.raises(ValueError, match="x"), at_once.hold_place("a"):  # also what fails
        raise ValueError("x")
    with at_once.hold_place("a"), at_once.hold_place("a"):
        pass
    assert not at_once._by_client

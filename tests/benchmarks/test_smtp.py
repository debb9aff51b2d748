"""The benchmark of SMTP runs if Postfix's test programs are installed."""

from collections.abc import Iterator
from time import perf_counter

import pytest

from tests.benchmarks import delivery, outbox
from tests.benchmarks.harness import Case
from tests.benchmarks.postfix import Postfix
from tests.benchmarks.smtp import SIZES, cases, far_cases
from tests.builders import needs_recordings

POSTFIX = Postfix.find()
needs_postfix = pytest.mark.skipif(POSTFIX is None, reason="smtp-sink and smtp-source are not here")


@pytest.fixture(name="port")
def sink() -> Iterator[int]:
    assert POSTFIX
    with POSTFIX.sink() as port:
        yield port


def results(case: Case, count: int) -> set[object]:
    found = set()
    for method in case.methods:
        method.before()
        found.add(method.run(count))
    return found


@needs_postfix
def test_every_method_does_its_case(port: int) -> None:
    assert POSTFIX
    for case in cases(POSTFIX, port, 8):
        assert results(case, 4) == {4, None}
    assert set(SIZES) == {"smtp-30k", "smtp-64k"}


@needs_postfix
def test_a_long_line_delays_every_round_trip_and_loses_nothing(port: int) -> None:
    assert POSTFIX
    for case in far_cases(POSTFIX, port, 8):
        before = perf_counter()
        assert results(case, 4) == {4, None}
        assert perf_counter() - before > len(case.methods) * 5 * 0.02


def test_the_outbox_is_marked() -> None:
    for case in outbox.cases(150):
        assert results(case, 150) == {150}


@needs_postfix
@needs_recordings
def test_a_morning_sends_a_mail_to_every_subscriber(port: int) -> None:
    for case in delivery.cases(port, 20, 2):
        ours, *script = case.methods
        ours.before()
        assert ours.run(case.n) == case.n
        assert [method.run(2) for method in script] in ([2], [])

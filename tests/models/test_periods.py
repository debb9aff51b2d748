"""Days, weeks and months by name."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import UsageError
from digest.models.papers import Period, Span


@pytest.mark.parametrize(
    ("name", "first_on", "last_on"),
    [
        ("2026-09-11", "2026-09-11", "2026-09-11"),
        ("2026-W37", "2026-09-07", "2026-09-13"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2026-12", "2026-12-01", "2026-12-31"),
    ],
)
def test_a_name_gives_the_first_and_last_day_of_a_period(name: str, first_on: str, last_on: str) -> None:
    period = Period.parse(name)
    assert (period.first_on, period.last_on) == (date.fromisoformat(first_on), date.fromisoformat(last_on))
    assert period.name == name


@given(st.dates(date(1990, 1, 8), date(2100, 1, 1)), st.sampled_from(Span))
def test_a_day_is_within_the_period_that_contains_it(day: date, span: Span) -> None:
    period = Period.containing(span, day)
    assert period.first_on <= day <= period.last_on
    assert Period.parse(period.name) == period


@pytest.mark.parametrize(
    "name",
    ["", "2026", "2026-13", "2026-02-30", "2026-W54", "2026-9-1", "٢٠٢٦-٠٩", "2026-09-11x", "0000-01", "9999-12"],
)
def test_an_invalid_period_is_refused_with_examples(name: str) -> None:
    with pytest.raises(UsageError, match="write 2026-09-11, 2026-W37 or 2026-09"):
        Period.parse(name)

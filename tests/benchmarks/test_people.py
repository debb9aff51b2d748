"""The benchmark of many subscribers runs."""

from itertools import chain

from tests.benchmarks.people import measure


def test_every_case_is_measured() -> None:
    rows = list(chain.from_iterable(measure(people=2_000, rows=200)))
    asked = [
        (f"{case}, {part}", rival)
        for case, rival in (("page", "OFFSET"), ("search", "LIKE"))
        for part in ("median", "p95")
    ]
    beside = [*asked, ("import", "one by one"), ("admin, import", "one transaction")]
    beside += [(f"write meanwhile, {part}", "one transaction") for part in ("p95", "longest")]
    check = rows.pop(10)
    assert (check.case, check.method) == ("admin, check", "digest")
    assert [(row.case, row.method) for row in rows] == [
        pair for case, rival in beside for pair in ((case, "digest"), (case, rival))
    ]
    assert all(row.rate > 0 for row in rows)

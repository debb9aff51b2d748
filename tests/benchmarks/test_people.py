"""The benchmark of many subscribers runs."""

import json
import subprocess
import sys

BENCHMARK = [sys.executable, "-m", "tests.benchmarks.people", "--quick", "--json"]


def test_every_case_is_measured() -> None:
    said = subprocess.run(BENCHMARK, check=True, capture_output=True, text=True, timeout=300).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    asked = [
        (f"{case}, {part}", rival)
        for case, rival in (("page", "OFFSET"), ("search", "LIKE"))
        for part in ("median", "p95")
    ]
    beside = [*asked, ("import", "one by one"), ("desk, import", "one transaction")]
    beside += [(f"write meanwhile, {part}", "one transaction") for part in ("p95", "longest")]
    check = rows.pop(10)
    assert (check["case"], check["method"]) == ("desk, check", "digest")
    assert [(row["case"], row["method"]) for row in rows] == [
        pair for case, rival in beside for pair in ((case, "digest"), (case, rival))
    ]
    assert all(row["rate"] > 0 for row in rows)

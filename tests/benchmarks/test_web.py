"""The benchmark of pages runs, where wrk is."""

import json
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest

from tests.benchmarks.harness import Row

BENCHMARK = [sys.executable, "-m", "tests.benchmarks.web", "--quick", "--json"]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not here")
def test_every_case_is_measured() -> None:
    said = subprocess.run(BENCHMARK, check=True, capture_output=True, text=True, timeout=120).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    assert [(row["case"], row["method"]) for row in rows] == [
        ("edition", "digest"),
        ("edition", "starlette"),
        ("feed", "digest"),
        ("feed", "starlette"),
        ("preview, the first", "digest"),
        ("preview, median", "digest"),
        ("preview, median", "read anew"),
        ("preview, p95", "digest"),
        ("preview, p95 while reading", "digest"),
    ]
    for row in rows:
        assert set(row) == {field.name for field in fields(Row)}
        assert row["rate"] > 0
        assert row["n"] >= row["measured"] > 0


def test_without_wrk_it_says_where_that_is_to_be_had() -> None:
    ended = subprocess.run(BENCHMARK, env={"PATH": "/nowhere"}, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == "wrk is not here (Debian: in the package wrk)\n"

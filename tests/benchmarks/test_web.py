"""The benchmark of pages runs if wrk is installed."""

import shutil
import subprocess
import sys
from itertools import chain

import pytest

from tests.benchmarks import preview
from tests.benchmarks.web import measure

WRK = shutil.which("wrk")


@pytest.mark.skipif(WRK is None, reason="wrk is not here")
def test_every_case_is_measured() -> None:
    assert WRK
    rows = list(chain(*measure(WRK, seconds=1, rounds=1), *preview.measure(count=300, every=10)))
    assert [(row.case, row.method) for row in rows] == [
        ("edition", "digest"),
        ("edition", "starlette"),
        ("feed", "digest"),
        ("feed", "starlette"),
        ("preview, the first", "digest"),
        ("preview, median", "digest"),
        ("preview, median", "no cache"),
        ("preview, p95", "digest"),
        ("preview, p95 while reading", "digest"),
    ]
    for row in rows:
        assert row.rate > 0
        assert row.n >= row.measured > 0


def test_without_wrk_the_benchmark_says_how_to_install_it() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.web", "--quick"]
    ended = subprocess.run(command, env={"PATH": "/nowhere"}, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == "wrk is not here (Debian: in the package wrk)\n"

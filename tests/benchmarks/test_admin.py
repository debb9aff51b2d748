"""The benchmark of the desk runs, where chromium is."""

import json
import subprocess
import sys

import pytest

from tests.browsing import needs_chromium


@needs_chromium
def test_every_key_is_measured_to_what_it_shows() -> None:
    pytest.importorskip("playwright.sync_api", reason="needs playwright")
    command = [sys.executable, "-m", "tests.benchmarks.admin", "--quick", "--json"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    assert [row["case"] for row in rows] == [
        f"{case}, {part}"
        for case in ("key, 8 a second", "key, 20 a second", "answer")
        for part in ("median", "p95", "slowest")
    ]
    assert all(0.001 < row["seconds"] < 30 for row in rows)

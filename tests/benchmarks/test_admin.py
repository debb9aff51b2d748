"""The benchmark of the editor runs if chromium is installed."""

from itertools import chain

import pytest

from tests.browsing import needs_chromium


@needs_chromium
def test_every_key_is_measured_to_what_it_shows() -> None:
    admin = pytest.importorskip("tests.benchmarks.admin", reason="needs playwright")
    rows = list(chain.from_iterable(admin.measure(papers=300, lines=["molecul* AND graph ^2"])))
    assert [row.case for row in rows] == [
        f"{case}, {part}"
        for case in ("key, 8 a second", "key, 20 a second", "answer")
        for part in ("median", "p95", "slowest")
    ]
    assert all(0.001 < row.seconds < 30 for row in rows)

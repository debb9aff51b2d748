"""What pages cost: `python -m tests.benchmarks.web [--quick] [--json]`.

Over real HTTP on loopback, with eight connections of wrk's, each server in a process of its own; what is measured are
requests.

edition    the page of a day: its first 50 papers with their abstracts
feed       the latest 100 papers as Atom

digest       our pages, warm: with the security headers, an ETag, and the look each second whether anything has changed
starlette    a bare route that answers with the same bytes, under the same server with the same settings

preview      how long one live preview takes: preview.py says how it is asked for

Needs wrk (Debian: in the package wrk).
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from statistics import median

import httpx2

from digest.app import App
from digest.models import Paper
from digest.store import papers
from tests.benchmarks import harness, preview
from tests.benchmarks.harness import Row
from tests.benchmarks.serving import Load, Server, load, server

N = 10_000  # requests
EDITIONS = 10
PAPERS = 100  # an edition
PATHS = {"edition": "/papers/2026-06-10", "feed": "/papers.atom"}

_FIRST = datetime(2026, 6, 1, 7, tzinfo=UTC)
_SENTENCE = "We train networks of low precision where p < 0.05 & show that they are as good as others are. "


def filled(folder: Path) -> Path:
    """A newsletter with some editions in a folder. Its config.toml."""
    config = folder / "config.toml"
    config.write_text("[newsletter]\n", encoding="utf-8")
    with App.open(config) as app, app.store.write() as tx:
        for day in range(EDITIONS):
            at = _FIRST + timedelta(days=day)
            new = [_paper(day * PAPERS + number, at) for number in range(PAPERS)]
            papers.add(tx, new, first_seen_at=at, edition_on=at.date())
    return config


def _paper(number: int, at: datetime) -> Paper:
    return Paper(
        id=f"arxiv:2606.{number:05}",
        title=f"Low-precision training of audio–visual networks, part {number}",
        abstract=_SENTENCE * 13,
        authors=("Ada Lovelace", "Émilie du Châtelet", "C. F. Gauß", "Emmy Noether"),
        categories=("cs.LG", "stat.ML"),
        url=f"https://arxiv.org/abs/2606.{number:05}",
        pdf_url=f"https://arxiv.org/pdf/2606.{number:05}",
        published_at=at,
        upvotes=number % 50,
    )


def measure(wrk: str, *, seconds: int, rounds: int = 3) -> Iterator[Sequence[Row]]:
    """The rows of `edition` and of `feed`: our server and a bare one in turn, `seconds` each time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bodies").mkdir()
        with server("ours", filled(folder)) as ours:
            for case, path in PATHS.items():
                (folder / "bodies" / case).write_bytes(httpx2.get(ours.url + path).content)
            with server("bare", folder / "bodies") as bare:
                for case, path in PATHS.items():
                    asked = {"digest": (ours, path), "starlette": (bare, f"/{case}")}
                    yield _compare(wrk, case, asked, seconds=seconds, rounds=rounds)


def _compare(wrk: str, case: str, asked: dict[str, tuple[Server, str]], *, seconds: int, rounds: int) -> Sequence[Row]:
    before = {method: harness.resident_mb("VmRSS", at.pid) for method, (at, _) in asked.items()}
    loads: dict[str, list[Load]] = {method: [] for method in asked}
    for turn in range(0 if rounds > 1 else 1, rounds + 1):  # 0 warms up, where it is more than a try
        for method, (at, path) in asked.items():
            found = load(wrk, at.url + path, seconds=seconds if turn else 1)
            if turn:
                loads[method].append(found)
    rows = []
    for method, (at, _) in asked.items():
        rate = median(found.answered / found.seconds for found in loads[method])
        rows.append(
            Row(
                case=case,
                method=method,
                n=N,
                measured=min(N, sum(found.answered for found in loads[method])),
                seconds=N / rate,
                rate=rate,
                peak_mb=max(0.0, harness.resident_mb("VmHWM", at.pid) - before[method]),
            )
        )
    return rows


def main() -> None:
    """The command line."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk is not here (Debian: in the package wrk)", file=sys.stderr)
        sys.exit(2)
    harness.report(
        "tests.benchmarks.web",
        lambda quick: chain(
            measure(wrk, seconds=1 if quick else 10),
            preview.measure(count=preview.PAPERS // (5 if quick else 1), every=3 if quick else 1),
        ),
    )


if __name__ == "__main__":
    main()

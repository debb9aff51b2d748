"""Methods side by side: interleaved in one run, medians of rounds, memory in a process of their own.

A table for people; with --json one object a line. Our own method is called `digest`.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Method:
    """One way to do a case's work. `run(count)` does the first `count` units of it.

    `from_nothing(count)` does the same with nothing in memory beforehand, where memory is worth measuring so. `before`
    prepares a run and is not measured.
    """

    name: str
    run: Callable[[int], object]
    most: int = sys.maxsize  # units that it is given time for
    from_nothing: Callable[[int], object] | None = None
    before: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class Case:
    """Work that several methods can do. `n` is its size in units. A `long` one is done three times, none to warm up."""

    name: str
    n: int
    methods: Sequence[Method]
    long: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """How one method did: `seconds` are for n units, scaled where fewer were measured."""

    case: str
    method: str
    n: int
    measured: int
    seconds: float
    rate: float  # units a second
    peak_mb: float  # of a process of its own, above what it began with


def main(module: str, prepare: Callable[[bool], Iterable[Case]]) -> None:
    """The command line of one benchmark. `prepare(quick)` makes its cases."""
    report(module, lambda quick: (compare(case, 3 if quick else 5) for case in prepare(quick)))


def report(module: str, measure: Callable[[bool], Iterable[Sequence[Row]]]) -> None:
    """The command line of a benchmark that measures by itself. `measure(quick)` gives the rows case by case."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--quick", action="store_true", help="end within a minute")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    rows: list[Row] = []
    for found in measure(options.quick):
        rows += found
        if options.json:
            for row in found:
                print(json.dumps(asdict(row)), flush=True)
    if not options.json:
        Console().print(_table(rows))


def compare(case: Case, rounds: int = 3) -> list[Row]:
    """How the methods of a case did."""
    counts = {method.name: min(case.n, method.most) for method in case.methods}
    peaks = {method.name: _peak_mb(method, counts[method.name]) for method in case.methods}
    seconds: dict[str, list[float]] = {method.name: [] for method in case.methods}
    for turn in range(1, 4) if case.long else range(rounds + 1):  # 0 warms up
        for method in case.methods:
            method.before()
            gc.collect()
            before = time.perf_counter()
            method.run(counts[method.name])
            if turn:
                seconds[method.name].append((time.perf_counter() - before) * case.n / counts[method.name])
    return [
        Row(
            case=case.name,
            method=name,
            n=case.n,
            measured=counts[name],
            seconds=median(seconds[name]),
            rate=case.n / median(seconds[name]),
            peak_mb=peaks[name],
        )
        for name in seconds
    ]


def _peak_mb(method: Method, count: int) -> float:
    """The most memory that the method takes, in a process of its own, above what that began with."""
    method.before()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = resident_mb("VmRSS")
        (method.from_nothing or method.run)(count)
        os.write(writing, f"{resident_mb('VmHWM') - before:.1f}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return float(answer.read())


def resident_mb(what: str, pid: int | str = "self") -> float:
    """The memory of a process: now ("VmRSS"), or the most that it has had ("VmHWM")."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


def _table(rows: Sequence[Row]) -> Table:
    table = Table(
        "case", "n", "method", "measured", "per unit", "a second", "digest is", "peak MB", box=None, pad_edge=False
    )
    for column in (table.columns[1], *table.columns[3:]):
        column.justify = "right"
    ours = {(row.case, row.n): row.rate for row in rows if row.method == "digest"}
    for row in rows:
        times = "" if row.method == "digest" else f"{ours[row.case, row.n] / row.rate:.2f} x"
        micros = f"{row.seconds / row.n * 1e6:,.0f} µs"
        table.add_row(
            row.case,
            f"{row.n:,}",
            row.method,
            f"{row.measured:,}",
            micros,
            f"{row.rate:,.0f}",
            times,
            f"{row.peak_mb:,.0f}",
        )
    return table

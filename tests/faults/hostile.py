"""Tries hostile inputs of every kind: `python -m tests.faults.hostile [GROUP]… [--count N] [--seed S] [--json]`.

Prints for each group how many inputs were tried and how many fell (an exception that is not a clear refusal, or too
much CPU time), then each that fell. Exit 1 if one did. The same seed gives the same inputs.
"""

import argparse
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import structlog
from rich.console import Console
from rich.table import Table

from tests.faults.gallery import (
    Group,
    bounces,
    clocks,
    command_lines,
    config_files,
    csv_files,
    feeds,
    forms,
    requests,
    rules,
    smtp_scripts,
    stored_rows,
    web,
    web_pages,
)

GROUPS: dict[str, Group] = {
    "feeds": feeds.attacks,
    "csv": csv_files.attacks,
    "config": config_files.attacks,
    "commands": command_lines.attacks,
    "requests": requests.attacks,
    "web": web.attacks,
    "pages": web_pages.attacks,
    "bounces": bounces.attacks,
    "smtp": smtp_scripts.attacks,
    "rules": rules.attacks,
    "forms": forms.attacks,
    "clocks": clocks.attacks,
    "rows": stored_rows.attacks,
}
COUNT = 200  # inputs generated for each group, beside the fixed ones


@dataclass(slots=True)
class Result:
    """What became of one group."""

    group: str
    tried: int = 0
    fallen: list[str] = field(default_factory=list)  # "name: reason"
    seconds: float = 0.0  # CPU time of this process


def try_group(name: str, *, count: int = COUNT, seed: int = 1) -> Result:
    """Try every input of a group."""
    result = Result(name)
    begun = time.process_time()
    with TemporaryDirectory() as folder:
        for attack in GROUPS[name](Random(f"{name} {seed}"), count, Path(folder)):
            result.tried += 1
            before = time.process_time()
            try:
                attack.run()
            except Exception:  # noqa: BLE001 (whatever it is, the next input is tried)
                result.fallen.append(f"{attack.name}: {traceback.format_exc(limit=-3)}")
            else:
                took = time.process_time() - before
                if took > attack.seconds:
                    result.fallen.append(f"{attack.name}: took {took:.1f} s of CPU time")
    result.seconds = time.process_time() - begun
    return result


def _silence() -> None:
    """Print nothing that is logged."""
    logging.disable()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.hostile", description="Try hostile inputs.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"one of {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--count", type=int, default=COUNT, help=f"inputs generated for each group (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other inputs")
    parser.add_argument("--json", action="store_true", help="one object a group")
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group is called {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    groups = options.groups or list(GROUPS)
    work = partial(try_group, count=options.count, seed=options.seed)
    # A process a group: what a group sets for its process, such as a log, does not reach the next one.
    with get_context("fork").Pool(os.cpu_count(), initializer=_silence, maxtasksperchild=1) as pool:
        results = pool.map(work, reversed(groups), chunksize=1)[::-1]  # the last ones take longest
    if options.json:
        for result in results:
            print(json.dumps(asdict(result)))
    else:
        table = Table("group", "tried", "fallen", "CPU seconds", box=None, pad_edge=False)
        for result in results:
            table.add_row(result.group, f"{result.tried:,}", f"{len(result.fallen):,}", f"{result.seconds:.1f}")
        Console().print(table)
        for fallen in (fallen for result in results for fallen in result.fallen):
            print(fallen, file=sys.stderr)
    return int(any(result.fallen for result in results))


if __name__ == "__main__":
    sys.exit(main())

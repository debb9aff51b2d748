"""Output of commands: data to stdout, messages to stderr, colour and progress bars only on a terminal."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from digest.app import App
from digest.errors import shortened
from digest.models import Hold

# Line ends of Unicode that json.dumps does not escape: each record must stay on one line.
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object on one line. Dates and times are in ISO 8601."""
    print(json.dumps(to_jsonable_python(value), ensure_ascii=False).translate(_LINE_ENDS))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table. On a pipe it is as wide as its content, so that nothing is cut off."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    if _out.is_terminal:
        _out.print(table)
    else:
        wide = Console(width=10_000, highlight=False)
        with wide.capture() as captured:
            wide.print(table)
        print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_records(records: Iterable[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print records with the same keys: one line of JSON each, or a table, or the message `empty` if there are none."""
    rows = list(records)
    if as_json:
        for row in rows:
            print_json(row)
    elif rows:
        print_table([key.replace("_", " ") for key in rows[0]], ([_cell(v) for v in row.values()] for row in rows))
    else:
        say(empty)


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one record: a line of JSON, or a table with one row for each key."""
    if as_json:
        print_json(record)
    else:
        print_table(("", ""), [(key.replace("_", " "), _cell(value)) for key, value in record.items()])


def program() -> str:
    """Return how to call this program from here, as it was called now: `digest` may be in a folder outside of PATH."""
    called = sys.argv[0]
    if Path(called).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m digest"
    found = shutil.which("digest")
    is_found = found is not None and Path(found).resolve() == Path(called).resolve()
    return "digest" if is_found or not Path(called).is_file() else shlex.quote(called)


def say(message: str) -> None:
    """Print a message to stderr."""
    _err.print(escape(message))


def _one_line(message: str) -> str:
    return shortened(" ".join(message.split()))


def complain(message: str) -> None:
    """Print an error on one line of stderr."""
    _err.print(f"[bold red]error:[/] {escape(_one_line(message))}")


def warn(message: str) -> None:
    """Print a warning on one line of stderr."""
    _err.print(f"[yellow]warning:[/] {escape(_one_line(message))}")


def described(hold: Hold) -> str:
    """Return a description of a hold, for people."""
    why = f" ({hold.reason})" if hold.reason else ""
    return f"sending is on hold since {hold.held_at:%Y-%m-%d %H:%M} UTC{why}; `digest outbox release` resumes it"


def warn_of_templates(app: App) -> None:
    """Warn of custom templates that have no effect, and of those that make sending slow."""
    for file, meant in app.templates.unused_files().items():
        warn(f"{file} replaces nothing" + (f"; did you mean {meant}?" if meant else ""))
    for file, why in app.composer.slow_templates.items():
        warn(f"{file}: works, but is slow, because it is rendered again for every email: {why}")


def warn_of_unreadable(profiles: Iterable[tuple[str, str]]) -> None:
    """Warn of rules that cannot be read: (owner, reason)."""
    for whose, reason in profiles:
        warn(f"{whose}: is invalid and finds nothing: {reason}")


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while stderr is a terminal. Yields the function that advances it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(v) for v in value)
    return value

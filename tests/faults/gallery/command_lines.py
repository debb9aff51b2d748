"""Command lines: every command with odd options and arguments. It works, or refuses on one line without a traceback."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import typer.main

from digest.cli import commands, main
from tests.faults.gallery import Attack

_CONFIG = '[[source]]\nname = "list"\nkind = "text"\nurl = "papers.txt"\n'
_NOT_RUN = {("serve",), ("demo",)}  # they do not end, or take long
_READER = "reader@example.org"
_WORDS = (
    *("", " ", "-", "--", "-1", "0", "1", "1.5", "9" * 30, "nan", "x" * 5_000, "\n", "a\nb", "\x1b[2J", "%s", "[red]"),
    *("@", "@missing", "@folder", "@binary", "missing", "folder", "binary", "/dev/null", "../..", "~"),
    *("caf\udce9", "猫", "tomorrow", "2026-06-03", "0001-01-01", "9999-12-31T23:59:59-12:00"),
    *("25:00", "7 AM", "mon-", "Mars", "utc", "tlh", "arxiv:2606.00001", "Cats", "cat AND", "((("),
    *(_READER, "reader", "a@b", "<a@b.org>", "'; drop table papers; --"),
)


def attacks(random: Random, count: int, folder: Path) -> Iterator[Attack]:
    """Fill the options and arguments of a random command with odd words."""
    (folder / "config.toml").write_text(_CONFIG, encoding="utf-8")
    (folder / "papers.txt").write_text(
        "A study of cats\nWe look into it, at length and with care. " * 20, encoding="utf-8"
    )
    (folder / "folder").mkdir()
    (folder / "binary").write_bytes(bytes(range(256)))
    _run(folder, ["profile", "add", "Cats", "--rules", "cat"])
    _run(folder, ["subscriber", "add", _READER, "--profile", "Cats", "--confirmed"])
    known = [found for found in _commands(typer.main.get_command(commands)) if found[0] not in _NOT_RUN]
    for number in range(count):
        names, command = random.choice(known)
        typed = [*names]
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                typed.append(random.choice(_WORDS))
            elif random.random() < 0.3 and parameter.name not in {"help", "config"}:
                typed += [random.choice(parameter.opts), *([] if parameter.is_flag else [random.choice(_WORDS)])]
        yield Attack(f"command {number}: {typed!r}"[:300], partial(_run, folder, typed))


def _commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name), command


def _run(folder: Path, typed: Sequence[str]) -> None:
    """Run a command in `folder`. Raises AssertionError if it ends with a traceback, or an error of several lines."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    code: object = "none"
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["digest", *typed]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a long password\n"), encoding="utf-8")),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    said = err.getvalue()
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    if code not in {0, 1, 2} or "internal error" in said or "Traceback" in said or len(errors) > 1:
        raise AssertionError(f"exit code {code}: {said[:500]}")

"""What holds for every command: help, version, --config, errors of one line with the right exit code."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main

from digest import __version__
from digest.cli import commands as root
from digest.cli import output
from digest.store.schema import HEAD
from tests.commandline import Cli


def commands() -> Iterator[tuple[str, str]]:
    """Every command as it is typed, with what its docstring says."""

    def within(group: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for name, command in sorted(group.commands.items()):
            typed = f"{prefix} {name}".strip()
            if hasattr(command, "commands"):
                yield from within(command, typed)
            else:
                yield typed, command.help or ""

    return within(typer.main.get_command(root), "")


@pytest.mark.parametrize(("command", "meant"), list(commands()))
def test_every_command_explains_itself(bare: Cli, command: str, meant: str) -> None:
    explained = bare.ok(*command.split(), "--help").out
    assert f"Usage: digest {command}" in explained
    assert meant
    assert " ".join(meant.split()) in " ".join(explained.split())


def test_the_version_is_printed(bare: Cli) -> None:
    assert bare.ok("--version").out == f"digest {__version__}\n"


def test_python_can_run_the_package() -> None:
    ran = subprocess.run([sys.executable, "-m", "digest", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"digest {__version__}\n"


@pytest.mark.parametrize("before", [True, False])
def test_the_configuration_is_named_before_or_after_the_command(cli: Cli, *, before: bool) -> None:
    (cli.folder / "config.toml").rename(cli.folder / "other.toml")
    option, command = ["--config", "other.toml"], ["source", "list", "--json"]
    ran = cli.ok(*option, *command) if before else cli.ok(*command, *option)
    assert ran.record["name"] == "list"


def test_the_environment_names_the_configuration(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.folder / "config.toml").rename(cli.folder / "other.toml")
    monkeypatch.setenv("DIGEST_CONFIG", "other.toml")
    assert cli.ok("source", "list", "--json").record["name"] == "list"


def test_a_missing_configuration_says_what_writes_one(bare: Cli) -> None:
    ran = bare("run")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: config.toml: no such file; create one with `digest init`, or use --config\n"


def test_a_misspelt_key_is_named_with_its_nearest(cli: Cli) -> None:
    cli.configure("[delivery]\ntransprot = 'smtp'\n")
    ran = cli("run")
    assert ran.code == 2
    assert ran.err == "error: config.toml: delivery.transprot: unknown key; did you mean 'transport'?\n"


def test_an_unknown_command_is_a_usage_error(bare: Cli) -> None:
    assert bare("rnu").code == 2


def test_an_invalid_time_is_refused(cli: Cli) -> None:
    ran = cli("run", "--now", "teatime")
    assert ran.code == 2
    assert "'teatime' is not a time" in ran.err


def test_a_file_that_is_not_a_database_is_reported_on_one_line(cli: Cli) -> None:
    (cli.folder / "digest.db").write_text("This is not a database, and long enough to be told from one. " * 20)
    ran = cli("run")
    assert ran.code == 1
    assert f"{cli.folder}/digest.db: file is not a database; restore a backup, or name another file" in ran.err
    assert ran.err.count("\n") == 1


def test_an_internal_error_is_reported_on_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("digest.cli.source_and_submission.sources.list_states", broken)
    ran = cli("source", "list")
    assert ran.code == 1
    assert ran.err == "error: internal error: ZeroDivisionError: by zero (DIGEST_DEBUG=1 shows where)\n"
    monkeypatch.setenv("DIGEST_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli("source", "list")


@pytest.mark.parametrize(
    ("reader", "said"),
    [("> /dev/full", "error: the output: no space left on device\n"), ("| true", "")],
)
def test_output_that_cannot_be_written_is_one_line_or_nothing(cli: Cli, reader: str, said: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m digest match cat --feed papers.txt --json {reader}"
    ran = subprocess.run(["bash", "-c", command], cwd=cli.folder, capture_output=True, text=True, check=False)
    assert ran.stderr == said


def test_data_is_utf_8_whatever_the_character_set_of_the_locale(cli: Cli) -> None:
    cli.ok("subscriber", "add", "one@example.org", "--name", "Jürgen 扩散")
    ran = subprocess.run(
        [sys.executable, "-m", "digest", "subscriber", "show", "one@example.org", "--json"],
        capture_output=True,
        cwd=cli.folder,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert json.loads(ran.stdout.decode("utf-8"))["name"] == "Jürgen 扩散"


def test_closed_files_are_no_error(cli: Cli) -> None:
    command = f"{shlex.quote(sys.executable)} -m digest profile list >&- <&- 2>&-"
    assert subprocess.run(["bash", "-c", command], cwd=cli.folder, check=False).returncode == 0


def test_an_entry_of_the_log_has_the_stack_without_local_variables_and_addresses(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_states(_: object) -> dict[str, object]:
        token = "".join(["hush", "hush"])
        try:
            raise KeyError(len(token))
        except KeyError as error:
            for given in (error, True):
                structlog.get_logger().error("broken", subscriber="reader@example.org", exc_info=given)
        return {}

    monkeypatch.setattr("digest.cli.source_and_submission.sources.list_states", list_states)
    said = cli.ok("source", "list").err
    assert said.count("subscriber=(address)") == said.count("in list_states") == 2
    assert "hushhush" not in said


@pytest.mark.parametrize("command", ["outbox retry", "outbox resend", "submission reject", "token revoke"])
@pytest.mark.parametrize("number", [2**63, 10**30])
def test_a_number_that_no_row_can_have_is_not_found(cli: Cli, command: str, number: int) -> None:
    ran = cli(*command.split(), str(number))
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "internal error" not in ran.err


def test_markup_in_a_message_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("[red]not red[/]")
    output.print_table(("a",), [("[b]x[/b]",)])
    captured = capsys.readouterr()
    assert captured.err == "[red]not red[/]\n"
    assert "[b]x[/b]" in captured.out


def test_a_pipe_gets_whole_titles(capsys: pytest.CaptureFixture[str]) -> None:
    title = "A title of many words " * 20
    output.print_table(("title",), [(title.strip(),)])
    assert title.strip() in capsys.readouterr().out


def test_the_database_is_upgraded(cli: Cli, tmp_path: Path) -> None:
    assert f"from nothing to {HEAD}" in cli.ok("db", "upgrade").err
    assert f"from {HEAD} to {HEAD}" in cli.ok("db", "upgrade").err
    assert (tmp_path / "digest.db").exists()


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        (("subscriber", "add", f"{'x' * 100_000}@example.org"), "characters too many)"),
        (("subscriber", "add", "reader@example.org", "--send-at", "x" * 100_000), "write HH:MM, such as 07:30"),
        (("profile", "show", "x" * 100_000), "shows them"),
        (("run", "--now", "x" * 100_000), "write one such as 2026-06-03T07:00:00Z (see `digest run --help`)"),
        (("x" * 100_000,), "`digest --help` lists them"),
        (("bounce", "x" * 100_000), "file name too long"),
    ],
    ids=lambda value: value[-1][:8] if isinstance(value, tuple) else "",
)
def test_a_message_does_not_repeat_all_of_a_long_value(cli: Cli, command: tuple[str, ...], ends: str) -> None:
    ran = cli(*command)
    assert (ran.code in {1, 2}, ran.err.count("\n"), len(ran.err) < 1100) == (True, 1, True)
    assert ran.err.startswith("error: ")
    assert ran.err.rstrip("\n").endswith(ends), ran.err[-300:]

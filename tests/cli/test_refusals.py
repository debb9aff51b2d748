"""What is typed wrongly is refused by one line that says where and how to fix it, and changes nothing."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commandline import Cli

READER = "reader@example.org"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test keeps what the others begin with."""
    return tmp_path_factory.mktemp("kept") / "filled"


@pytest.fixture
def filled(cli: Cli, kept: Path) -> Cli:
    if kept.exists():
        shutil.copytree(kept, cli.folder, dirs_exist_ok=True)
        return cli
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", READER, "--profile", "Cats", "--confirmed")
    cli.ok("admin", "add", "desk@example.org", stdin="a long password\n")
    (cli.folder / "binary").write_bytes(b"\x00\xff\xfe\x01" * 100)
    (cli.folder / "folder").mkdir()
    shutil.copytree(cli.folder, kept)
    return cli


def rows(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "digest.db") as database:
        return list(database.iterdump())


HUGE = "9" * 30
TYPED = [
    # commands and options
    (("rnu",), "no command 'rnu'; did you mean 'run'?"),
    (("zzz",), "no command 'zzz'; `digest --help` lists them"),
    (("subscriber", "ad"), "no command 'ad'; did you mean 'add'?"),
    (("outbox", "resent", "1"), "no command 'resent'; did you mean 'resend'?"),
    (("run", "--evryone"), "--evryone"),
    (("source", "list", "--jsn"), "no option --jsn; did you mean --json?"),
    (("profile", "add", "X", "--rules", "@"), "--rules @ needs the name of a file, such as @rules.txt"),
    (("outbox", "resolve", "1"), "give --arrived if the emails were delivered, or --again to send them again"),
    (("run", "now"), "unexpected extra argument(s) (now) (see `digest run --help`)"),
    (("subscriber", "add"), "Missing argument 'EMAIL' (see `digest subscriber add --help`)"),
    (("profile", "add", "Dogs"), "Missing option '--rules' (see `digest profile add --help`)"),
    # times and numbers
    (("run", "--now", "tomorrow"), "'tomorrow' is not a time; write one such as 2026-06-03T07:00:00Z"),
    (("run", "--now", "0001-01-01"), "'0001-01-01' is not in the years 1970 to 2199"),
    (("run", "--now", "9999-12-31T23:59:59-12:00"), "is not in the years 1970 to 2199"),
    (("run", "--now", ""), "'' is not a time"),
    *(
        ((*command, "--days", days), "--days")
        for command in (("match", "cat"), ("profile", "backtest", "Cats"))
        for days in ("0", "-1", "x", "1.5", HUGE, "36501")
    ),
    *((("subscriber", "list", "--limit", limit), "--limit") for limit in ("0", "-1", "x", HUGE)),
    *((("outbox", "list", "--limit", limit), "--limit") for limit in ("0", HUGE)),
    (("outbox", "list", "--state", "lost"), "'lost' is not one of"),
    (("outbox", "retry", HUGE), "ID"),
    (("outbox", "resolve", "-1", "--again"), ""),
    (("outbox", "resolve", "x", "--again"), "'ID…': Input should be a valid integer"),
    (("submission", "approve", HUGE), "ID"),
    (("submission", "reject", "7"), "no submission '7'; `digest submission list` shows them"),
    (("profile", "restore", "Cats", HUGE), "VERSION"),
    (("profile", "restore", "Cats", "7"), "no version '7'; `digest profile history 'Cats'` shows them"),
    (("profile", "history", "Cats", "--diff", HUGE), "--diff"),
    (("token", "revoke", HUGE), "ID"),
    (("token", "add", "x", "--admin", "desk@example.org", "--scope", "profiles:read", "--days", HUGE), "--days"),
    # addresses and names
    *(
        ((*command, "reader"), "'reader' is not an email address: ")
        for command in (("subscriber", "add"), ("suppression", "add"), ("admin", "add"))
    ),
    (("subscriber", "add", ""), "'' is not an email address: "),
    (("subscriber", "add", "a b@example.org"), "'a b@example.org' is not an email address: "),
    (("subscriber", "show", "raeder@example.org"), f"no subscriber 'raeder@example.org'; did you mean '{READER}'?"),
    (("subscriber", "show", "editor@example.org"), "'editor@example.org'; `digest subscriber list` shows them"),
    (("subscriber", "add", "x@example.org", "--profile", "Cast"), "no profile 'Cast'; did you mean 'Cats'?"),
    (("subscriber", "add", "x@example.org", "--profile", "Dogs"), "'Dogs'; `digest profile list` shows them"),
    (("subscriber", "add", "x@example.org", "--timezone", "Berlin"), "did you mean 'Europe/Berlin'?"),
    (("subscriber", "add", "x@example.org", "--timezone", "Mars"), "write an IANA name such as 'Europe/Berlin'"),
    (("subscriber", "add", "x@example.org", "--days", "never"), "write daily, weekdays or some such as mon,thu"),
    (("subscriber", "add", "x@example.org", "--send-at", "late"), "'late' is not a time; write HH:MM, such as 07:30"),
    (("subscriber", "add", "x@example.org", "--send-at", "25:00"), "write HH:MM, such as 07:30"),
    (("subscriber", "add", "x@example.org", "--language", "tlh"), "no language 'tlh'; there are en, de"),
    (("subscriber", "add", "x@example.org", "--announce", "old"), "write all, or some of new,cross,updates"),
    (("subscriber", "add", "x@example.org", "--max-papers", "0"), "--max-papers"),
    (("subscriber", "add", "x@example.org", "--keywords", "cat AND"), "line 1, column 8: "),
    (("subscriber", "pause", READER, "--until", "soon"), "'soon' is not a date; write one such as 2026-06-03"),
    (("subscriber", "pause", READER, "--until", "2020-01-01"), "2020-01-01 has already begun; choose a date"),
    (("profile", "add", "", "--rules", "cat"), "name"),
    (("profile", "add", "Cats", "--rules", "cat"), "'Cats'"),
    (("profile", "add", "Empty", "--rules", ""), ""),
    (("token", "add", "x", "--admin", "desk@example.org", "--scope", "everything"), "'everything' is not one of"),
    (("preview", READER, "--send-to", "me"), "'me' is not an email address: "),
    (("preview", READER, "--kind", "letter"), "error: Invalid value for '--kind': 'letter' is not one of"),
    # files
    *(
        ((*command, name), f"{name}: cannot be read: {reason}")
        for command in (("subscriber", "import"), ("profile", "import"))
        for name, reason in (("missing", "No such file or directory"), ("folder", "Is a directory"))
    ),
    (("subscriber", "import", "binary"), "binary: line 1: the byte 0xFF"),
    (("profile", "import", "binary"), "binary: cannot be read: it is not UTF-8 text; save it as UTF-8"),
    (("match", "@missing"), "missing: the rules cannot be read: No such file or directory"),
    (("match", "@folder"), "folder: the rules cannot be read: Is a directory"),
    (("match", "@binary"), "binary: the rules cannot be read: it is not UTF-8 text"),
    (("bounce", "missing"), "missing: no such file or folder; nothing was read"),
    (("init", "binary"), "binary"),
    (("init", "."), "config.toml already exists; edit it, or name another folder"),
    (("demo", "--output", "binary"), "binary: "),
    (("demo", "--output", "."), ". is not empty; name another folder with --output"),
    (("source", "list", "--config", "missing.toml"), "missing.toml: no such file; create one with `digest init`"),
    (("source", "list", "--config", "folder"), "folder: cannot be read: Is a directory"),
    (("source", "list", "--config", "binary"), "binary: cannot be read: it is not UTF-8 text; save it as UTF-8"),
]


@pytest.mark.parametrize(("typed", "message"), TYPED, ids=[" ".join(typed)[:60] for typed, _ in TYPED])
def test_it_is_refused_on_one_line_and_nothing_changes(filled: Cli, typed: tuple[str, ...], message: str) -> None:
    before = rows(filled.folder)
    ran = filled(*typed)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err
    assert rows(filled.folder) == before


# Root may read every file, but not without these two capabilities.
_UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.skipif(bool(_UNPRIVILEGED) and shutil.which("setpriv") is None, reason="setpriv is not here")
def test_a_file_without_permission_is_named(filled: Cli) -> None:
    secret = filled.folder / "secret.csv"
    secret.write_text("email\n")
    secret.chmod(0)
    command = [*_UNPRIVILEGED, sys.executable, "-m", "digest", "subscriber", "import", "secret.csv"]
    ran = subprocess.run(command, cwd=filled.folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "path 'secret.csv' is not readable" in ran.stderr


@pytest.mark.parametrize(
    "typed",
    [
        ("source", "list", "--config", "/dev/zero"),
        ("profile", "add", "X", "--rules", "@/dev/zero"),
        ("profile", "import", "/dev/zero"),
        ("subscriber", "import", "/dev/zero"),
    ],
)
def test_a_file_that_never_ends_is_refused(
    filled: Cli, typed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in ("digest.config", "digest.cli.options"):
        monkeypatch.setattr(f"{where}._MAX_BYTES", 2**20)
    ran = filled(*typed)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"error: /dev/zero: .*is larger than 1 MB.*\n", ran.err)


def test_a_file_with_addresses_but_no_header_says_what_to_write_above_them(filled: Cli) -> None:
    ran = filled("subscriber", "import", "-", stdin="one@example.org\ntwo@example.org\n")
    assert ran.code == 2
    assert "stdin: line 1: no column 'email'" in ran.err
    assert "write email above the addresses" in ran.err


def test_a_feed_that_is_missing_is_named(filled: Cli) -> None:
    ran = filled("match", "cat", "--feed", "missing.xml")
    assert ran.code == 1
    assert "missing.xml" in ran.err
    assert ran.err.endswith("error: no feed could be read\n")


@pytest.mark.parametrize("typed", [("admin", "add", "new@example.org"), ("match", "-"), ("profile", "import", "-")])
def test_stdin_that_is_not_text_is_refused(filled: Cli, typed: tuple[str, ...]) -> None:
    ran = filled(*typed, stdin=b"\xff\xfe\n")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "cannot be read: it is not UTF-8 text; save it as UTF-8" in ran.err


def test_subscribers_are_imported_from_stdin(filled: Cli) -> None:
    filled.ok("subscriber", "import", "-", stdin="\ufeffE-Mail\nnew@example.org\n")
    assert len(filled.ok("subscriber", "list", "--json").records) == 2


def test_an_argument_that_is_not_utf_8_is_refused(filled: Cli) -> None:
    ran = filled("subscriber", "add", "caf\udce9@example.org")
    assert (ran.code, ran.err) == (2, "error: argument 3, 'caf\\udce9@example.org', is not UTF-8 text\n")


@pytest.mark.parametrize("typed", [(), ("subscriber",)])
def test_without_a_command_the_help_is_printed(bare: Cli, typed: tuple[str, ...]) -> None:
    ran = bare(*typed)
    assert ran.code == 2
    assert "Usage: digest" in ran.out + ran.err
    assert "error: " not in ran.err

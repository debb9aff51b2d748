"""An opened installation: its database, its key, and the files beside them."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest.security.files import create_folder
from digest.store import Store
from tests.commandline import Cli

COMMANDS = (["serve"], ["run"], ["subscriber", "list"], ["db", "upgrade"])


@pytest.fixture
def used(cli: Cli) -> Cli:
    """An installation in use, on any free port, which has begun to send."""
    cli.configure("[web]\nport = 0\n")
    cli.ok("profile", "add", "Cats", "--rules", "cat")
    cli.ok("subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed")
    cli.ok("run", "--everyone")
    return cli


def lose_database(folder: Path) -> None:
    for file in folder.glob("digest.db*"):
        file.unlink()


@pytest.mark.parametrize(
    ("command", "lost", "left"),
    [
        *((command, "missing", "secret.key") for command in COMMANDS),
        (["serve"], "empty", "digest.db.profiles"),
        (["run"], "without tables", "secret.key"),
    ],
)
def test_no_new_database_is_made_beside_what_another_one_left(
    used: Cli, command: list[str], lost: str, left: str
) -> None:
    lose_database(used.folder)
    (used.folder / "secret.key").rename(used.folder / left)
    if lost == "empty":
        (used.folder / "digest.db").touch()
    if lost == "without tables":
        with Store(used.folder / "digest.db") as store, store.write():
            pass
    ran = used(*command)
    assert ran.code == 1
    (message,) = ran.err.splitlines()
    assert message.startswith(
        f"error: {used.folder}/digest.db: the database is missing or empty, but {used.folder}/{left} is of one"
    )
    assert (used.folder / "digest.db").exists() == (lost != "missing")


def test_a_new_database_is_made_once_what_was_left_is_moved_away(used: Cli) -> None:
    lose_database(used.folder)
    (used.folder / "secret.key").rename(used.folder / "elsewhere")
    used.ok("run")
    assert (used.folder / "secret.key").exists()


@pytest.mark.parametrize("command", [["run"], ["serve"]], ids=" ".join)
def test_no_key_is_made_for_a_database_that_another_one_was_used_with(used: Cli, command: list[str]) -> None:
    (used.folder / "secret.key").unlink()
    ran = used(*command)
    assert ran.code == 2
    assert f"error: {used.folder}/secret.key: is missing, and {used.folder}/digest.db needs this very key" in ran.err
    assert not (used.folder / "secret.key").exists()


@pytest.mark.parametrize("is_given", [False, True])
def test_another_key_is_refused_and_the_message_says_where_it_is(
    used: Cli, is_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_given:
        monkeypatch.setenv("DIGEST_SECRET_KEY", "k" * 32)
    else:
        (used.folder / "secret.key").write_text("k" * 32)
    ran = used("run")
    assert ran.code == 2
    where = "environment: DIGEST_SECRET_KEY" if is_given else f"{used.folder}/secret.key"
    assert f"error: {where}: is not the key that this database was created with" in ran.err


DATABASE = ("digest.db", "digest.db-wal", "digest.db-shm")


def modes_in(folder: Path) -> dict[str, int]:
    """The permissions of all files and folders below one."""
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*")}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Another umask, once the test's own folder is there."""
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_files_of_an_open_database_are_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "below" / "digest.db"
    create_folder(file.parent)
    with Store(file) as store:
        store.upgrade()
        with store.read():
            assert modes_in(tmp_path) == {
                "below": 0o700,
                **dict.fromkeys((f"below/{name}" for name in DATABASE), 0o600),
            }
    for path in file.parent.iterdir():  # as an older version has left it
        path.chmod(0o644)
    with Store(file) as store, store.read():
        assert {mode for path, mode in modes_in(tmp_path).items() if path != "below"} == {0o600}


@pytest.mark.usefixtures("umask")
def test_the_key_mails_snapshot_and_demo_are_for_their_owner_only(bare: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.pipeline.compiled_profiles._SNAPSHOT_FROM", 1)
    bare.ok("demo")
    bare.ok("init", "below/new")
    for command in (
        ["profile", "add", "Cats", "--rules", "cat"],
        ["subscriber", "add", "reader@example.org", "--profile", "Cats", "--confirmed"],
        ["subscriber", "add", "new@example.org"],
        ["publish", "--everyone"],
        ["deliver"],
    ):
        bare.ok(*command, "--config", "below/new/config.toml")
    modes = modes_in(bare.folder)
    assert {Path(path).suffix for path in modes} >= {".db", ".eml", ".html", ".key", ".profiles", ".toml", ".xml"}
    assert len([path for path in modes if path.endswith(".eml")]) == 5
    assert {path: oct(mode) for path, mode in modes.items() if mode not in {0o600, 0o700}} == {}


def test_a_disk_that_is_full_is_said_so_and_loses_nothing(used: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    used.write_papers(*(f"Cats, part {number}" for number in range(200)))
    with monkeypatch.context() as full:
        full.setattr("digest.store.sqlite._PRAGMAS", ("max_page_count=1",))
        ran = used("run")
    assert ran.code == 1
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: {used.folder}/digest.db: database or disk is full"]
    used.ok("run", "--everyone")
    assert len(used.ok("outbox", "list", "--json").records) == 2


# Root may write everywhere, unless it gives that up.
AS_ANY_USER = ["setpriv", *(f"--{kind}=-dac_override,-dac_read_search" for kind in ("bounding-set", "inh-caps"))]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_is_read_only_is_said_so(used: Cli, command: list[str]) -> None:
    for path, mode in (("", 0o555), ("digest.db", 0o444), ("secret.key", 0o444)):
        (used.folder / path).chmod(mode)
    program = [*(AS_ANY_USER if os.getuid() == 0 else []), sys.executable, "-m", "digest", *command]
    ran = subprocess.run(program, cwd=used.folder, capture_output=True, text=True, check=False)
    used.folder.chmod(0o755)
    assert ran.returncode == 1, ran
    (message,) = ran.stderr.splitlines()
    assert message.startswith(f"error: {used.folder}/digest.db: ")
    assert message.endswith("; this user needs write access to the file and its folder")

"""digest init: a first config.toml that works."""

import pytest

from digest.cli.setup import _FIRST
from tests.commandline import Cli


@pytest.mark.parametrize("folder", [".", "papers/today"])
def test_a_new_installation_is_ready(bare: Cli, folder: str) -> None:
    ran = bare.ok("init", folder)
    made = sorted(f.name for f in (bare.folder / folder).iterdir() if not f.name.endswith(("-shm", "-wal")))
    assert made == ["config.toml", "digest.db", "secret.key"]
    assert ("--config" in ran.err) == (folder != ".")
    assert "digest admin add" in ran.err
    assert "digest serve" in ran.err
    config = (bare.folder / folder / "config.toml").read_text()
    assert config == _FIRST
    assert bare.ok("--config", f"{folder}/config.toml", "source", "list", "--json").record == {
        "name": "arxiv-ml",
        "kind": "feed",
        "state": "never asked",
        "entries": None,
        "checked_at": None,
        "succeeded_at": None,
        "url": "https://rss.arxiv.org/atom/cs.LG+cs.CL",
    }


def test_an_existing_file_is_never_overwritten(bare: Cli) -> None:
    (bare.folder / "config.toml").write_text("# mine")
    ran = bare("init")
    assert ran.code == 2
    assert ran.err == "error: config.toml already exists; edit it, or name another folder\n"
    assert (bare.folder / "config.toml").read_text() == "# mine"


def test_a_folder_that_cannot_be_created_is_reported(bare: Cli) -> None:
    (bare.folder / "file").write_text("")
    ran = bare("init", "file/papers")
    assert ran.code == 2
    assert ran.err == "error: file/papers/config.toml: cannot be written: Not a directory\n"

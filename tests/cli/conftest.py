"""The command line as people use it: `digest …` in a folder of its own."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from digest.cli import main
from tests.cli import Ran

CONFIG = """
[newsletter]
base_url = "https://digest.example.org"

[[source]]
name = "list"
kind = "text"
url = "papers.txt"
"""

ABSTRACT = "We look into it, at length and with care, because a short abstract is easily mistaken for a title. " * 4


@dataclass
class Cli:
    """Runs the console script in this process. `folder` is the current directory."""

    folder: Path
    _run: Callable[[list[str], str], Ran]

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        return self._run(list(arguments), stdin)

    def ok(self, *arguments: str, stdin: str = "") -> Ran:
        """Run what has to succeed."""
        ran = self(*arguments, stdin=stdin)
        assert ran.code == 0, ran
        return ran

    def write_papers(self, *titles: str) -> None:
        """What the configured source serves from now on."""
        text = "\n".join(f"{title}\n{ABSTRACT}{title}." for title in titles)
        (self.folder / "papers.txt").write_text(text, encoding="utf-8")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(arguments: list[str], stdin: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["digest", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
            sys.exit(0)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code=left.value.code or 0, out=captured.out, err=captured.err)

    return Cli(tmp_path, run)


@pytest.fixture
def cli(bare: Cli) -> Cli:
    """The command line beside a config.toml whose one source serves a paper on cats and one on dogs."""
    (bare.folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    bare.write_papers("A study of cats", "A study of dogs")
    return bare

"""The command line as people use it: `digest …` in a folder of its own."""

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digest.cli import main

CONFIG = """
[newsletter]
base_url = "https://digest.example.org"

[[source]]
name = "list"
kind = "text"
url = "papers.txt"
"""

ABSTRACT = "We look into it, at length and with care, because a short abstract is easily mistaken for a title. " * 4


@dataclass(frozen=True)
class Ran:
    """Exit code, data and messages of one command."""

    code: int | str
    out: str
    err: str

    @property
    def records(self) -> list[Any]:
        """What `--json` printed, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> Any:
        """The only object that `--json` printed."""
        (one,) = self.records
        return one


class Cli:
    """Runs the console script in this process; `folder` is its current directory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["digest", *arguments])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Ran(code=left.value.code or 0, out=captured.out, err=captured.err)

    def ok(self, *arguments: str, stdin: str = "") -> Ran:
        """Run what has to succeed."""
        ran = self(*arguments, stdin=stdin)
        assert ran.code == 0, ran
        return ran

    def configure(self, toml: str) -> None:
        """Add to config.toml."""
        with (self.folder / "config.toml").open("a", encoding="utf-8") as config:
            config.write(toml)

    def write_papers(self, *titles: str) -> None:
        """What the configured source serves from now on."""
        text = "\n".join(f"{title}\n{ABSTRACT}{title}." for title in titles)
        (self.folder / "papers.txt").write_text(text, encoding="utf-8")

"""What is shipped: the wheel holds everything that runs, and the README's commands are real."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from digest.cli import commands as root
from tests.serving import Serving

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hatchling = pytest.importorskip("hatchling.build", reason="needs hatchling, the build backend")
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / str(hatchling.build_wheel(str(folder)))
    finally:
        os.chdir(before)


def test_the_wheel_holds_every_file_that_runs(wheel: Path) -> None:
    shipped = set(zipfile.ZipFile(wheel).namelist())
    package = {str(f.relative_to(ROOT)) for f in (ROOT / "digest").rglob("*") if f.is_file()}
    templates = {f"digest/{f.relative_to(ROOT)}" for f in (ROOT / "templates").rglob("*") if f.is_file()}
    assert len(templates) > 5
    assert {f for f in package | templates if "__pycache__" not in f} - shipped == set()


def test_the_demo_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    run = "import sys; sys.path.insert(0, sys.argv.pop(1)); import digest.cli; digest.cli.main()"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", run, str(tmp_path / "site"), "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "digest-demo" / "mail").glob("*.eml"))) == 4


def test_every_command_in_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))
    written = re.findall(r"^(?:.*\.venv/bin/)?digest ([a-z]+(?: [a-z]+)?)", blocks, re.MULTILINE)
    assert len(written) >= 7
    group = typer.main.get_command(root)
    for words in written:
        command: Any = group
        for word in words.split():
            commands = getattr(command, "commands", None)
            if commands is None:  # what follows is an argument
                break
            assert word in commands, words
            command = commands[word]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_calls_in_the_readme_work_on_the_demo(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (found for found in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "/api/v1" in found)
    (tmp_path / "digest").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m digest "$@"\n', encoding="utf-8")
    (tmp_path / "digest").chmod(0o755)
    demo = Serving(tmp_path, "demo", "--serve")
    try:
        url = demo.wait_for(r"(http://127\.0\.0\.1:\d+)")
        demo.wait_for("The pages: ")
        ran = subprocess.run(
            ["bash", "-e", "-c", block.replace("http://127.0.0.1:8000", url).replace("curl", "curl --fail -w '\\n'")],
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        demo.stop()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line]
    assert [type(answer) for answer in answers] == [dict] * 6
    assert (answers[1]["count"] > 0, answers[3]["next"] is not None) == (True, True)
    assert answers[5]["counts"] == {"asked": 1, "bad": 1}


def test_commands_do_not_load_what_only_the_api_needs() -> None:
    asked = "import sys, digest.cli; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0

"""The wheel contains everything that Digest needs to run."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


def test_commands_do_not_load_what_only_the_api_needs() -> None:
    asked = "import sys, digest.cli; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=False).returncode == 0

"""The documentation is complete, its links and paths exist, and its commands run."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from digest.cli import commands
from digest.config.sections import ConfigFile
from digest.mail import context
from digest.web.template_data import SignedIn, Site
from tests.serving import Serving

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCS = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
MOST_README_LINES = 180

SAMPLE_FEED = ROOT / "digest" / "samples" / "papers.atom.xml"


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command as it is typed."""

    def within(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, command in sorted(group.commands.items()):
            typed = f"{prefix} {name}"
            if hasattr(command, "commands"):
                yield from within(command, typed)
            else:
                yield typed, command

    return within(typer.main.get_command(commands), "digest")


def every_key(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields (section, key) for every configuration key."""
    for name, field in section.model_fields.items():
        key, inner = field.alias or name, field.annotation
        nested = inner if isinstance(inner, type) else getattr(inner, "__args__", (None,))[0]
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            yield from every_key(nested, f"{prefix}{key}.")
        else:
            yield prefix.rstrip("."), key


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= MOST_README_LINES


@pytest.mark.parametrize("command", [typed for typed, _ in every_command()])
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`{command}\b", (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"))


def test_every_option_is_documented_with_its_command() -> None:
    rows = [line for line in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").splitlines() if "|" in line]
    shared = "\n".join(row for row in rows if row.startswith("| `--"))
    edited = next(row for row in rows if "`digest subscriber add" in row)
    missing = []
    for typed, command in every_command():
        (row,) = (row for row in rows if re.search(rf"`{typed}[ `]", row))
        known = row + (shared if "--json" in row or "--now" in row else "") + "--config"
        known += edited if typed == "digest subscriber edit" else ""
        options = [o for p in command.params if p.param_type_name == "option" for o in (*p.opts, *p.secondary_opts)]
        missing += [f"{typed} {option}" for option in options if option != "--help" and option not in known]
    assert missing == []


def test_every_configuration_key_is_documented_and_in_the_example() -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    missing = []
    for section, key in every_key(ConfigFile):
        tables = DOCS.split(f"| `[{section}]`")[1:] + DOCS.split(f"| `[[{section}]]`")[1:]
        within = any(re.search(rf"`{key}`", table.split("\n\n")[0]) for table in tables)
        dotted = re.search(rf"`{section}\.{key}`|`{section}\.\w+`(?: · `\w+`)* · `{key}`", DOCS)
        if not (within or dotted) or not re.search(rf"^{key} = ", example, re.M):
            missing.append(f"{section}.{key}")
    assert missing == []


def test_every_variable_of_the_mails_and_of_all_pages_is_documented() -> None:
    text = (ROOT / "docs" / "templates-and-languages.md").read_text(encoding="utf-8")
    records = [r for r in vars(context).values() if dataclasses.is_dataclass(r) and r.__module__ == context.__name__]
    names = {field.name for record in (*records, Site, SignedIn) for field in dataclasses.fields(record)}
    assert len(names) > 40
    assert [name for name in sorted(names) if not re.search(rf"[`.]{name}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        if file.startswith("http"):
            continue
        there = page.parent / file if file else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.*)", there.read_text(encoding="utf-8"), re.M) if heading else []
        assert not heading or heading in [h.lower().replace(" ", "-") for h in headings], target


def test_paths_of_the_project_exist() -> None:
    named = set(re.findall(r"`((?:digest|templates|tests|docs)/[\w./-]*)`", DOCS))
    assert len(named) > 10
    assert [
        path for path in sorted(named) if "NOUN" not in path and "CODE" not in path and not (ROOT / path).exists()
    ] == []


def test_the_map_of_the_code_names_every_package() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    packages = [p.name for p in (ROOT / "digest").iterdir() if (p / "__init__.py").exists()]
    assert [name for name in packages if f"{name}/" not in readme] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `digest` on the path, whose new configurations read the sample papers instead of the web."""
    shutil.copy(SAMPLE_FEED, tmp_path / "papers.xml")
    offline = f'sed -i \'s|https://[^"]*|{tmp_path}/papers.xml|\' "$2/config.toml"'
    script = f'#!/bin/sh\n"{sys.executable}" -m digest "$@" || exit $?\n[ "$1" != init ] || {offline}\n'
    (tmp_path / "digest").write_text(script, encoding="utf-8")
    (tmp_path / "digest").chmod(0o755)
    return tmp_path


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_newsletter_of_the_readme_arrives(folder: Path) -> None:
    (script,) = (block for block in blocks(ROOT / "README.md") if "digest init" in block)
    ran = run(folder, script.replace(". .venv/bin/activate\n", ""))
    assert ran.returncode == 0, ran.stderr
    assert len(list((folder / "papers" / "outbox" / "new").iterdir())) == 1


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if blocks(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(folder: Path, page: Path) -> None:
    script = re.sub(r"https://rss\.arxiv\.org/\S+", "papers.xml", "\n".join(blocks(page)))
    if "digest init" not in script:
        subscriber = "digest subscriber add you@example.org --keywords diffusion --confirmed"
        script = f"digest init .\ndigest ingest\n{subscriber}\n{script}"
    ran = run(folder, script)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_calls_of_the_api_page_work_on_the_demo(folder: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    demo = Serving(folder, "demo", "--serve")
    try:
        url = demo.wait_for(r"(http://127\.0\.0\.1:\d+)")
        demo.wait_for("The pages: ")
        ran = run(folder, block.replace("http://127.0.0.1:8000", url).replace("curl", "curl --fail -w '\\n'"))
    finally:
        demo.stop()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line]
    assert [type(answer) for answer in answers] == [dict] * 6
    assert (answers[1]["count"] > 0, answers[3]["next"] is not None) == (True, True)
    assert answers[5]["counts"] == {"asked": 1, "bad": 1}

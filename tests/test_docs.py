"""The documentation is complete, its links and paths exist, and its commands run."""

import dataclasses
import itertools
import json
import os
import re
import shlex
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
from digest.config import ConfigFile
from digest.mail import context
from digest.web.rendering import SignedIn, Site
from tests.commandline import Cli
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


def split_commands(script: str) -> Iterator[list[str]]:
    """Yields the words of each command, with "|", "||" and ">" as words of their own, and without comments."""
    lexer = shlex.shlex(script, posix=True, punctuation_chars="|>\n")
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words: list[str] = []
    for word in (*lexer, "\n"):
        if not word.strip("\n"):
            if words:
                yield words
            words = []
        elif word.startswith("#") or (words and words[-1] == "#"):
            words.append("#")
        else:
            words.append(word)


def run_script(cli: Cli, script: str) -> None:
    """Run the documented commands in this process, as a shell would: starting a Python for each takes too long."""
    for command in split_commands(script):
        words = list(itertools.takewhile(lambda word: word != "#", command))
        if not words:
            continue
        may_fail = words[-2:] == ["||", "true"]
        words = words[:-2] if may_fail else words
        words, target = (words[:-2], words[-1]) if ">" in words else (words, "")
        said, _, words = ("", "", words) if "|" not in words else (words[1], "|", words[words.index("|") + 1 :])
        match words:
            case ["cd", path]:
                cli.folder = cli.folder / path
                os.chdir(cli.folder)
            case ["ls", path]:
                assert list((cli.folder / path).iterdir()), path
            case ["printf", text]:
                (cli.folder / target).write_text(text.replace("\\n", "\n"), encoding="utf-8")
            case ["digest", *arguments]:
                ran = cli(*arguments, stdin=f"{said}\n")
                assert may_fail or ran.code == 0, (command, ran)
                if target:
                    (cli.folder / target).write_text(ran.out, encoding="utf-8")
                if arguments[0] == "init":
                    read_samples(cli.folder / arguments[1])
            case _:
                pytest.fail(f"{command}: no such command in these tests")


def read_samples(folder: Path) -> None:
    """Let a new configuration read the sample papers instead of the web."""
    shutil.copy(SAMPLE_FEED, folder / "papers.xml")
    config = folder / "config.toml"
    config.write_text(re.sub(r'"https://[^"]*"', '"papers.xml"', config.read_text(encoding="utf-8")), encoding="utf-8")


def test_the_first_newsletter_of_the_readme_arrives(bare: Cli) -> None:
    (script,) = (block for block in blocks(ROOT / "README.md") if "digest init" in block)
    run_script(bare, script.replace(". .venv/bin/activate\n", "").replace(" && ", "\n"))
    assert len(list((bare.folder / "outbox" / "new").iterdir())) == 1


@pytest.mark.parametrize("page", [page for page in PAGES[1:] if blocks(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(bare: Cli, page: Path) -> None:
    script = re.sub(r"https://rss\.arxiv\.org/\S+", "papers.xml", "\n".join(blocks(page)))
    if "digest init" not in script:
        subscriber = "digest subscriber add you@example.org --keywords diffusion --confirmed"
        script = f"digest init .\ndigest ingest\n{subscriber}\n{script}"
    run_script(bare, script)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_calls_of_the_api_page_work_on_the_demo(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    (tmp_path / "digest").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m digest "$@"\n', encoding="utf-8")
    (tmp_path / "digest").chmod(0o755)
    demo = Serving(tmp_path, "demo", "--serve")
    try:
        url = demo.wait_for(r"(http://127\.0\.0\.1:\d+)")
        demo.wait_for("/admin")
        script = block.replace("http://127.0.0.1:8000", url).replace("curl", "curl --fail -w '\\n'")
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
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

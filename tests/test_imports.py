"""Imports point down only, and the five packages in the middle never import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "digest"

# From the bottom up. A module may import from the levels below it, and from its own package.
LEVELS: list[set[str]] = [
    {"closing", "spelling"},
    {"errors", "text", "timezones"},
    {"models", "security"},
    {"sources", "matching", "mail", "transport", "store"},
    {"subscribers", "config_errors"},
    {"config_values"},
    {"config", "pipeline"},
    {"explain"},
    {"admin"},
    {"app"},
    {"web"},
    {"service"},
    {"demo"},
    {"cli"},
]
OUTSIDE = {"digest", "__main__"}  # the version, and the console script's twin
STAGES = {"ingest", "publish", "deliver", "bounces"}


def level_of(package: str) -> int:
    return next(i for i, packages in enumerate(LEVELS) if package in packages)


def imports() -> Iterator[tuple[str, str, str]]:
    """Yields (file, its package, a package that it imports)."""
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        package = parts[0] if parts[0] != "__init__" else "digest"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.startswith("digest.") and name != "digest.__version__":
                    yield str(file.relative_to(PACKAGE)), package, name.removeprefix("digest.")


def test_every_package_has_its_level() -> None:
    packages = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert packages - {"__init__", "__main__"} == set().union(*LEVELS)


def test_imports_point_down_only() -> None:
    wrong = [
        f"{file} imports {name}"
        for file, package, name in imports()
        if package not in OUTSIDE and (other := name.split(".")[0]) != package and level_of(other) >= level_of(package)
    ]
    assert wrong == []


def test_the_stages_do_not_import_each_other() -> None:
    def stage(name: str) -> str:
        return next((s for s in STAGES if name.removesuffix(".py").replace("/", ".").startswith(f"pipeline.{s}")), "")

    assert [
        f"{file} imports {name}"
        for file, _, name in imports()
        if stage(file) and stage(name) and stage(file) != stage(name)
    ] == []


def test_each_foreign_library_is_imported_by_one_package() -> None:
    kept_in = {
        "sqlalchemy": "store",
        "alembic": "store",
        "httpx2": "sources",
        "feedparser": "sources",
        "lark": "matching",
        "smtplib": "transport",
        "imap_tools": "transport",
        "fastapi": "web",
        "starlette": "web",
        "uvicorn": "web",
    }
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        package = file.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module or ""]
            wrong += [f"{file.name}: {n}" for n in names if kept_in.get(n.split(".")[0], package) != package]
    assert wrong == []

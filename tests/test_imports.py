"""Which room may know which: imports point down only, and the five rooms never know each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "digest"

# From the bottom up. A module may import from the levels below it, and from its own where that is one room.
LEVELS: list[set[str]] = [
    {"errors", "models", "text"},
    {"links", "addresses", "returnpath", "passwords"},
    {"sources", "matching", "mail", "transport", "store"},
    {"schedule", "interests", "editions", "library"},
    {"people"},
    {"chooser"},
    {"config", "ingest", "publish", "deliver", "bounce", "samples", "explain"},
    {"desk"},
    {"installation"},
    {"web"},
    {"service"},
    {"demo"},
    {"cli"},
]
OUTSIDE = {"digest", "__main__"}  # the version, and the console script's twin
STAGES = {"ingest", "publish", "deliver", "bounce"}


def level_of(room: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if room in rooms)


def imports() -> Iterator[tuple[str, str, str]]:
    """(file, the room it is in, a room it imports from)."""
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        room = parts[0] if parts[0] != "__init__" else "digest"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.startswith("digest.") and name != "digest.__version__":
                    yield str(file.relative_to(PACKAGE)), room, name.split(".")[1]


def test_every_room_has_its_level() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__"} == set().union(*LEVELS)


def test_imports_point_down_only() -> None:
    wrong = [
        f"{file} imports {other}"
        for file, room, other in imports()
        if room not in OUTSIDE and room != other and level_of(other) >= level_of(room)
    ]
    assert wrong == []


def test_the_stages_do_not_know_each_other() -> None:
    assert [f for f, room, other in imports() if room in STAGES and other in STAGES and room != other] == []


def test_what_is_foreign_is_known_in_one_room_only() -> None:
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
        room = file.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [module or ""]
            wrong += [f"{file.name}: {n}" for n in names if kept_in.get(n.split(".")[0], room) != room]
    assert wrong == []

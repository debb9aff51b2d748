"""Servers to be measured, each in a separate process that ends with its parent.

python -m tests.benchmarks.serving ours CONFIG    the pages of an installation
python -m tests.benchmarks.serving bare FOLDER    each file of a folder by a bare route of Starlette's
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from digest.app import App
from digest.web.app import create_app
from digest.web.server import listen, serving, url_of


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """wrk's result: the number of requests that were answered, and the seconds that took."""

    answered: int
    seconds: float


@contextmanager
def server(kind: str, path: Path) -> Iterator[Server]:
    """Run a server of one of the kinds above on loopback during the block."""
    command = [sys.executable, "-m", "tests.benchmarks.serving", kind, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start"
            yield Server(url, process.pid)
        finally:
            process.stdin.close()


def load(wrk: str, url: str, *, seconds: int, connections: int = 8) -> Load:
    """Request one page repeatedly. Every response must be a success."""
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)s", said)
    assert found, said
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    return Load(int(found[1]), float(found[2]))


def bare(folder: Path) -> Starlette:
    """Returns an app with one route per file, which sends the file's bytes: the rival of our pages."""

    def route(file: Path) -> Route:
        body = file.read_bytes()

        async def answer(_request: Request) -> Response:
            return Response(body, media_type="text/html; charset=utf-8")

        return Route(f"/{file.name}", answer)

    return Starlette(routes=[route(file) for file in folder.iterdir()])


def _serve(app: ASGIApp) -> None:
    listener = listen("127.0.0.1", 0)
    with serving(app, listener, on_loss=lambda: None):
        print(url_of(listener), flush=True)
        sys.stdin.read()


def main() -> None:
    """Serve until standard input ends."""
    kind, path = sys.argv[1], Path(sys.argv[2])
    if kind == "bare":
        _serve(bare(path))
    else:
        with App.open(path) as app:
            _serve(create_app(app))


if __name__ == "__main__":
    main()

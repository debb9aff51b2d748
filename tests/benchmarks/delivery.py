"""A morning from end to end: it is decided who gets what, then every mail is made, handed over and marked.

`python -m tests.benchmarks.delivery FOLDER N own|shared` founds a newsletter (readers.py).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from digest.app import App
from tests.benchmarks.harness import Case, Method
from tests.benchmarks.morning import MorningScript, feed_of
from tests.benchmarks.readers import TODAY, configure, found, keywords_of
from tests.builders import NOW
from tests.recordings import papers_of


def cases(port: int, n: int, scripted: int, *, many: int = 0) -> Iterator[Case]:
    """`n` readers with keywords of their own, the first `scripted` also by a script; likewise with shared profiles.

    And `many` with keywords of their own.
    """
    for kind in ("own", "shared"):
        with _founded(n, kind) as folder:
            yield Case(kind, n, [_digest(folder, port), _script(folder, port, scripted)])
    if many:
        with _founded(many, "own") as folder:
            yield Case("own", many, [_digest(folder, port)], long=True)


@contextmanager
def _founded(n: int, kind: str) -> Iterator[Path]:
    """A newsletter, made in a process of its own: what that took in memory is no part of a morning."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", __name__, folder, str(n), kind], check=True)
        yield Path(folder)


def _digest(folder: Path, port: int) -> Method:
    """Works on a copy of the newsletter that has sent nothing yet."""
    copy = folder / "copy"

    def afresh() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in folder.glob("*.*"):
            shutil.copy(file, copy)
        configure(copy, port)
        os.sync()  # or else the first commit would wait for all of that

    def run(count: int) -> int:
        with App.open(copy / "config.toml") as newsletter:
            newsletter.check()
            newsletter.publish(now=NOW)
            report = newsletter.deliver(now=NOW)
        assert report.sent == count, report
        return count

    return Method("digest", run, before=afresh)


def _script(folder: Path, port: int, most: int) -> Method:
    script = MorningScript(feed_of(papers_of(TODAY)))
    readers = keywords_of(folder, most)

    def run(count: int) -> int:
        for email, keywords in readers[:count]:
            script.send(port, email, keywords)
        return count

    return Method("script", run, most=most)


if __name__ == "__main__":
    found(Path(sys.argv[1]), int(sys.argv[2]), shared=sys.argv[3] == "shared")

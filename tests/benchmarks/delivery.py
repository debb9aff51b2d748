"""Measures a whole morning: papers are selected, then every mail is rendered, sent and recorded.

`python -m tests.benchmarks.delivery FOLDER N own|shared` creates a newsletter (readers.py).
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
from tests.benchmarks.readers import TODAY, configure, create_newsletter, keywords_of
from tests.builders import NOW
from tests.recordings import papers_of


def cases(port: int, n: int, scripted: int, *, many: int = 0) -> Iterator[Case]:
    """`n` readers with keywords of their own, the first `scripted` also by a script; likewise with shared profiles.

    And `many` with keywords of their own.
    """
    for kind in ("own", "shared"):
        with _created(n, kind) as folder:
            yield Case(kind, n, [_digest(folder, port), _script(folder, port, scripted)])
    if many:
        with _created(many, "own") as folder:
            yield Case("own", many, [_digest(folder, port)], long=True)


@contextmanager
def _created(n: int, kind: str) -> Iterator[Path]:
    """Create a newsletter in a separate process, so that its memory is not counted."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", __name__, folder, str(n), kind], check=True)
        yield Path(folder)


def _digest(folder: Path, port: int) -> Method:
    """Returns our method, which works on a copy of the newsletter that has not sent anything."""
    copy = folder / "copy"

    def restore_newsletter() -> None:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for file in folder.glob("*.*"):
            shutil.copy(file, copy)
        configure(copy, port)
        os.sync()  # or else the first commit would wait for all of that

    def run(count: int) -> int:
        with App.open(copy / "config.toml") as newsletter:
            newsletter.composer.check()
            newsletter.publish(now=NOW)
            report = newsletter.deliver(now=NOW)
        assert report.sent == count, report
        return count

    return Method("digest", run, before=restore_newsletter)


def _script(folder: Path, port: int, most: int) -> Method:
    script = MorningScript(feed_of(papers_of(TODAY)))
    readers = keywords_of(folder, most)

    def run(count: int) -> int:
        for email, keywords in readers[:count]:
            script.send(port, email, keywords)
        return count

    return Method("script", run, most=most)


if __name__ == "__main__":
    create_newsletter(Path(sys.argv[1]), int(sys.argv[2]), shared=sys.argv[3] == "shared")

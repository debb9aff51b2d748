"""Starting and stopping a mail server."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

NOBODY = 65534  # who owns the mailboxes

# Where the tests are killed themselves, this shell is told and ends the server: Postfix forgets whose child it is when
# it changes its user. The server leads a process group, as Postfix takes for granted when it ends what it started.
_TIED_TO_US = ["setpriv", "--pdeathsig", "TERM", "sh", "-c", 'setsid "$@" & trap "kill $!" TERM; wait; wait', "sh"]

_PATIENCE_SECONDS = 30.0  # a server starts in one, on a machine that does nothing else


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where `program` cannot be started, and says why."""
    reason = "" if os.geteuid() == 0 else f"{program} must be started by root"
    if not shutil.which(program):
        reason = f"{program} is not here"
    return pytest.mark.skipif(bool(reason), reason=reason)


@contextmanager
def a_folder(name: str) -> Iterator[Path]:
    """A folder that the servers' users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def a_free_port() -> int:
    """A port that no other process gets before the server listens: below those that systems give out themselves."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    """A server, from when it answers on `port` to its end. SIGTERM ends it and all that it started."""
    with subprocess.Popen([*_TIED_TO_US, *command], start_new_session=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or _greets(port), f"{command} does not serve")
            if process.returncode is not None:
                raise RuntimeError(f"{command} ended at once: {log.read_text() if log.exists() else 'without a word'}")
            yield
        finally:
            process.terminate()


def wait_until(done: Callable[[], object], what: str) -> None:
    """Look again and again until `done` is true. Raises TimeoutError(what)."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def _greets(port: int) -> bool:
    """It says hello; a server that only listens may still be starting what is behind."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS) as client:
        return client.recv(1) != b""
    return False

"""Postfix's two test programs, and cores to run on."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Postfix:
    """smtp-sink takes everything and keeps nothing, smtp-source sends as fast as it can."""

    def __init__(self, source: str, sink: str) -> None:
        self._source = source
        self._sink = sink

    @classmethod
    def find(cls) -> "Postfix | None":
        """Returns the programs that are installed on this machine, or None."""
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        source, sink = shutil.which("smtp-source", path=path), shutil.which("smtp-sink", path=path)
        return cls(source, sink) if source and sink else None

    @contextmanager
    def sink(self) -> Iterator[int]:
        """The port of a server that takes everything, in a process and on a core of its own."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self._sink, *user, f"127.0.0.1:{port}", "1000"]
        with subprocess.Popen(command) as process:
            try:
                _wait_for(port)
                with separate_cores(process.pid):
                    yield port
            finally:
                process.terminate()

    def send(self, port: int, size: int, count: int) -> None:
        """Ten sessions that stay connected (-d)."""
        command = [self._source, "-d", "-s", "10", "-l", str(size), "-m", str(count), f"127.0.0.1:{port}"]
        subprocess.run(command, check=True)


@contextmanager
def separate_cores(server: int) -> Iterator[None]:
    """Pin a server to one core and clients to the others: figures vary when processes move between cores."""
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(cores) < 2:
        yield
        return
    os.sched_setaffinity(server, cores[-1:])
    os.sched_setaffinity(0, cores[:-1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError("smtp-sink does not serve")

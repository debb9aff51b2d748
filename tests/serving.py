"""Commands that run until they are told to stop, in processes of their own."""

import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

IN_TIME = 30.0  # seconds; a busy machine may need some


class Serving:
    """`digest …` in a process of its own, until it is ended; what it says is read as it comes."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "digest", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._told = threading.Condition()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._told:
                self.said += line
                self._told.notify_all()

    def wait_for(self, pattern: str) -> str:
        """Wait for output that matches the pattern, and return its first group."""
        with self._told:
            assert self._told.wait_for(lambda: re.search(pattern, self.said), IN_TIME), self.said
        found = re.search(pattern, self.said)
        assert found is not None
        return found[1] if found.re.groups else found[0]

    def stop(self) -> None:
        """End it as an operator does, and well."""
        self.process.send_signal(signal.SIGTERM)
        self.end()

    def end(self) -> None:
        """Wait for its end, which is a good one."""
        code = self.process.wait(IN_TIME)
        self.read_to_the_end()
        assert code == 0, self.said
        assert "Traceback" not in self.said

    def read_to_the_end(self) -> None:
        """Read the rest of what an ended process said."""
        self._reading.join(IN_TIME)
        assert self.process.stdout is not None
        self.process.stdout.close()


def received_until(connection: socket.socket, ending: bytes) -> bytes:
    """What comes through a connection, until it ends so. An answer may come in several pieces."""
    received = b""
    while not received.endswith(ending) and (piece := connection.recv(65536)):
        received += piece
    return received

"""A long line to a server: `python -m tests.benchmarks.line PORT` prints the port of its near end.

Whatever goes in comes out whole, in order, and 10 ms later, in both directions: 20 ms for a round trip, however much
travels at once.
"""

import asyncio
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

ONE_WAY = 0.010  # seconds


class _End(asyncio.Protocol):
    """One end of a line. What it receives, the other end sends later."""

    def __init__(self) -> None:
        self.other: _End | None = None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._coming: deque[tuple[float, bytes]] = deque()  # (when it is to be said, b"" for goodbye)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other:
            self.other.later(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.other:
            self.other.later(b"")

    def later(self, data: bytes) -> None:
        """Send the data after the delay of the line."""
        self._coming.append((self._loop.time() + ONE_WAY, data))
        if len(self._coming) == 1:
            self._loop.call_at(self._coming[0][0], self._arrive)

    def _arrive(self) -> None:
        while self._coming and self._coming[0][0] <= self._loop.time():
            _, data = self._coming.popleft()
            if self._transport is None:
                continue
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._coming:
            self._loop.call_at(self._coming[0][0], self._arrive)


class _Near(_End):
    """The end that clients connect to; each has a line of their own to the server."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = far = _End()
        far.other = self
        self._connecting = self._loop.create_task(self._connect(far))

    async def _connect(self, far: _End) -> None:
        await self._loop.create_connection(lambda: far, "127.0.0.1", self._port)


@contextmanager
def long_line(port: int) -> Iterator[int]:
    """The near end of a line to that port, in a process of its own."""
    command = [sys.executable, "-m", __name__, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Near(port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))

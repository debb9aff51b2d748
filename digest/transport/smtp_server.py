"""A real SMTP server on a free loopback port that stores what it receives: for the demo and for tests."""

import asyncio
import threading
from pathlib import Path
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope

from digest.security.files import open_file


class SmtpServer:
    """Serves SMTP on 127.0.0.1 in its own thread, within a `with` block. `handler` is an aiosmtpd handler."""

    def __init__(self, handler: Any, **options: Any) -> None:
        """`options` are passed to aiosmtpd's SMTP."""
        self.port = 0  # known once it is serving
        self._handler = handler
        self._options = {"hostname": "localhost", "ident": "digest"} | options
        self._sessions: list[SMTP] = []
        self._loop = asyncio.new_event_loop()
        self._serving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smtp server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._serving.wait()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close all connections and stop serving. Safe to repeat."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def new_session(self) -> SMTP:
        """Create the protocol for a client; asyncio calls this."""
        session = SMTP(self._handler, loop=self._loop, **self._options)
        self._sessions.append(session)
        return session

    async def listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        """Start listening on a free port."""
        return await loop.create_server(self.new_session, host="127.0.0.1", port=0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self.listen(self._loop))
        self.port = server.sockets[0].getsockname()[1]
        self._serving.set()
        self._loop.run_forever()
        server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        unfinished = asyncio.all_tasks(self._loop)
        for task in unfinished:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*unfinished, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))  # the sockets are closed one turn later
        self._loop.close()


class FolderHandler:
    """Stores every mail as `NN-recipient.eml` in a folder, byte for byte as it was received."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Store a mail and return the reply to the client; aiosmtpd calls this."""
        self._count += 1
        recipient = "".join(c if c.isalnum() or c in "@.-_" else "_" for c in envelope.rcpt_tos[0])
        file = self.folder / f"{self._count:02d}-{recipient}.eml"
        try:
            with open_file(file) as opened:
                opened.write(envelope.original_content or b"")
        except OSError as error:
            return f"451 {file} cannot be written: {error.strerror}"
        return f"250 kept as {file.name}"

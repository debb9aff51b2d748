"""uvicorn in a thread, on a socket that is opened first: a port that is taken stops the program before anything begins.

There is no log of requests: their paths hold tokens. uvicorn does not close connections on which nothing ever comes;
where strangers can reach the port, a proxy in front should.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp

from digest.errors import DigestError

log = structlog.get_logger()

_GRACE = 5  # seconds that answers under way may take when the program stops
_MOST_CONNECTIONS = 500
_MAX_HEAD = 16 * 1024  # bytes of a request's line and headers
_PLAIN = logging.Formatter()  # of tracebacks: no local variables, such as tokens


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 is a free one. Raises DigestError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda one: one[0] is not socket.AF_INET)  # localhost: 127.0.0.1
        listener = socket.create_server(address, family=family)
        # What it accepts has it, too. Else a second answer on a connection waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except UnicodeError:
        raise DigestError(f"cannot listen on {host}, port {port}: that is no host; web.host says where") from None
    except OSError as error:  # create_server adds the address to its words, which is told already
        words = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        reason = str(words).lower()
        raise DigestError(f"cannot listen on {host}, port {port}: {reason}; web.host and web.port say where") from None


def url_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8000`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, *, on_loss: Callable[[], None]) -> Iterator[None]:
    """Serve `app` meanwhile, and let answers under way, and what they began, finish afterwards.

    `on_loss` is called, in another thread, if serving ends by itself.
    """
    _log_like_the_rest()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",  # at the end, what pages began is waited for
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            proxy_headers=False,  # clients.py reads them, and believes only whom it was told to
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=_MAX_HEAD,
        )
    )

    stopping = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            if not stopping.is_set():
                on_loss()

    # A daemon: an answer that waits longer for the database does not keep the program; it was not committed.
    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        server.should_exit = True
        thread.join(2 * _GRACE)
        listener.close()


def _log_like_the_rest() -> None:
    """What uvicorn says goes where everything is said."""
    uvicorns = logging.getLogger("uvicorn")
    uvicorns.handlers = [_Passing()]
    uvicorns.propagate = False


class _Passing(logging.Handler):
    """Passes records of the standard library's on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        shown = {"stack": _PLAIN.formatException(record.exc_info)} if record.exc_info else {}
        log.log(record.levelno, "web server", said=record.getMessage(), **shown)

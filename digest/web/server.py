"""Runs uvicorn in a thread, on a socket that is opened first: a port in use stops the program before anything begins.

Requests are not logged, as their paths contain tokens.
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
from digest.web.http_protocol import http_protocol
from digest.web.rate_limits import Networks

log = structlog.get_logger()

_GRACE = 3  # seconds that responses under way may take when the program stops
_MOST_CONNECTIONS = 500
_MAX_HEAD = 16 * 1024  # bytes of a request's line and headers
_PLAIN = logging.Formatter()  # tracebacks without local variables, which may be tokens


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that accepts connections; port 0 chooses a free one. Raises DigestError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda one: one[0] is not socket.AF_INET)  # localhost: 127.0.0.1
        listener = socket.create_server(address, family=family)
        # Connections inherit it. Without it a second response on one waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except UnicodeError:
        raise DigestError(f"cannot listen on {host}, port {port}: that is not a valid host; set web.host") from None
    except OSError as error:  # create_server's message would repeat the address
        words = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        reason = str(words).lower()
        raise DigestError(f"cannot listen on {host}, port {port}: {reason}; set web.host and web.port") from None


def url_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8000`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def serving(
    app: ASGIApp, listener: socket.socket, *, on_loss: Callable[[], None], trusted: Networks = ()
) -> Iterator[None]:
    """Serve `app` inside the `with` block. At its end, responses and background work under way are finished.

    `on_loss` is called, in another thread, if the server stops by itself. `trusted` proxies may have any number of
    connections.
    """
    uvicorn_log = logging.getLogger("uvicorn")
    uvicorn_log.handlers, uvicorn_log.propagate = [_StructlogHandler()], False
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=http_protocol(trusted),
            ws="none",
            loop="asyncio",
            lifespan="on",  # its end waits for the background work
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            proxy_headers=False,  # rate_limits.py reads them
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

    # A daemon: a response that waits for the database does not keep the program from ending; nothing is committed.
    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        server.should_exit = True
        thread.join(2 * _GRACE)
        listener.close()


class _StructlogHandler(logging.Handler):
    """Passes records of the standard library's logging on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the message of `record` at its level, with its traceback if it has one."""
        shown = {"stack": _PLAIN.formatException(record.exc_info)} if record.exc_info else {}
        log.log(record.levelno, "web server", said=record.getMessage(), **shown)

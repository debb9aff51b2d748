"""An end to answers that drip: time-outs count from the last byte, so a byte now and then would keep us for days."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

_CONNECTED = {"connection.connect_tcp.complete", "connection.start_tls.complete"}


class Deadline:
    """Cuts the connections that are opened under it when its time is over."""

    def __init__(self, seconds: float) -> None:
        self._is_over = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, event: str, told: dict[str, Any]) -> None:
        """What a client calls as its `trace` (python-httpx.org/advanced/extensions)."""
        if event not in _CONNECTED:
            return
        with self._lock:
            self._sockets.append(told["return_value"].get_extra_info("socket"))
            if self._is_over:
                self._cut()

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            self._cut()

    def _cut(self) -> None:
        for one in self._sockets:
            with suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._timer.cancel()

"""uvicorn's HTTP protocol, with limits on half-sent requests, which could otherwise use up all connections.

uvicorn waits without end for the first request of a connection, and for the rest of one that has begun. The time that a
body may take is limited where it is read (dependencies.py, api/fields.py).
"""

import asyncio
from collections import OrderedDict
from functools import partial
from ipaddress import ip_address
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from digest.web.rate_limits import Networks, client_address, network_of

HEAD_SECONDS = 10.0  # that the line and the headers of a request may take to arrive
MAX_WAITING = 100  # connections of one network without a whole request


class WaitingConnections:
    """The connections without a whole request, by network, oldest first."""

    def __init__(self, trusted: Networks) -> None:
        """`trusted` are proxies, which may have any number: they pass on the requests of many clients."""
        self._trusted = trusted
        self._by_network: dict[str, OrderedDict[asyncio.Protocol, asyncio.Transport]] = {}

    def add(self, connection: asyncio.Protocol, transport: asyncio.Transport, client: str) -> None:
        """Add a connection of an address. If its network has too many, the oldest is closed."""
        if any(ip_address(client) in network for network in self._trusted):
            return
        waiting = self._by_network.setdefault(network_of(client), OrderedDict())
        waiting[connection] = transport
        if len(waiting) > MAX_WAITING:
            _, oldest = waiting.popitem(last=False)
            oldest.close()

    def remove(self, connection: asyncio.Protocol, client: str) -> None:
        """Remove a connection that has a whole request, or is closed."""
        network = network_of(client)
        waiting = self._by_network.get(network)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._by_network[network]


class HttpProtocol(H11Protocol):
    """One connection. It is closed if the head of the first or of a further request takes too long to arrive."""

    def __init__(self, *arguments: Any, waiting: WaitingConnections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting = waiting
        self._timer: asyncio.TimerHandle | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._address = client_address(self.client[0], (), ()) if self.client else ""
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait no longer for what has arrived."""
        super().data_received(data)
        if self._is_answering():
            self._stop_timer()
            if not self.cycle.more_body:
                self._waiting.remove(self, self._address)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it has arrived already."""
        super().on_response_complete()
        if not self._is_answering() and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        self._waiting.remove(self, self._address)
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        if self._address:
            self._waiting.add(self, self.transport, self._address)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def http_protocol(trusted: Networks) -> type[asyncio.Protocol]:
    """Return what makes the protocol of each connection of one server, as uvicorn's setting `http` takes it."""
    return cast(type[asyncio.Protocol], partial(HttpProtocol, waiting=WaitingConnections(trusted)))

"""SMTP: several connections to one mail server, each kept open and used again."""

import ssl
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from digest.errors import TransportError
from digest.models import Message, Receipt
from digest.transport.pool import Pool, Supply
from digest.transport.rate_limiter import RateLimiter
from digest.transport.smtp_connection import Security, Server

__all__ = ["Security", "SmtpTransport"]

TIMEOUT_SECONDS = 60.0  # for each step


class SmtpTransport:
    """A way out through one mail server. Nothing is connected before the first mail; close it."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        security: Security = Security.NONE,
        username: str = "",
        password: str = "",
        connections: int = 4,
        connection_rate: float = 0.0,
        rate_limiter: RateLimiter | None = None,
        timeout: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`rate_limiter` limits all connections together, `connection_rate` (mails a second, 0: no limit) each of them.

        `timeout` (seconds) is for each step; `tls` replaces the system's trusted authorities.
        """
        if security is not Security.NONE and tls is None:
            tls = ssl.create_default_context()  # once: reading the authorities takes longer than many a mail
        self._server = Server(
            host=host, port=port, security=security, username=username, password=password, timeout=timeout, tls=tls
        )
        self._connections = connections
        self._connection_rate = connection_rate
        self._rate_limiter = rate_limiter or RateLimiter()
        self._pool: Pool | None = None

    def send(self, messages: Iterable[Message]) -> Iterator[Receipt]:
        """See Transport. At most three messages a connection are in flight.

        One was answered and its receipt is not out yet, the body of one is with the server, one is announced. An error
        of the messages' own is raised after the receipts of those before it.
        """
        pool = self._pool = self._pool or self._new_pool()
        supply = Supply(messages)
        pool.begin()
        try:
            while pool.go_on(supply):
                while pool.receipts:
                    yield pool.receipts.popleft()
        finally:
            left = supply.stop()  # the caller stopped listening: nobody may hear of these in the next send()
            while pool.go_on(supply):
                pool.receipts.clear()
        if supply.failure:
            raise supply.failure
        if left:
            raise TransportError(f"the mail server {self._server.host}:{self._server.port} {pool.reason}")

    def _new_pool(self) -> Pool:
        return Pool(
            self._server, self._connections, rate_limiter=self._rate_limiter, connection_rate=self._connection_rate
        )

    def close(self) -> None:
        """Say goodbye on every connection."""
        if self._pool:
            self._pool.close()
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

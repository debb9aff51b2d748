"""Opening the database: SQLite in WAL with synchronous FULL, foreign keys on, deletions wiped, and a busy timeout.

Writers begin IMMEDIATE: they queue for the lock at the start instead of failing half way.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import Connection, event, exc

from digest.errors import StoreError
from digest.store.schema import HEAD
from digest.store.schema import SUBSCRIBERS_SEARCH as _SEARCH

Transaction = Connection

_BUSY_SECONDS = 30
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "secure_delete=ON",  # who is erased is not to be found in the file's free pages
)


class Store:
    """One open database. Safe to share between threads: each transaction has a connection of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._engine = _engine(file)
        self._turn = threading.Condition()
        self._waiting = 0  # threads of ours that want to write

    @classmethod
    def open(cls, file: Path) -> Self:
        """The database in `file`, created if it is not there. Raises StoreError if it is older or newer than we are."""
        store = cls(file)
        version = store.version()
        if version is None:
            store.upgrade()
        elif version < HEAD:
            store.close()
            raise StoreError(
                f"{file}: the database is at version {version}, this program at {HEAD}; `digest db upgrade`"
            )
        elif version > HEAD:
            store.close()
            raise StoreError(f"{file}: the database is at version {version}, newer than this program's {HEAD}")
        return store

    def version(self) -> str | None:
        """The newest migration that the database has seen; None for a new file."""
        with self.read() as tx:
            if not sa.inspect(tx).has_table("alembic_version"):
                return None
            version: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return version

    def upgrade(self) -> None:
        """Bring the database to HEAD, creating it if need be. Two processes may try at once; one does it."""
        from digest.store.migrate import upgrade  # noqa: PLC0415  (alembic takes as long to import as a query to run)

        with self.write() as tx:
            upgrade(tx)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one state of the database. Raises StoreError."""
        with _translated(self.file), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed whole at the end, or not at all. Raises StoreError."""
        with _translated(self.file), self._engine.connect() as connection:
            connection.execution_options(begin="BEGIN IMMEDIATE")
            with self._queueing():
                transaction = connection.begin()
            with transaction:
                yield connection

    def yield_to_writers(self, seconds: float) -> None:
        """Let those threads write who wait for it, `seconds` at most: between the pieces of what is written long.

        SQLite has no queue: who waits tries anew ten times a second, and seldom finds a gap that is shorter.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._waiting, seconds)

    @contextmanager
    def _queueing(self) -> Iterator[None]:
        with self._turn:
            self._waiting += 1
        try:
            yield
        finally:
            with self._turn:
                self._waiting -= 1
                self._turn.notify_all()

    def erase_deleted_rows(self) -> None:
        """Move everything from the write-ahead log into the database, where what was deleted is overwritten.

        Raises StoreError. While somebody else reads, this is left to whoever closes the database last. The index of
        subscribers only notes who is gone, until its parts are made one: that is done first (1 s for a million).
        """
        with self.write() as tx:
            tx.execute(sa.insert(sa.table(_SEARCH, sa.column(_SEARCH))).values({_SEARCH: "optimize"}))
        with _translated(self.file), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _engine(file: Path) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(file))
    # The driver must not begin transactions of its own: the "begin" event below does.
    options = {"timeout": _BUSY_SECONDS, "isolation_level": None}
    # A pool of any size (0): there are never more connections than threads, which whoever makes threads limits. In one
    # that was full a page would wait half a minute, and each that is opened anew costs as much as several queries.
    engine = sa.create_engine(
        url,
        pool_size=0,
        connect_args=options,
        hide_parameters=True,  # errors are logged: no addresses there
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError:
        raise
    except (exc.DatabaseError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        raise StoreError(f"{file}: {cause}") from error

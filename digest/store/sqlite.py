"""Everything that only SQLite does. Another database needs one class with the public methods of `Sqlite`."""

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, event, exc
from sqlalchemy.dialects.sqlite import Insert, insert

from digest.security.files import create_file, restrict
from digest.store.schema import SUBSCRIBERS_SEARCH, subscribers

_BUSY_SECONDS = 30
_SUFFIXES = ("-wal", "-shm")
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "secure_delete=ON",  # overwrites deleted rows, so that erased subscribers are not found in free pages
)

# SQLite's primary result codes for missing permissions, or a disk that is mounted read-only.
_NOT_WRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_FULL = 64 * 1024  # bytes: SQLite needs half of it beside the database, or says "disk I/O error"

_search_index: sa.TableClause = sa.table(
    SUBSCRIBERS_SEARCH, *(sa.column(name) for name in ("rowid", "found_by", SUBSCRIBERS_SEARCH))
)
_TRIGRAM = 3


class Sqlite:
    """One SQLite file: its connections, its locks, and the SQL that other databases write differently."""

    errors = (exc.DatabaseError, sqlite3.DatabaseError)  # the driver's own come from PRAGMAs, outside a transaction
    indexed_length = _TRIGRAM  # `select_containing` needs a text of so many characters

    def __init__(self, file: Path) -> None:
        """Prepare to open `file`, and create it if it is missing. Raises OSError if it cannot be created."""
        self._file = file
        create_file(file)
        for suffix in _SUFFIXES:  # SQLite gives new ones the permissions of the database
            restrict(file.with_name(f"{file.name}{suffix}"))
        self._turn = threading.Condition()
        self._waiting_writers = 0  # threads of this process
        # The pool has no limit: there are never more connections than threads, and those are limited elsewhere. A full
        # pool would keep a web page waiting, and opening a connection costs as much as several queries.
        self.engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(file)),
            pool_size=0,
            # The driver must not begin transactions of its own: the "begin" event below does.
            connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
            execution_options={"backend": self},
            hide_parameters=True,  # errors are logged, and must not show addresses
        )

        @event.listens_for(self.engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(self.engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    @contextmanager
    def begin_write(self, connection: Connection) -> Iterator[None]:
        """Run a transaction that takes the write lock at its beginning, so that it cannot fail to get it half way."""
        connection.execution_options(begin="BEGIN IMMEDIATE")
        with self._turn:
            self._waiting_writers += 1
        try:
            transaction = connection.begin()
        finally:
            with self._turn:
                self._waiting_writers -= 1
                self._turn.notify_all()
        with transaction:
            yield

    @contextmanager
    def watch_commits(self) -> Iterator[Callable[[], object]]:
        """Yield a function whose value changes with each commit, of this process and of others."""
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()

            def last_commit() -> object:
                cursor.execute("PRAGMA data_version")  # changes with the commits of all other connections
                return cursor.fetchone()

            yield last_commit
        finally:
            connection.close()

    def yield_to_writers(self, seconds: float) -> None:
        """Wait, for at most so many seconds, until no other thread waits for the write lock.

        SQLite has no queue for it: a waiting writer tries again ten times a second, and seldom finds a shorter gap.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._waiting_writers, seconds)

    def reason(self, error: BaseException) -> str:
        """Return why one of `errors` was raised, for people."""
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # the other bits are details
        try:
            disk = os.statvfs(self._file.parent)
        except OSError:  # the folder is gone
            return str(cause)
        if code in _NOT_WRITABLE:
            if disk.f_flag & os.ST_RDONLY:
                return f"{cause}; the disk is mounted read-only"
            return f"{cause}; this user needs write access to the file and its folder"
        if code in _DAMAGED:
            return f"{cause}; restore a backup, or name another file in database.url"
        if code == sqlite3.SQLITE_IOERR and disk.f_bavail * disk.f_frsize < _FULL:
            return f"{cause}; the disk is full"
        return str(cause)

    @staticmethod
    def is_number_too_large(error: OverflowError) -> bool:
        """Return True if the driver raised this for a number that no column can hold."""
        return "SQLite" in str(error)

    def erase_deleted_rows(self) -> None:
        """Overwrite what deleted rows left in the search index, the database file and the write-ahead log.

        While another process reads the log, it stays; the last process that closes the file deletes it.
        """
        with self.engine.connect() as connection, self.begin_write(connection):
            # FTS5 keeps deleted rows until its segments are merged (1 s for a million subscribers).
            connection.execute(sa.insert(_search_index).values({SUBSCRIBERS_SEARCH: "optimize"}))
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @staticmethod
    def insert_or_ignore(table: sa.Table) -> Insert:
        """Return an INSERT that leaves out rows which break a UNIQUE constraint, also of what RETURNING yields."""
        return insert(table).on_conflict_do_nothing()

    @staticmethod
    def upsert(
        table: sa.Table, values: Mapping[str, Any], *, key: Sequence[str], changes: Mapping[str, Any] | None = None
    ) -> Insert:
        """Return an INSERT that updates a row with the same `key` instead: to `values`, or by `changes`."""
        statement = insert(table).values(dict(values))
        return statement.on_conflict_do_update(index_elements=list(key), set_=dict(changes or values))

    @staticmethod
    def contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
        """True where `text` is part of a column."""
        return sa.func.instr(column, text) > 0

    @staticmethod
    def has_element(column: sa.ColumnElement[Any], values: Collection[str]) -> sa.ColumnElement[bool]:
        """True where a JSON array holds one of `values`."""
        element = sa.func.json_each(column).table_valued("value")
        return sa.exists().select_from(element).where(element.c.value.in_(values))

    @staticmethod
    def has_element_beginning(column: sa.ColumnElement[Any], values: Collection[str]) -> sa.ColumnElement[bool]:
        """True where a JSON array holds an array whose first element is one of `values`."""
        element = sa.func.json_each(column).table_valued("value")
        return sa.exists().select_from(element).where(sa.func.json_extract(element.c.value, "$[0]").in_(values))

    @staticmethod
    def index_subscribers(tx: Connection, ids: Collection[int]) -> None:
        """Add new or changed subscribers to the search index."""
        rows = sa.select(subscribers.c.id, subscribers.c.found_by).where(subscribers.c.id.in_(ids))
        tx.execute(sa.insert(_search_index).from_select(["rowid", "found_by"], rows))

    @staticmethod
    def unindex_subscriber(tx: Connection, subscriber_id: int) -> None:
        """Remove a subscriber from the search index, before the row is changed or deleted."""
        row = sa.select(sa.literal("delete"), subscribers.c.id, subscribers.c.found_by)
        row = row.where(subscribers.c.id == subscriber_id)
        tx.execute(sa.insert(_search_index).from_select([SUBSCRIBERS_SEARCH, "rowid", "found_by"], row))

    @staticmethod
    def select_containing(text: str) -> sa.Select[int]:
        """Return a query for the ids of the subscribers with `text` in their `found_by`, and perhaps a few others."""
        # The index knows which rows contain three letters, but not where. So it is asked for adjacent groups of three
        # only, and the caller compares the text itself.
        starts = {*range(0, len(text) - _TRIGRAM, _TRIGRAM), len(text) - _TRIGRAM}
        trigrams = (text[at : at + _TRIGRAM].replace('"', '""') for at in sorted(starts))
        query = " AND ".join(f'"{trigram}"' for trigram in trigrams)
        return sa.select(_search_index.c.rowid.label("id")).where(sa.column(SUBSCRIBERS_SEARCH).op("MATCH")(query))

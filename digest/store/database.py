"""The open database: transactions, migrations, counters, and the errors that a user sees."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, exc

from digest.closing import Closable
from digest.errors import NotFoundError, StoreError
from digest.store.schema import HEAD, numbers
from digest.store.sqlite import Sqlite

if TYPE_CHECKING:
    from alembic.config import Config

Transaction = Connection
T = TypeVar("T")


def backend(tx: Transaction) -> Sqlite:
    """Return the functions that another kind of database would have to implement, for a transaction's database."""
    found: Sqlite = tx.get_execution_options()["backend"]
    return found


def newsletter_timezone(tx: Transaction) -> str:
    """Return the newsletter's time zone."""
    name: str = tx.get_execution_options()["timezone"]
    return name


@contextmanager
def savepoint(tx: Transaction) -> Iterator[None]:
    """If the block raises, undo what it did, and nothing else of the transaction."""
    with tx.begin_nested():
        yield


def alembic_config(tx: Transaction) -> "Config":
    """Return Alembic's configuration for an open connection. There is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415  (importing it takes as long as running a query)

    config = Config(attributes={"connection": tx})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


class Counter(StrEnum):
    """Numbers that are given out once, as the table `numbers` names them.

    An id is never reused after its row was deleted, since old links still hold it.
    """

    SUBSCRIBER_IDS = "subscribers"
    DELIVERY_IDS = "deliveries"
    PROFILE_IDS = "profile_ids"
    PAPERS_VERSION = "papers"  # rises with every change of papers, which tells caches that they are out of date
    PROFILES_VERSION = "profiles"  # rises with every change of shared profiles
    RECIPIENTS_VERSION = "recipients"  # rises when a subscriber changes or is removed, or an address is suppressed
    REMOVALS = "removals"  # rises when subscribers are removed, so that no copy of their rules is kept


def reserve_numbers(tx: Transaction, counter: Counter, count: int = 1) -> range:
    """Return the next `count` numbers of a counter."""
    first = {"of": counter.value, "last": count}
    more = {"last": numbers.c.last + count}
    statement = backend(tx).upsert(numbers, first, key=["of"], changes=more).returning(numbers.c.last)
    last = tx.execute(statement).scalar_one()
    return range(last - count + 1, last + 1)


def last_number(tx: Transaction, counter: Counter) -> int:
    """Return the last number that was reserved, or 0."""
    return tx.execute(sa.select(numbers.c.last).where(numbers.c.of == counter.value)).scalar() or 0


def batches(values: Iterable[T], size: int = 500) -> Iterator[list[T]]:
    """Yield lists of at most `size` values, because a query can have only so many bound values."""
    left = iter(values)
    while batch := list(islice(left, size)):
        yield batch


def rows_with(
    tx: Transaction, selected: sa.Select[Any], column: sa.ColumnElement[Any], values: Iterable[Any]
) -> Iterator[sa.Row[Any]]:
    """Yield the selected rows with one of these values in a column, with one query for each batch of values."""
    for batch in batches(dict.fromkeys(values)):
        yield from tx.execute(selected.where(column.in_(batch)))


class Store(Closable):
    """One open database. Threads may share it: each transaction has a connection of its own."""

    def __init__(self, file: Path) -> None:
        """Prepare to open the database in `file`. Raises StoreError if that is missing and cannot be created."""
        self.file = file
        try:
            self._backend = Sqlite(file)
        except OSError as error:
            raise StoreError(f"{file}: unable to open database file: {error.strerror}") from None
        self.set_timezone("UTC")

    @classmethod
    def check_not_lost(cls, file: Path, left: Sequence[Path]) -> None:
        """Raise StoreError if `file` is missing or empty beside `left`, files that a database in use has left.

        A new database would begin without its subscribers and suppressions. Nothing is created.
        """
        if not left:
            return
        if file.exists() and file.stat().st_size:
            with cls(file) as store:
                if store.version() is not None:
                    return
        raise StoreError(
            f"{file}: the database is missing or empty, but {left[0]} is of one that was in use; restore the database,"
            f" or move {' and '.join(one.name for one in left)} away to begin anew"
        )

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the database in `file`, and create it if it is missing. Raises StoreError if its version is not ours."""
        store = cls(file)
        version = store.version()
        if version is None:
            store.upgrade()
        elif version != HEAD:
            store.close()
            found = f"{file}: the database is at version {version}"
            if version < HEAD:
                raise StoreError(f"{found}, this program at {HEAD}; run `digest db upgrade`")
            raise StoreError(f"{found}, newer than this program's {HEAD}; install a newer version of this program")
        return store

    def set_timezone(self, name: str) -> None:
        """Set the newsletter's time zone, by which subscribers are served whose own this machine does not know."""
        self._backend.engine.update_execution_options(timezone=name)

    def version(self) -> str | None:
        """Return the newest migration that was applied, or None for a new file."""
        with self.read() as tx:
            if not sa.inspect(tx).has_table("alembic_version"):
                return None
            version: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return version

    def upgrade(self) -> None:
        """Apply all missing migrations. If two processes try at once, one does it."""
        from alembic import command  # noqa: PLC0415

        with self.write() as tx:
            command.upgrade(alembic_config(tx), "head")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a transaction that sees one state of the database. Raises StoreError."""
        with self._translated_errors(), self._backend.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a transaction that is committed at the end, or rolled back on an error. Raises StoreError."""
        # SQLite has one lock for all tables, taken at the beginning: transactions may change tables in any order and
        # cannot deadlock. So nothing slow, such as selecting, rendering or sending, belongs in a write transaction.
        with (
            self._translated_errors(),
            self._backend.engine.connect() as connection,
            self._backend.begin_write(connection),
        ):
            yield connection

    @contextmanager
    def watch_commits(self) -> Iterator[Callable[[], object]]:
        """Yield a function whose value differs from before once anything was committed since. It takes microseconds."""
        with self._translated_errors(), self._backend.watch_commits() as last_commit:
            yield last_commit

    def yield_to_writers(self, seconds: float) -> None:
        """Let waiting threads write, for at most so many seconds. Call it between the batches of a long import."""
        self._backend.yield_to_writers(seconds)

    def erase_deleted_rows(self) -> None:
        """Overwrite what deleted rows left in the files of the database. Raises StoreError."""
        with self._translated_errors():
            self._backend.erase_deleted_rows()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.IntegrityError, exc.DataError, exc.ProgrammingError, exc.InterfaceError):
            raise  # about the values or the statement: the database itself can be used
        except OverflowError as error:
            if self._backend.is_number_too_large(error):  # an id that no row can have
                raise NotFoundError("number", "2**63 or more") from None
            raise
        except self._backend.errors as error:
            raise StoreError(f"{self.file}: {self._backend.reason(error)}") from error

    def close(self) -> None:
        """Close all connections."""
        self._backend.engine.dispose()

"""Files of subscribers between their upload and the end of their import: checked, then stored, beside the pages.

They are kept in the memory of this process alone: one for each admin, an hour at most, and not many megabytes in all.
An import writes a thousand rows at a time and lets others write in between: whoever joins or leaves meanwhile waits for
some of them only. In one transaction a hundred thousand rows hold the lock for a quarter of a minute, and on a busy
machine until those who wait fail. It ends half way where the program stops; what was stored stays, and the same file
again adds the rest, as who is there is known.
"""

import gzip
import io
import secrets
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from digest.admin import subscriber_actions
from digest.app import App
from digest.errors import DigestError, NotFoundError
from digest.models import Admin
from digest.subscribers.fields import csv_lines
from digest.subscribers.importing import RowOutcome, RowStatus, preview_import
from digest.web.background import Background
from digest.web.pages import Upload
from digest.web.security import MAX_UPLOAD

KEPT = timedelta(hours=1)
MOST_ROWS = 500_000
SHOWN = 100  # rows of each fate

_MOST_KEPT = 2 * MAX_UPLOAD  # bytes, of all admins
_TOGETHER = 500
_LETS_OTHERS = 0.01  # seconds between two pieces, for other processes; threads of ours are given way to
_IDS = 10**12
_REPORT = ("line", "email", "fate", "column", "reason")


class Stage(StrEnum):
    """How far an import has come."""

    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    STOPPED = "stopped"  # half way: something went wrong, or the program stops

    @property
    def is_under_way(self) -> bool:
        """Whether it goes on by itself."""
        return self in {Stage.CHECKING, Stage.IMPORTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of the rows so far."""

    stage: Stage
    rows: int = 0
    counts: Mapping[RowStatus, int] = field(default_factory=dict)
    first: Mapping[RowStatus, tuple[RowOutcome, ...]] = field(default_factory=dict)  # the first of each fate
    failure: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Import:
    """One file. Whoever changes it puts another record in place of `progress`."""

    id: int
    admin: Admin
    name: str
    content: bytes
    confirmed: bool  # its people have agreed already
    uploaded_at: datetime
    rows: int  # about: lines
    progress: Progress = Progress(stage=Stage.CHECKING)
    report: bytes = b""  # what became of every row, or would: CSV, packed
    timer: threading.Timer | None = None

    def report_parts(self) -> Iterator[str]:
        """The report, unpacked bit by bit."""
        with gzip.open(io.BytesIO(self.report), "rt", encoding="utf-8", newline="") as file:
            while some := file.read(1 << 16):
                yield some


class Imports:
    """All of them. Safe to share between threads."""

    def __init__(self, app: App, background: Background) -> None:
        """`background` runs one import after another."""
        self._app = app
        self._background = background
        self._kept: dict[int, Import] = {}
        self._lock = threading.Lock()

    def start(self, upload: Upload, *, admin: Admin, confirmed: bool, rows: int, now: datetime) -> Import | None:
        """Keep a file in place of the admin's last one, and check it; None while that is imported, or no room is left.

        The file is known to be text in UTF-8.
        """
        new = Import(
            id=1 + secrets.randbelow(_IDS),
            admin=admin,
            name=upload.name,
            content=upload.content,
            confirmed=confirmed,
            uploaded_at=now,
            rows=rows,
        )
        with self._lock:
            before = [one for one in self._kept.values() if one.admin.id == admin.id]
            if any(one.progress.stage is Stage.IMPORTING for one in before):
                return None
            others = sum(len(one.content) for one in self._kept.values() if one.admin.id != admin.id)
            if others + len(new.content) > _MOST_KEPT:
                return None
            for one in before:
                self._forget(one)
            self._kept[new.id] = new
            self._wait_for_the_end_of(new)
        self._background.submit(lambda: self._check(new), page="/admin/subscribers/import")
        return new

    def get(self, number: int, *, admin: Admin, now: datetime) -> Import:
        """An admin's own. Raises NotFoundError where it is not there any more."""
        with self._lock:
            found = self._kept.get(number)
        if found is None or found.admin.id != admin.id or (_is_old(found, now) and _may_be_forgotten(found)):
            raise NotFoundError("import", str(number))
        return found

    def store(self, one: Import, *, now: datetime) -> None:
        """Import the good rows, once, where it was checked."""
        with self._lock:
            if one.progress.stage is not Stage.CHECKED:
                return
            one.progress = Progress(stage=Stage.IMPORTING)
        self._background.submit(lambda: self._store(one, now), page="/admin/subscribers/import")

    def discard(self, one: Import) -> None:
        """Throw it away, unless it is being imported."""
        with self._lock:
            if _may_be_forgotten(one):
                self._forget(one)

    def _check(self, one: Import) -> None:
        if one.id not in self._kept:  # thrown away in the meantime
            return
        with self._app.store.read() as tx:
            rows = self._app.read_subscriber_rows(tx, _text(one), confirmed=one.confirmed)
            outcomes = preview_import(tx, self._app.membership, rows, now=one.uploaded_at)
            self._follow(one, _pieces(outcomes), then=Stage.CHECKED)

    def _store(self, one: Import, now: datetime) -> None:
        with self._app.store.read() as tx:
            rows = self._app.read_subscriber_rows(tx, _text(one), confirmed=one.confirmed)
        store, membership = self._app.store, self._app.membership
        pieces = subscriber_actions.import_rows_in_batches(store, membership, rows, by=one.admin.email, now=now)
        self._follow(one, pieces, then=Stage.DONE, pause=_LETS_OTHERS)
        one.content = b""

    def _follow(self, one: Import, pieces: Generator[list[RowOutcome]], *, then: Stage, pause: float = 0.0) -> None:
        """Write down what becomes of the rows, until there are no more or the program stops."""
        told = _Told()
        ended, failure = Stage.STOPPED, ""
        try:
            with closing(pieces):
                for some in pieces:
                    told.add(some)
                    one.progress = told.progress(one.progress.stage)
                    if self._background.stopping.wait(pause):
                        return
            ended = then
        except DigestError as error:
            failure = str(error)
            raise
        finally:
            one.report = told.packed()
            one.progress = told.progress(ended, failure)

    def _wait_for_the_end_of(self, one: Import) -> None:
        one.timer = threading.Timer(KEPT.total_seconds(), self._expire, [one])
        one.timer.daemon = True
        one.timer.start()

    def _expire(self, one: Import) -> None:
        with self._lock:
            if _may_be_forgotten(one):
                self._forget(one)
            else:
                self._wait_for_the_end_of(one)

    def _forget(self, one: Import) -> None:
        self._kept.pop(one.id, None)
        if one.timer is not None:
            one.timer.cancel()


class _Told:
    """Counts, the first rows of each fate, and the report of all, as outcomes come."""

    def __init__(self) -> None:
        self._counts: Counter[RowStatus] = Counter()
        self._first: dict[RowStatus, tuple[RowOutcome, ...]] = {}
        self._packed = io.BytesIO()
        self._report = gzip.GzipFile(fileobj=self._packed, mode="wb", compresslevel=1)
        self._write([_REPORT])

    def add(self, some: list[RowOutcome]) -> None:
        self._counts.update(outcome.fate for outcome in some)
        for outcome in some:
            first = self._first.get(outcome.fate, ())
            if len(first) < SHOWN:
                self._first[outcome.fate] = (*first, outcome)
        self._write([o.row.line, o.row.email, o.fate.value, o.row.column, o.reason] for o in some)

    def progress(self, stage: Stage, failure: str = "") -> Progress:
        counts, first = dict(self._counts), dict(self._first)
        return Progress(stage=stage, rows=self._counts.total(), counts=counts, first=first, failure=failure)

    def packed(self) -> bytes:
        self._report.close()
        return self._packed.getvalue()

    def _write(self, rows: Iterable[Iterable[object]]) -> None:
        self._report.write(csv_lines(rows).encode())


def decoded(content: bytes) -> str | None:
    """A file as text, whose lines end in a line feed; None for what is not text in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")


def _text(one: Import) -> str:
    return decoded(one.content) or ""


def _pieces(outcomes: Iterator[RowOutcome]) -> Generator[list[RowOutcome]]:
    while some := list(islice(outcomes, _TOGETHER)):
        yield some


def _is_old(one: Import, now: datetime) -> bool:
    return now - one.uploaded_at >= KEPT


def _may_be_forgotten(one: Import) -> bool:
    return one.progress.stage is not Stage.IMPORTING

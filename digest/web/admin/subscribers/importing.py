"""Importing subscribers: a file is uploaded, its rows are checked, and the good ones stored, in the background.

Files are kept in memory: one for each admin, for an hour at most, and 64 MB in all. An import writes a thousand rows in
a transaction and lets others write in between: one transaction for 100,000 rows would hold the lock for 15 s, and on a
busy machine until waiting sign-ups fail. If the program stops, the stored rows stay, and a second import of the file
adds the rest, as it skips known addresses.
"""

import gzip
import io
import secrets
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Annotated

from starlette.responses import Response

from digest.admin import subscriber_actions
from digest.app import App
from digest.errors import DigestError, NotFoundError, UsageError
from digest.models import Admin
from digest.store import Transaction
from digest.subscribers.csv_reading import decode_csv
from digest.subscribers.fields import COLUMNS, CsvRow, csv_lines
from digest.subscribers.importing import RowOutcome, RowStatus, preview_import
from digest.web.auth import CurrentAdmin, admin_router
from digest.web.background import Background
from digest.web.dependencies import Context, PathId, PostedForm, PostedUpload, shared
from digest.web.rendering import Samples, admin_template, attachment
from digest.web.security import MAX_UPLOAD

MAX_ROWS = 500_000
SHOWN = 100  # rows of each outcome

_KEPT = timedelta(hours=1)
_MAX_KEPT = 2 * MAX_UPLOAD  # bytes, of all admins
_BATCH = 500  # rows checked at a time
_PAUSE = 0.01  # seconds between two batches of an import, for other processes; our threads have been waited for
_MAX_ID = 10**12
_REPORT = ("line", "email", "fate", "column", "reason")
_PAGE = "/admin/subscribers/import"


class Stage(StrEnum):
    """The stage of an import."""

    CHECKING = "checking"
    CHECKED = "checked"
    IMPORTING = "importing"
    DONE = "done"
    STOPPED = "stopped"  # half way, by a fault or the end of the program

    @property
    def is_under_way(self) -> bool:
        """True if it continues by itself."""
        return self in {Stage.CHECKING, Stage.IMPORTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The outcomes of the rows so far."""

    stage: Stage
    rows: int = 0
    counts: Mapping[RowStatus, int] = field(default_factory=dict)
    first: Mapping[RowStatus, tuple[RowOutcome, ...]] = field(default_factory=dict)  # the first rows of each
    failure: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Import:
    """An uploaded file. `progress` is replaced, never changed, so that threads may read it."""

    id: int = field(default_factory=lambda: 1 + secrets.randbelow(_MAX_ID))
    admin: Admin
    name: str
    content: bytes
    confirmed: bool  # its subscribers have agreed already
    uploaded_at: datetime
    rows: int  # about: lines
    ignored_columns: tuple[str, ...] = ()
    progress: Progress = Progress(stage=Stage.CHECKING)
    report: bytes = b""  # the outcome of every row: CSV, gzipped
    timer: threading.Timer | None = None

    @property
    def can_be_discarded(self) -> bool:
        """False while its rows are being stored."""
        return self.progress.stage is not Stage.IMPORTING

    def report_parts(self) -> Iterator[str]:
        """Yield the report in parts, decompressed one after another."""
        with gzip.open(io.BytesIO(self.report), "rt", encoding="utf-8", newline="") as file:
            while part := file.read(1 << 16):
                yield part


class Imports:
    """The uploaded files. Safe to share between threads."""

    def __init__(self, app: App, background: Background) -> None:
        """`background` runs one import after another."""
        self._app = app
        self._background = background
        self._kept: dict[int, Import] = {}
        self._lock = threading.Lock()

    def start(self, new: Import) -> bool:
        """Keep an uploaded file, whose header is valid, instead of the admin's last one, and start to check its rows.

        Returns False while the last one is being imported, or if the files of all admins would be too large.
        """
        with self._lock:
            own = [kept for kept in self._kept.values() if kept.admin.id == new.admin.id]
            others = sum(len(kept.content) for kept in self._kept.values() if kept not in own)
            if not all(kept.can_be_discarded for kept in own) or others + len(new.content) > _MAX_KEPT:
                return False
            for kept in own:
                self._drop(kept)
            self._kept[new.id] = new
            self._start_timer(new)

        def check() -> None:
            if new.id not in self._kept:  # discarded meanwhile
                return
            with self._app.store.read() as tx:
                outcomes = preview_import(tx, self._app.membership, self._rows(tx, new), now=new.uploaded_at)
                batches = iter(lambda: list(islice(outcomes, _BATCH)), [])
                self._follow(new, batches, last_stage=Stage.CHECKED)

        self._background.submit(check, page=_PAGE)
        return True

    def get(self, import_id: int, *, admin: Admin, now: datetime) -> Import:
        """Return an import of this admin. Raises NotFoundError if it is gone or another admin's."""
        with self._lock:
            found = self._kept.get(import_id)
        if found is None or found.admin.id != admin.id:
            raise NotFoundError("import", str(import_id))
        if found.can_be_discarded and now - found.uploaded_at >= _KEPT:
            raise NotFoundError("import", str(import_id))
        return found

    def store(self, checked: Import, *, now: datetime) -> None:
        """Start importing the valid rows of a checked file. Does nothing if that has begun."""
        with self._lock:
            if checked.progress.stage is not Stage.CHECKED:
                return
            checked.progress = Progress(stage=Stage.IMPORTING)
        app, by = self._app, checked.admin.email

        def store() -> None:
            with app.store.read() as tx:
                rows = self._rows(tx, checked)
            with closing(
                subscriber_actions.import_rows_in_batches(app.store, app.membership, rows, by=by, now=now)
            ) as batches:
                self._follow(checked, batches, last_stage=Stage.DONE, pause=_PAUSE)
            checked.content = b""

        self._background.submit(store, page=_PAGE)

    def discard(self, discarded: Import) -> None:
        """Drop a file, unless its rows are being stored."""
        with self._lock:
            if discarded.can_be_discarded:
                self._drop(discarded)

    def _rows(self, tx: Transaction, upload: Import) -> Iterable[CsvRow]:
        return self._app.read_subscriber_rows(tx, decode_csv(upload.content), confirmed=upload.confirmed)

    def _follow(
        self, upload: Import, batches: Iterator[list[RowOutcome]], *, last_stage: Stage, pause: float = 0.0
    ) -> None:
        """Record the outcomes of batches until there are no more or the program stops."""
        counts: Counter[RowStatus] = Counter()
        first: dict[RowStatus, tuple[RowOutcome, ...]] = {}
        compressed = io.BytesIO()
        report = gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=1)
        report.write(csv_lines([_REPORT]).encode())
        ended, failure = Stage.STOPPED, ""

        def progress(stage: Stage) -> Progress:
            return Progress(stage=stage, rows=counts.total(), counts=dict(counts), first=dict(first), failure=failure)

        try:
            for batch in batches:
                counts.update(outcome.fate for outcome in batch)
                for outcome in batch:
                    shown = first.get(outcome.fate, ())
                    if len(shown) < SHOWN:
                        first[outcome.fate] = (*shown, outcome)
                report.write(csv_lines(outcome.record().values() for outcome in batch).encode())
                upload.progress = progress(upload.progress.stage)
                if self._background.stopping.wait(pause):
                    return
            ended = last_stage
        except DigestError as error:
            failure = str(error)
            raise
        finally:
            report.close()
            upload.report = compressed.getvalue()
            upload.progress = progress(ended)

    def _start_timer(self, upload: Import) -> None:
        def expire() -> None:
            with self._lock:
                if upload.can_be_discarded:
                    self._drop(upload)
                else:
                    self._start_timer(upload)

        upload.timer = threading.Timer(_KEPT.total_seconds(), expire)
        upload.timer.daemon = True
        upload.timer.start()

    def _drop(self, upload: Import) -> None:
        self._kept.pop(upload.id, None)
        if upload.timer is not None:
            upload.timer.cancel()


_WORST_FIRST = (
    *(RowStatus.BAD, RowStatus.SUPPRESSED, RowStatus.DUPLICATE),
    *(RowStatus.KNOWN, RowStatus.ASKED, RowStatus.ADDED),
)

upload_router = admin_router(_PAGE, upload=True)
router = admin_router(_PAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """The form that uploads a file of subscribers."""

    columns: tuple[str, ...] = COLUMNS
    most_rows: int = MAX_ROWS
    confirmed: bool = False
    wrong: Annotated[str, Samples("", "no-file", "letters", "rows", "busy", "header")] = ""
    reason: str = ""  # what is wrong with the letters or the header
    dropped: bool = False  # the last file was discarded


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row and the reason for its outcome, "" if it needs none."""

    line: int
    email: str
    column: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOneFate:
    """The rows with one outcome."""

    fate: RowStatus
    count: int
    rows: tuple[ShownRow, ...]  # the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImport:
    """The page of an import: its progress, and the outcomes of its rows."""

    id: int
    name: str  # of the file
    stage: Stage
    percent: int
    confirmed: bool
    ignored_columns: tuple[str, ...]  # columns of the file that are not known
    fates: tuple[OfOneFate, ...]
    good: int  # rows that are, or will be, new subscribers
    failure: str


CurrentImports = Annotated[Imports, shared(Imports)]


@upload_router.get("")
def show_form(context: Context, done: str = "") -> Response:
    """Show the form that uploads a file."""
    return _show_form(context, UploadForm(dropped=done == "dropped"))


@upload_router.post("")
def upload_file(context: Context, form: PostedUpload, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """Store an uploaded file in memory, and start to check its rows."""
    file, shown = form.file, UploadForm(confirmed="confirmed" in form.fields)
    if file is None or not file.content:
        return _show_form(context, replace(shown, wrong="no-file"))
    try:
        text = decode_csv(file.content)
    except UsageError as error:
        return _show_form(context, replace(shown, wrong="letters", reason=str(error)))
    rows = text.count("\n")
    if rows > MAX_ROWS:
        return _show_form(context, replace(shown, wrong="rows"))
    try:
        with context.store.read() as tx:
            read = context.app.read_subscriber_rows(tx, text, confirmed=False)
            next(iter(read), None)
    except UsageError as error:
        return _show_form(context, replace(shown, wrong="header", reason=str(error)))
    new = Import(
        admin=admin,
        name=file.name,
        content=file.content,
        confirmed=shown.confirmed,
        uploaded_at=context.now,
        rows=rows,
        ignored_columns=read.ignored_columns,
    )
    if not imports.start(new):
        return _show_form(context, replace(shown, wrong="busy"))
    return context.redirect(f"{_PAGE}/{new.id}")


@router.get("/{id}")
def show_import(context: Context, import_id: PathId, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """The progress of an import, and the outcomes of its rows. Raises NotFoundError."""
    found = imports.get(import_id, admin=admin, now=context.now)
    progress = found.progress
    page = ShownImport(
        id=found.id,
        name=found.name,
        stage=progress.stage,
        percent=min(100, progress.rows * 100 // max(1, found.rows)),
        confirmed=found.confirmed,
        ignored_columns=found.ignored_columns,
        fates=tuple(
            OfOneFate(
                fate=fate,
                count=progress.counts[fate],
                rows=tuple(
                    ShownRow(line=o.row.line, email=o.row.email, column=o.row.column, reason=o.reason)
                    for o in progress.first[fate]
                ),
            )
            for fate in _WORST_FIRST
            if fate in progress.counts
        ),
        good=sum(progress.counts.get(fate, 0) for fate in RowStatus if fate.is_new),
        failure=progress.failure,
    )
    return context.render(admin_template("subscribers-imported"), page)


@router.post("/{id}")
def run_import(
    context: Context, import_id: PathId, form: PostedForm, admin: CurrentAdmin, imports: CurrentImports
) -> Response:
    """Store the rows of a checked file, or discard it. Raises NotFoundError."""
    found = imports.get(import_id, admin=admin, now=context.now)
    if form.get("do") == "drop":
        imports.discard(found)
        return context.redirect(f"{_PAGE}?done=dropped")
    imports.store(found, now=context.now)
    return context.redirect(f"{_PAGE}/{found.id}")


@router.get("/{id}/report")
def download_report(context: Context, import_id: PathId, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """The outcome of every row, as CSV. Raises NotFoundError."""
    found = imports.get(import_id, admin=admin, now=context.now)
    return attachment(found.report_parts(), "text/csv", "import.csv")


def _show_form(context: Context, shown: UploadForm) -> Response:
    return context.render(admin_template("subscribers-import"), shown, status=422 if shown.wrong else 200)

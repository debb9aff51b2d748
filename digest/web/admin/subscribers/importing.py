"""Importing subscribers: upload a file, see the outcome of each row, then store the good ones."""

from dataclasses import dataclass, replace
from typing import Annotated

from starlette.responses import Response

from digest.errors import UsageError
from digest.subscribers.fields import COLUMNS
from digest.subscribers.importing import RowStatus
from digest.web.admin.subscribers.uploads import MAX_ROWS, Imports, Stage, decoded
from digest.web.admin_auth import CurrentAdmin, admin_router
from digest.web.dependencies import Context, PathId, PostedForm, PostedUpload, shared
from digest.web.rendering import admin_template, attachment
from digest.web.template_samples import Samples

_PATH = "/admin/subscribers/import"
_WORST_FIRST = (RowStatus.BAD, RowStatus.SUPPRESSED, RowStatus.KNOWN, RowStatus.ASKED, RowStatus.ADDED)

upload_router = admin_router(_PATH, upload=True)
router = admin_router(_PATH)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """The form."""

    columns: tuple[str, ...] = COLUMNS
    most_rows: int = MAX_ROWS
    confirmed: bool = False
    wrong: Annotated[str, Samples("", "no-file", "letters", "rows", "busy", "header")] = ""
    reason: str = ""  # what is wrong with the header
    dropped: bool = False  # the last file was discarded


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row, and the reason for its outcome where it needs one."""

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
    """What its page shows."""

    id: int
    name: str  # of the file
    stage: Stage
    percent: int
    confirmed: bool
    fates: tuple[OfOneFate, ...]
    good: int  # rows that are, or will be, new subscribers
    failure: str


CurrentImports = Annotated[Imports, shared(Imports)]


@upload_router.get("")
def show_form(context: Context, done: str = "") -> Response:
    """The form for a file."""
    return _show_form(context, UploadForm(dropped=done == "dropped"))


@upload_router.post("")
def upload_file(context: Context, form: PostedUpload, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """Take a file and start to check it."""
    file, shown = form.file, UploadForm(confirmed="confirmed" in form.fields)
    if file is None or not file.content:
        return _show_form(context, replace(shown, wrong="no-file"))
    text = decoded(file.content)
    if text is None:
        return _show_form(context, replace(shown, wrong="letters"))
    rows = text.count("\n")
    if rows > MAX_ROWS:
        return _show_form(context, replace(shown, wrong="rows"))
    try:
        with context.store.read() as tx:
            next(context.app.read_subscriber_rows(tx, text, confirmed=False), None)
    except UsageError as error:
        return _show_form(context, replace(shown, wrong="header", reason=str(error)))
    started = imports.start(file, admin=admin, confirmed=shown.confirmed, rows=rows, now=context.now)
    if started is None:
        return _show_form(context, replace(shown, wrong="busy"))
    return context.redirect(f"{_PATH}/{started.id}")


@router.get("/{id}")
def show_import(context: Context, import_id: PathId, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """How far an import is, and the outcome of its rows. Raises NotFoundError."""
    found = imports.get(import_id, admin=admin, now=context.now)
    progress = found.progress
    page = ShownImport(
        id=found.id,
        name=found.name,
        stage=progress.stage,
        percent=min(100, progress.rows * 100 // max(1, found.rows)),
        confirmed=found.confirmed,
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
        return context.redirect(f"{_PATH}?done=dropped")
    imports.store(found, now=context.now)
    return context.redirect(f"{_PATH}/{found.id}")


@router.get("/{id}/report")
def download_report(context: Context, import_id: PathId, admin: CurrentAdmin, imports: CurrentImports) -> Response:
    """The outcome of every row, as CSV. Raises NotFoundError."""
    found = imports.get(import_id, admin=admin, now=context.now)
    return attachment(found.report_parts(), "text/csv", "import.csv")


def _show_form(context: Context, shown: UploadForm) -> Response:
    return context.render(admin_template("subscribers-import"), shown, status=422 if shown.wrong else 200)

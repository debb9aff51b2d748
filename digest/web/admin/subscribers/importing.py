"""Importing subscribers: a file is uploaded, what would become of each row is shown, and then it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from digest.app import App
from digest.errors import UsageError
from digest.models import Admin
from digest.subscribers.fields import COLUMNS
from digest.subscribers.importing import RowOutcome, RowStatus
from digest.web.admin.subscribers.uploads import MOST_ROWS, SHOWN, Import, Imports, Stage, decoded
from digest.web.pages import Answer, Document, Page, Redirect, Visit
from digest.web.template_samples import Samples

_PATH = "/admin/subscribers/import"
_WORST_FIRST = (RowStatus.BAD, RowStatus.SUPPRESSED, RowStatus.KNOWN, RowStatus.ASKED, RowStatus.ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """What the form shows."""

    columns: tuple[str, ...] = COLUMNS
    most_rows: int = MOST_ROWS
    confirmed: bool = False
    wrong: Annotated[str, Samples("", "no-file", "letters", "rows", "busy", "header")] = ""
    reason: str = ""  # of a header that is none
    dropped: bool = False  # the last file was thrown away


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row, and why its fate is what it is where that is not plain."""

    line: int
    email: str
    column: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOneFate:
    """What became of some rows, or would."""

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
    good: int  # rows that are, or would be, somebody new
    failure: str


@dataclass(frozen=True, slots=True)
class Importing:
    """The pages at /admin/subscribers/import and below."""

    app: App
    imports: Imports

    def look(self, visit: Visit, _admin: Admin) -> Answer:
        """GET: the form."""
        return self._form(UploadForm(dropped=visit.query.get("done") == "dropped"))

    def upload(self, visit: Visit, admin: Admin) -> Answer:
        """POST: takes a file in, and begins to check it."""
        form = UploadForm(confirmed="confirmed" in visit.form)
        if visit.file is None or not visit.file.content:
            return self._form(replace(form, wrong="no-file"))
        text = decoded(visit.file.content)
        if text is None:
            return self._form(replace(form, wrong="letters"))
        rows = text.count("\n")
        if rows > MOST_ROWS:
            return self._form(replace(form, wrong="rows"))
        if reason := self._no_header(text):
            return self._form(replace(form, wrong="header", reason=reason))
        begun = self.imports.begin(visit.file, admin=admin, confirmed=form.confirmed, rows=rows, now=visit.now)
        return Redirect(path=f"{_PATH}/{begun.id}") if begun is not None else self._form(replace(form, wrong="busy"))

    def follow(self, visit: Visit, admin: Admin) -> Answer:
        """GET, of one: how far it is, and what became of the rows, or would. Raises NotFoundError."""
        return _page(_shown(self.imports.get(visit.id, admin=admin, now=visit.now)))

    def decide(self, visit: Visit, admin: Admin) -> Answer:
        """POST, of one that is checked: do it, or throw it away. Raises NotFoundError."""
        one = self.imports.get(visit.id, admin=admin, now=visit.now)
        if visit.form.get("do") == "drop":
            self.imports.drop(one)
            return Redirect(path=f"{_PATH}?done=dropped")
        self.imports.store(one, now=visit.now)
        return Redirect(path=f"{_PATH}/{one.id}")

    def report(self, visit: Visit, admin: Admin) -> Answer:
        """GET, of one: what became of every row, or would, as CSV. Raises NotFoundError."""
        one = self.imports.get(visit.id, admin=admin, now=visit.now)
        return Document(content=one.report_parts(), media_type="text/csv", filename="import.csv")

    def _no_header(self, text: str) -> str:
        """What is wrong with the first line, "" for nothing."""
        try:
            with self.app.store.read() as tx:
                next(self.app.read_subscriber_rows(tx, text, confirmed=False), None)
        except UsageError as error:
            return str(error)
        return ""

    def _form(self, shows: UploadForm) -> Page:
        return Page(template="desk-subscribers-import.html.j2", shows=shows, status=422 if shows.wrong else 200)


def _shown(one: Import) -> ShownImport:
    progress = one.progress
    return ShownImport(
        id=one.id,
        name=one.name,
        stage=progress.stage,
        percent=min(100, progress.rows * 100 // max(1, one.rows)),
        confirmed=one.confirmed,
        fates=_fates(progress.counts, progress.first),
        good=sum(progress.counts.get(fate, 0) for fate in RowStatus if fate.is_new),
        failure=progress.failure,
    )


def _fates(counts: Mapping[RowStatus, int], first: Mapping[RowStatus, tuple[RowOutcome, ...]]) -> tuple[OfOneFate, ...]:
    return tuple(
        OfOneFate(fate=fate, count=counts[fate], rows=tuple(_row(outcome) for outcome in first[fate][:SHOWN]))
        for fate in _WORST_FIRST
        if fate in counts
    )


def _row(outcome: RowOutcome) -> ShownRow:
    row = outcome.row
    return ShownRow(line=row.line, email=row.email, column=row.column, reason=outcome.reason)


def _page(shows: ShownImport) -> Page:
    return Page(template="desk-subscribers-imported.html.j2", shows=shows)

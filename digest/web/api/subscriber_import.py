"""Importing subscribers from a CSV file of up to 32 MB, as on the page of imports."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Annotated

from anyio import CancelScope, CapacityLimiter
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from digest.admin import subscriber_actions
from digest.store.database import batches
from digest.subscribers import fields
from digest.subscribers.csv_reading import decode_csv
from digest.subscribers.importing import RowOutcome, RowStatus, preview_import
from digest.web.api.access import WritesSubscribers
from digest.web.api.fields import QueryFields, Shown, new_router, read_body
from digest.web.api.problems import Refused, as_problem, responses
from digest.web.dependencies import UPLOAD_SECONDS
from digest.web.security import BODY_LIMIT_KEY, MAX_UPLOAD

router = new_router("subscribers")


class ImportOptions(QueryFields):
    """How to import."""

    dry_run: bool = Field(False, description="Only return what would happen to each row.")
    confirmed: bool = Field(False, description="They have already agreed; otherwise each gets a confirmation email.")


class ImportedRow(Shown):
    """What happened to a row, or would happen."""

    line: int
    email: str
    fate: RowStatus
    column: str = Field(description="The wrong column of a bad row.")
    reason: str


class Imported(BaseModel):
    """What happened to all rows."""

    dry_run: bool
    counts: dict[str, int] = Field(description="Number of rows by result.", examples=[{"added": 2, "known": 1}])
    ignored_columns: list[str] = Field(description="Columns of the file that are not known.", examples=[["notes"]])
    rows: list[ImportedRow]


async def _uploaded_csv(call: WritesSubscribers, request: Request) -> bytes:  # noqa: ARG001  (authenticates first)
    """Return the body of an authenticated request, which may be as large as a file on the page of imports.

    Others take the request's turn while it arrives, however slowly.
    """
    request.scope[BODY_LIMIT_KEY] = MAX_UPLOAD
    turns: CapacityLimiter = request.app.state.turns
    turns.release()
    try:
        return await read_body(request, seconds=UPLOAD_SECONDS)
    finally:
        with CancelScope(shield=True):  # the route releases the turn in any case
            await turns.acquire()


_CSV_BODY = {
    "requestBody": {
        "required": True,
        "description": "As `digest subscriber export` prints it, or as a spreadsheet saves it. Only the column email "
        f"is needed. {MAX_UPLOAD // 1024**2} MiB at most.",
        "content": {
            "text/csv": {
                "schema": {"type": "string", "format": "binary"},
                "example": "email,name\nreader@example.org,Reader\n",
            }
        },
    }
}


@router.post("/subscribers/import", responses=responses(body=True), response_model=Imported, openapi_extra=_CSV_BODY)
def import_subscribers(
    call: WritesSubscribers,
    options: Annotated[ImportOptions, Query()],
    content: Annotated[bytes, Depends(_uploaded_csv)],
) -> Response:
    """Add the subscribers of a CSV file. Bad rows are left out and come back with the reason.

    A large file is stored a thousand rows at a time; if that is interrupted, sending the file again adds the rest.
    """
    if not content:
        raise Refused(422, "body: is empty; send the CSV file as the body")
    if content.startswith(b"--"):
        raise Refused(422, "body: is a form; send the file itself, as `curl --data-binary @FILE` does")
    with as_problem(422), call.store.read() as tx:
        read = call.app.read_subscriber_rows(tx, decode_csv(content), confirmed=options.confirmed)
        if options.dry_run:
            return _import_response(batches(preview_import(tx, call.app.membership, read, now=call.now)), read, options)
    outcomes = subscriber_actions.import_rows_in_batches(call.store, call.app.membership, read, **call.signed)
    with closing(outcomes):
        response = _import_response(outcomes, read, options)
    call.services.wake_delivery()
    return response


def _import_response(
    outcomes: Iterable[Sequence[RowOutcome]], read: fields.CsvSubscribers, options: ImportOptions
) -> Response:
    """Return what happened to all rows. They are turned into JSON at once: half a million outcomes fill the memory."""
    counts: Counter[str] = Counter()
    rows: list[bytes] = []
    for batch in outcomes:
        counts.update(outcome.fate.value for outcome in batch)
        rows.append(b",".join(to_json(outcome.record()) for outcome in batch))
    empty = Imported(dry_run=options.dry_run, counts=counts, ignored_columns=list(read.ignored_columns), rows=[])
    return Response(
        empty.model_dump_json().encode().removesuffix(b"]}") + b",".join(rows) + b"]}", media_type="application/json"
    )

"""Many subscribers at once, from CSV."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from fastapi import Body, Query
from pydantic import BaseModel, ConfigDict, Field

from digest.admin import subscriber_actions
from digest.store import Transaction, profiles
from digest.subscribers import fields
from digest.subscribers.importing import RowOutcome, RowStatus, preview_import
from digest.web.api.access import Call, WritesSubscribers
from digest.web.api.fields import a_router
from digest.web.api.problems import Refused, responses

router = a_router("subscribers")


class ImportOptions(BaseModel):
    """How to import."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(False, description="Only say what would become of each row.")
    confirmed: bool = Field(False, description="They have agreed already; else a mail asks each.")


class ImportedRow(BaseModel):
    """What became of a row, or would."""

    line: int
    email: str
    fate: RowStatus
    column: str = Field(description="Of a bad row: what is wrong.")
    reason: str


class Imported(BaseModel):
    """What became of all."""

    dry_run: bool
    counts: dict[str, int] = Field(description="How many rows had which fate.", examples=[{"added": 2, "known": 1}])
    rows: list[ImportedRow]


@router.post("/subscribers/import", responses=responses(body=True))
def import_subscribers(
    call: WritesSubscribers,
    options: Annotated[ImportOptions, Query()],
    csv: Annotated[
        bytes,
        Body(
            media_type="text/csv",
            description="As `digest subscriber export` prints it; only the column email is needed. 256 KiB at most.",
            examples=["email,name\nreader@example.org,Reader\n"],
        ),
    ],
) -> Imported:
    """Add whom a CSV file names. Bad rows are left out, and say why."""
    try:
        text = csv.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(422, "body: is not UTF-8") from None
    outcomes = _rehearsed(call, text, options) if options.dry_run else _enlisted(call, text, options)
    counts = Counter(outcome.fate.value for outcome in outcomes)
    return Imported(dry_run=options.dry_run, counts=counts, rows=[_shown(outcome) for outcome in outcomes])


def _rehearsed(call: Call, text: str, options: ImportOptions) -> list[RowOutcome]:
    with call.store.read() as tx:
        return list(preview_import(tx, call.app.membership, _rows(call, tx, text, options), now=call.now))


def _enlisted(call: Call, text: str, options: ImportOptions) -> list[RowOutcome]:
    with call.writing() as tx:
        rows = _rows(call, tx, text, options)
        return list(subscriber_actions.import_rows(tx, call.app.membership, rows, by=call.by, now=call.now))


def _rows(call: Call, tx: Transaction, text: str, options: ImportOptions) -> Iterator[fields.CsvRow]:
    newsletter = call.app.config.newsletter
    return fields.read_csv(
        text,
        defaults=fields.Defaults(newsletter.timezone, newsletter.language),
        known_profiles={profile.name for profile in profiles.list_shared(tx)},
        languages=call.app.templates.languages,
        confirmed=options.confirmed,
    )


def _shown(outcome: RowOutcome) -> ImportedRow:
    return ImportedRow(**outcome.record())

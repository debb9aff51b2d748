"""digest source …: where papers come from; digest submission …: papers that readers propose."""

from typing import Annotated

import typer

from digest.admin import submission_actions
from digest.cli.options import MAX_NUMBER, ConfigOption, JsonOption, NowOption, new_group, open_app, signed
from digest.cli.output import print_records, say
from digest.errors import SourceError
from digest.models import SubmissionState
from digest.store import sources, submissions

source_commands = new_group("Sources: where papers come from.")


@source_commands.command("list")
def list_sources(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the sources and the result of their last check."""
    with open_app(config) as app, app.store.read() as tx:
        states = sources.list_states(tx)
        records = []
        for source in app.config.source:
            state = states.get(source.name)
            records.append(
                {
                    "name": source.name,
                    "kind": source.kind,
                    "state": "never asked" if state is None else state.failure or "ok",
                    "entries": None if state is None else state.entries,
                    "checked_at": None if state is None else state.checked_at,
                    "succeeded_at": None if state is None else state.succeeded_at,
                    "url": source.url,
                }
            )
    print_records(records, as_json=as_json, empty=f"no sources; add a [[source]] to {app.config.file}")


submission_commands = new_group("Submissions: papers that readers have proposed.")

IdArgument = Annotated[
    int, typer.Argument(metavar="ID", max=MAX_NUMBER, help="A number from `digest submission list`.")
]


@submission_commands.command("list")
def list_submissions(
    state: Annotated[SubmissionState | None, typer.Option(help="Only submissions in this state.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List submissions, oldest first."""
    with open_app(config) as app, app.store.read() as tx:
        found = submissions.list_all(tx, state=state)
    records = [
        {
            "id": s.id,
            "state": s.state.value,
            "url": s.url,
            "submitted_at": s.submitted_at,
            "origin": s.origin,
            "decided_at": s.decided_at,
            "paper": s.paper_id,
        }
        for s in found
    ]
    print_records(records, as_json=as_json, empty="no submissions" if state is None else f"no submissions are {state}")


@submission_commands.command()
def approve(
    submission_id: IdArgument,
    title: Annotated[str, typer.Option(help="The paper's title, instead of the one on the page.")] = "",
    abstract: Annotated[str, typer.Option(help="The paper's abstract, instead of the one on the page.")] = "",
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Look up a proposed paper and add it to today's edition, where profiles match it like any other paper.

    With --title the paper is added even if its page cannot be read.
    """
    with open_app(config) as app:
        with app.store.read() as tx:
            submission = submissions.get(tx, submission_id)
        submission_actions.check_open(submission)
        try:
            with app.fetcher() as fetcher:
                found = submission_actions.look_up(fetcher, submission.url)
        except SourceError as error:
            if not title.strip():
                raise SourceError(
                    submission.url, f"{error.reason}; --title and --abstract give what is missing"
                ) from None
            found = None
        entry = submission_actions.edited_entry(submission.url, title.strip(), abstract.strip(), found)
        timezone = app.config.newsletter.timezone
        with app.store.write() as tx:
            paper_id = submission_actions.approve(tx, submission.id, entry, timezone=timezone, **signed(now))
    say(f"{paper_id} is in today's edition: {entry.title}")


@submission_commands.command()
def reject(submission_id: IdArgument, now: NowOption = None, config: ConfigOption = None) -> None:
    """Reject a submission; it can still be approved."""
    with open_app(config) as app, app.store.write() as tx:
        submission_actions.reject(tx, submission_id, **signed(now))
    say(f"submission {submission_id} is rejected")

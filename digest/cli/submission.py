"""digest submission …: the papers that readers propose."""

from typing import Annotated

import typer

from digest.admin import submission_actions
from digest.cli.options import ORIGIN, ConfigOption, JsonOption, NowOption, moment, open_app
from digest.cli.output import print_records, say
from digest.errors import SourceError
from digest.models import SubmissionState
from digest.store import submissions

commands = typer.Typer(help="Submissions: the papers that readers propose, held for you.", no_args_is_help=True)

IdArgument = Annotated[int, typer.Argument(metavar="ID", help="Its number; `digest submission list` shows it.")]


@commands.command("list")
def list_(
    state: Annotated[SubmissionState | None, typer.Option(help="Only submissions in this state.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List what was proposed, the oldest first."""
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
    print_records(records, as_json=as_json, empty="nothing was proposed" if state is None else f"nothing is {state}")


@commands.command()
def approve(
    submission_id: IdArgument,
    title: Annotated[str, typer.Option(help="Its title, where the page names none or another.")] = "",
    abstract: Annotated[str, typer.Option(help="Its abstract, likewise.")] = "",
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Look a paper up and put it into today's edition, where profiles find it as any other.

    With --title it is put in even if its page cannot be read.
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
            at = moment(now)
            paper_id = submission_actions.approve(tx, submission.id, entry, by=ORIGIN, now=at, timezone=timezone)
    say(f"{paper_id} is in today's edition: {entry.title}")


@commands.command()
def reject(submission_id: IdArgument, now: NowOption = None, config: ConfigOption = None) -> None:
    """Put a proposal aside; it can still be approved."""
    with open_app(config) as app, app.store.write() as tx:
        submission_actions.reject(tx, submission_id, by=ORIGIN, now=moment(now))
    say(f"submission {submission_id} is rejected")

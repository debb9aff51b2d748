"""The command line `digest`: one file per noun. Commands parse, act and print."""

import os
import sys
from pathlib import Path
from typing import Annotated

import stamina
import structlog
import typer

from digest import __version__
from digest.cli import (
    admin,
    bounce,
    db,
    demo,
    dkim,
    explain,
    init,
    match,
    outbox,
    preview,
    profile,
    run,
    source,
    submission,
    subscriber,
    suppression,
    token,
)
from digest.cli.output import complain, print_text
from digest.config import DEFAULT_FILE
from digest.errors import DigestError, UsageError

commands = typer.Typer(
    help="A self-hosted newsletter of new research papers: personal, explained, one mail a day.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo.demo,
    init.init,
    run.run,
    run.ingest,
    run.publish,
    run.deliver,
    run.serve,
    bounce.bounce,
    match.match,
    preview.preview,
    explain.explain,
):
    commands.command()(command)
for noun in (admin, token, profile, subscriber, suppression, source, submission, outbox, dkim, db):
    commands.add_typer(noun.commands, name=noun.__name__.rpartition(".")[2])


def _print_version(asked: bool) -> None:
    if asked:
        print_text(f"digest {__version__}")
        raise typer.Exit


@commands.callback()
def _root(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", envvar="DIGEST_CONFIG", help="The configuration file.")
    ] = Path(DEFAULT_FILE),
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> None:
    """Run the console script. Errors are one line on stderr; exit code 2 for usage or configuration, 1 for the rest."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # stdout is for data
    stamina.instrumentation.set_on_retry_hooks([])  # only the last attempt is reported
    try:
        commands()
    except UsageError as error:
        complain(str(error))
        sys.exit(2)
    except DigestError as error:
        complain(str(error))
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DIGEST_DEBUG"):
            raise
        complain(f"internal error: {type(error).__name__}: {error} (DIGEST_DEBUG=1 shows where)")
        sys.exit(1)

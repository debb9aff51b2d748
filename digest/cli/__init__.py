"""The command line `digest`: each file has the commands of one or two nouns. They parse, act and print."""

import errno
import os
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from traceback import format_tb
from typing import Annotated

import stamina
import structlog
import typer
from structlog.typing import EventDict

from digest import __version__
from digest.cli import outbox, profile, run, subscriber
from digest.cli.admin_and_token import admin_commands, token_commands
from digest.cli.bounce_and_suppression import bounce, suppression_commands
from digest.cli.match_preview_explain import explain, match, preview
from digest.cli.options import CommandGroup
from digest.cli.output import complain
from digest.cli.setup import db_commands, demo, dkim_commands, init
from digest.cli.source_and_submission import source_commands, submission_commands
from digest.config import DEFAULT_FILE
from digest.errors import DigestError, UsageError
from digest.security.addresses import hide_in

_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_PLAIN_WORDS = (
    (r"Value error, ", ""),
    (r", unable to parse string as an integer", ""),
    (r"No such option: (\S+) \(Possible options: ([^,)]+)\)", r"no option \1; did you mean \2?"),
)
_LOG_PROCESSORS = structlog.get_config()["processors"]

commands = typer.Typer(
    help="A self-hosted newsletter of new research papers: a personal daily email that explains each choice.",
    no_args_is_help=True,
    cls=CommandGroup,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, init, run.run, run.ingest, run.publish, run.deliver, run.serve, bounce, match, preview, explain):
    commands.command()(command)
commands.add_typer(admin_commands, name="admin")
commands.add_typer(token_commands, name="token")
commands.add_typer(profile.commands, name="profile")
commands.add_typer(subscriber.commands, name="subscriber")
commands.add_typer(suppression_commands, name="suppression")
commands.add_typer(source_commands, name="source")
commands.add_typer(submission_commands, name="submission")
commands.add_typer(outbox.commands, name="outbox")
commands.add_typer(dkim_commands, name="dkim")
commands.add_typer(db_commands, name="db")


def _print_version(asked: bool) -> None:
    if asked:
        print(f"digest {__version__}")
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


def _prepare_output() -> None:
    """Make stdout and stderr take any text: data in UTF-8, on a terminal what its character set has.

    Without this, `digest subscriber list` fails for a name that the locale's character set lacks, and exported data
    depends on the locale. Closed files are replaced, since the next file that is opened would take their place.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding=sys.stdout.encoding if sys.stdout.isatty() else "utf-8", errors="replace")


def _plain(message: str) -> str:
    """Return what the parser of the command line says of a wrong value, in plain words."""
    for pydantic, plain in _PLAIN_WORDS:
        message = re.sub(pydantic, plain, message)
    return message


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError if an argument is not text: Python reads bytes that are not UTF-8 as surrogates."""
    for number, argument in enumerate(arguments):
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"argument {number}, {argument!a}, is not UTF-8 text") from None


def _without_private_data(_logger: object, _level: str, event: EventDict) -> EventDict:
    """Hide the addresses in an entry of the log, and the local variables of a stack, which may be tokens."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["stack"] = "".join(format_tb(error.__traceback__))
    return {name: hide_in(value) if isinstance(value, str) else value for name, value in event.items()}


def main() -> None:
    """Run the console script. Errors are one line on stderr; exit code 2 for usage or configuration, 1 for the rest."""
    _prepare_output()
    structlog.configure(
        processors=[_without_private_data, *_LOG_PROCESSORS],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # stdout is for data
    )
    stamina.instrumentation.set_on_retry_hooks([])  # only the last attempt is reported
    try:
        _check_text(sys.argv)
        code = commands(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code)
    except typer.TyperException as error:  # what the parser of the command line refuses
        context = getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context is not None else ""
        if message := error.format_message().removesuffix("."):  # none if the help was printed
            complain(f"{_plain(message)}{hint}")
        sys.exit(error.exit_code)
    except typer.Abort:
        complain("aborted")
        sys.exit(1)
    except UsageError as error:
        complain(str(error))
        sys.exit(2)
    except DigestError as error:
        complain(str(error))
        sys.exit(1)
    except BrokenPipeError:  # the program that reads the output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to write has no place to go
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DIGEST_DEBUG"):
            raise
        if isinstance(error, OSError) and (error.filename or error.errno in _DISK_FAULTS):
            complain(f"{error.filename or 'the output'}: {os.strerror(error.errno or 0).lower()}")
            sys.exit(1)
        complain(f"internal error: {type(error).__name__}: {error} (DIGEST_DEBUG=1 shows where)")
        sys.exit(1)

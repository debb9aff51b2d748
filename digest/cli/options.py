"""Options that several commands share, and what they stand for."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from digest.admin.profile_actions import compile_profile_rules
from digest.app import App
from digest.config import DEFAULT_FILE
from digest.errors import UsageError
from digest.models import CompiledRules


def _config_file(context: typer.Context, given: Path | None) -> Path | None:
    """`digest --config FILE run` and `digest run --config FILE` are the same."""
    return given or context.find_root().params.get("config")


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise typer.BadParameter(f"{written!r} is not a time; write one such as 2026-06-03T07:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", callback=_config_file, help="The configuration (config.toml if not given)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
NowOption = Annotated[
    datetime | None,
    typer.Option("--now", metavar="TIME", parser=_moment, help="Work as if it were this time (2026-06-03T07:00:00Z)."),
]
EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")]
ConfirmedOption = Annotated[bool, typer.Option("--confirmed", help="They have agreed already: no confirmation mail.")]
ORIGIN = "command line"  # in the audit log, the consent log and the history of profiles
MOST_DAYS = 36_500  # that a command looks back
RulesOption = Annotated[str, typer.Option("--rules", metavar="RULES", help="The rules: text, @FILE, or - for stdin.")]


def open_app(config: Path | None) -> App:
    """The installation that `--config` names. Raises DigestError."""
    return App.open(config or Path(DEFAULT_FILE))


def moment(now: datetime | None) -> datetime:
    """The time that `--now` names, else this very moment."""
    return now or datetime.now(UTC)


def wanted_rules(written: str) -> CompiledRules:
    """RULES as a command takes them, read and found to ask for something. Raises RuleError, UsageError."""
    return compile_profile_rules(read_rules(written))


def read_rules(written: str) -> str:
    """RULES as a command takes them: text, @FILE or - (stdin). Raises UsageError."""
    try:
        if written == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        if written.startswith("@"):
            return Path(written[1:]).read_text(encoding="utf-8-sig")
        written.encode()
    except (OSError, UnicodeError) as error:
        where = {"-": "stdin: "}.get(written, f"{written[1:]}: " if written.startswith("@") else "")
        raise UsageError(f"{where}the rules cannot be read: {why_unreadable(error)}") from None
    return written


def why_unreadable(error: OSError | UnicodeError) -> str:
    """What is wrong with a file that should be text."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "this is not a text in UTF-8; save it as such"

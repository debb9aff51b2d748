"""Options that several commands share, and what they stand for."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from digest.admin.profile_actions import compile_profile_rules
from digest.app import App
from digest.cli.output import warn
from digest.config import DEFAULT_FILE
from digest.errors import UsageError, reason_unreadable
from digest.matching import compile_rules
from digest.matching.language.hints import list_hints
from digest.models import CompiledRules
from digest.spelling import did_you_mean
from digest.store import Transaction

_YEARS = range(1970, 2200)  # of --now: a century can be added or taken away from any of them


def _config_file(context: typer.Context, given: Path | None) -> Path | None:
    """Return the file of `digest run --config FILE`, or else that of `digest --config FILE run`."""
    return given or context.find_root().params.get("config")


def _moment(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        raise typer.BadParameter(f"{written!r} is not a time; write one such as 2026-06-03T07:00:00Z") from None
    if moment.year not in _YEARS:
        raise typer.BadParameter(f"{written!r} is not in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", callback=_config_file, help="The configuration file (config.toml by default)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
NowOption = Annotated[
    datetime | None,
    typer.Option(
        "--now",
        metavar="TIME",
        parser=_moment,
        help="Use this as the current time (2026-06-03T07:00:00Z); without a zone, it is in UTC.",
    ),
]
EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The subscriber's address.")]
ConfirmedOption = Annotated[bool, typer.Option("--confirmed", help="They have agreed: send no confirmation email.")]
ORIGIN = "command line"  # in the audit log, the consent log and the history of profiles
MAX_DAYS = 36_500  # that a command looks back
_MAX_BYTES = 256 * 2**20  # of a file: a device or a pipe may never end
MAX_NUMBER = 10**15  # of a row or of rows: databases count further
RulesOption = Annotated[str, typer.Option("--rules", metavar="RULES", help="The rules: text, @FILE, or - for stdin.")]


class CommandGroup(TyperGroup):
    """A group of commands that suggests the command that is probably meant by a misspelt one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names. Raises UsageError."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = did_you_mean(name, self.commands) or f"; `{ctx.command_path} --help` lists them"
            raise UsageError(f"no command {name!r}{hint}")
        return super().resolve_command(ctx, args)


def new_group(explanation: str) -> typer.Typer:
    """Return the group of the commands of one noun."""
    return typer.Typer(help=explanation, no_args_is_help=True, cls=CommandGroup)


def open_app(config: Path | None) -> App:
    """Open the installation that `--config` names. Raises DigestError."""
    return App.open(config or Path(DEFAULT_FILE))


def moment(now: datetime | None) -> datetime:
    """Return the time that `--now` names, or else the current time."""
    return now or datetime.now(UTC)


def signed(now: datetime | None = None) -> dict[str, Any]:
    """Return who acts and when, as the actions of admins take it."""
    return {"by": ORIGIN, "now": moment(now)}


@contextmanager
def writing_rules(app: App, rules: CompiledRules | None) -> Iterator[Transaction]:
    """Open a transaction that may store rules. Raises CostlyRuleError if they would take too long to match."""
    if rules is not None:
        app.check_cost(rules, now=moment(None))
    with app.store.write() as tx:
        yield tx


def compile_rules_option(written: str) -> CompiledRules:
    """Read and compile RULES. Raises RuleError, and UsageError if they could never match a paper."""
    return _with_hints(compile_profile_rules(read_rules(written)))


def compile_keywords_option(written: str | None) -> CompiledRules | None:
    """Read and compile a subscriber's own keywords, if there are any. Raises RuleError."""
    return None if written is None else _with_hints(compile_rules(read_rules(written)))


def _with_hints(rules: CompiledRules) -> CompiledRules:
    """Warn of phrases that may be meant as lists or operators."""
    for hint in list_hints(rules.text):
        warn(str(hint))
    return rules


def read_rules(written: str) -> str:
    """Read RULES: text, @FILE or - (stdin). Raises UsageError."""
    if written == "@":
        raise UsageError("--rules @ needs the name of a file, such as @rules.txt")
    if written == "-" or written.startswith("@"):
        return read_text(Path(written.removeprefix("@")), what="the rules cannot be read")
    return written


def read_bytes(file: Path, *, what: str = "cannot be read") -> bytes:
    """Read a file, or stdin if it is called "-". Raises UsageError, which begins with the name and `what`."""
    name = shown_name(file)
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{name}: {what}: {reason_unreadable(error)}") from None
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{name}: {what}: it is larger than {_MAX_BYTES // 2**20} MB; split it into several files")
    return content


def read_text(file: Path, *, what: str = "cannot be read") -> str:
    """Read a text in UTF-8, with a byte order mark or without. Raises UsageError."""
    try:
        return read_bytes(file, what=what).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown_name(file)}: {what}: {reason_unreadable(error)}") from None


def shown_name(file: Path) -> str:
    """Return the name of a file in messages; "-" is stdin."""
    return "stdin" if str(file) == "-" else str(file)
